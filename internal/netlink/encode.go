package netlink

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

const (
	headerLength    = 16 // struct nlmsghdr
	attributeLength = 4  // struct nlattr
	maxAttribute    = 1<<16 - 1
	nested          = 1 << 15 // NLA_F_NESTED
	typeMask        = 1<<14 - 1
)

// ErrTooLong reports an attribute that exceeds 65,535 bytes, which the format
// cannot express.
var ErrTooLong = errors.New("netlink attribute exceeds 65535 bytes")

// Encoder builds messages one behind the other in one buffer. The zero value is
// ready for use. Its methods never fail; Err says at the end what did not fit.
//
// An Encoder does not allocate once its buffer has grown to the size of what it
// builds; Reset keeps the buffer.
type Encoder struct {
	buf   []byte
	start int // offset of the last message
	count int
	err   error
}

// Mark is the place of an open attribute, from Nest to End.
type Mark int

// Reset drops all messages and keeps the memory.
func (e *Encoder) Reset() { *e = Encoder{buf: e.buf[:0]} }

// Grow makes room for so many more bytes.
func (e *Encoder) Grow(length int) { e.buf = slices.Grow(e.buf, length) }

// Len returns the length in bytes of all messages.
func (e *Encoder) Len() int { return len(e.buf) }

// Count returns the number of messages.
func (e *Encoder) Count() int { return e.count }

// MessageLen returns the length in bytes of the last message so far.
func (e *Encoder) MessageLen() int { return len(e.buf) - e.start }

// Messages ends the last message and returns all. They alias the encoder's memory.
func (e *Encoder) Messages() Messages {
	e.finish()
	return e.buf
}

// Err returns ErrTooLong if an attribute did not fit, else nil.
func (e *Encoder) Err() error { return e.err }

// Message begins a message and ends the one before. NLM_F_REQUEST is added to
// the flags; the connection fills in sequence number and port.
func (e *Encoder) Message(kind, flags uint16) {
	e.finish()
	e.start = len(e.buf)
	e.count++
	e.buf = binary.NativeEndian.AppendUint32(e.buf, 0)
	e.buf = binary.NativeEndian.AppendUint16(e.buf, kind)
	e.buf = binary.NativeEndian.AppendUint16(e.buf, flags|1) // NLM_F_REQUEST
	e.buf = append(e.buf, 0, 0, 0, 0, 0, 0, 0, 0)
}

// Netfilter begins a message for a subsystem of netfilter: kind is
// subsystem<<8 | message, family the NFPROTO and resource the res_id of
// struct nfgenmsg.
func (e *Encoder) Netfilter(kind, flags uint16, family uint8, resource uint16) {
	e.Message(kind, flags)
	e.buf = append(e.buf, family, 0)
	e.buf = binary.BigEndian.AppendUint16(e.buf, resource)
}

// Raw appends bytes as they are, such as the fixed header that follows a
// message's own, and pads them to four.
func (e *Encoder) Raw(data []byte) {
	e.buf = append(e.buf, data...)
	e.pad()
}

// Bytes appends an attribute with these bytes.
func (e *Encoder) Bytes(kind uint16, data []byte) {
	e.attribute(kind, len(data))
	e.buf = append(e.buf, data...)
	e.pad()
}

// String appends an attribute with the text and a final zero.
func (e *Encoder) String(kind uint16, text string) {
	e.attribute(kind, len(text)+1)
	e.buf = append(e.buf, text...)
	e.buf = append(e.buf, 0)
	e.pad()
}

// Flag appends an attribute without a value.
func (e *Encoder) Flag(kind uint16) { e.attribute(kind, 0) }

// Uint8 appends an attribute of one byte.
func (e *Encoder) Uint8(kind uint16, value uint8) {
	e.attribute(kind, 1)
	e.buf = append(e.buf, value, 0, 0, 0)
}

// Uint16 appends an attribute of two bytes in the machine's order.
func (e *Encoder) Uint16(kind, value uint16) {
	e.attribute(kind, 2)
	e.buf = binary.NativeEndian.AppendUint16(e.buf, value)
	e.pad()
}

// Uint32 appends an attribute of four bytes in the machine's order, as
// rtnetlink has them.
func (e *Encoder) Uint32(kind uint16, value uint32) {
	e.attribute(kind, 4)
	e.buf = binary.NativeEndian.AppendUint32(e.buf, value)
}

// Big16 appends an attribute of two bytes in network order.
func (e *Encoder) Big16(kind, value uint16) {
	e.attribute(kind, 2)
	e.buf = binary.BigEndian.AppendUint16(e.buf, value)
	e.pad()
}

// Big32 appends an attribute of four bytes in network order, as netfilter has them.
func (e *Encoder) Big32(kind uint16, value uint32) {
	e.attribute(kind, 4)
	e.buf = binary.BigEndian.AppendUint32(e.buf, value)
}

// Big64 appends an attribute of eight bytes in network order.
func (e *Encoder) Big64(kind uint16, value uint64) {
	e.attribute(kind, 8)
	e.buf = binary.BigEndian.AppendUint64(e.buf, value)
}

// Nest opens an attribute that holds others; End closes it.
func (e *Encoder) Nest(kind uint16) Mark {
	mark := Mark(len(e.buf))
	e.attribute(kind|nested, 0)
	return mark
}

// NestRaw opens an attribute like Nest, without the flag that says so, for the
// parts of rtnetlink that do not know it.
func (e *Encoder) NestRaw(kind uint16) Mark {
	mark := Mark(len(e.buf))
	e.attribute(kind, 0)
	return mark
}

// End closes the attribute that Nest opened.
func (e *Encoder) End(mark Mark) {
	length := len(e.buf) - int(mark)
	if length > maxAttribute {
		e.err = fmt.Errorf("%w: %d", ErrTooLong, length)
		return
	}
	binary.NativeEndian.PutUint16(e.buf[mark:], uint16(length))
}

// Since returns what stands in the attribute that Nest opened, valid until more is
// appended.
func (e *Encoder) Since(mark Mark) []byte { return e.buf[int(mark)+attributeLength:] }

func (e *Encoder) attribute(kind uint16, length int) {
	if length > maxAttribute-attributeLength {
		e.err = fmt.Errorf("%w: %d", ErrTooLong, length)
	}
	e.buf = binary.NativeEndian.AppendUint16(e.buf, uint16(length+attributeLength))
	e.buf = binary.NativeEndian.AppendUint16(e.buf, kind)
}

func (e *Encoder) pad() {
	for len(e.buf)%4 != 0 {
		e.buf = append(e.buf, 0)
	}
}

// finish writes the length of the last message.
func (e *Encoder) finish() {
	if e.count > 0 {
		binary.NativeEndian.PutUint32(e.buf[e.start:], uint32(len(e.buf)-e.start))
	}
}

// stamp ends the last message, numbers all from sequence on, gives them the
// port and, where each is to be acknowledged, NLM_F_ACK. It returns the bytes.
func (e *Encoder) stamp(sequence, port uint32, flags uint16) []byte {
	e.finish()
	for rest := e.buf; len(rest) >= headerLength; sequence++ {
		kinds := binary.NativeEndian.Uint16(rest[6:])
		binary.NativeEndian.PutUint16(rest[6:], kinds|flags)
		binary.NativeEndian.PutUint32(rest[8:], sequence)
		binary.NativeEndian.PutUint32(rest[12:], port)
		rest = rest[binary.NativeEndian.Uint32(rest):]
	}
	return e.buf
}
