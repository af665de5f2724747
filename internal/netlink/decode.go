package netlink

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
)

// ErrMalformed reports bytes that are no netlink message or attribute.
var ErrMalformed = errors.New("malformed netlink message")

// Message is one message of the kernel. Its body aliases the buffer that it was
// read into.
type Message struct {
	Kind     uint16
	Flags    uint16
	Sequence uint32
	Port     uint32
	Body     []byte // what follows the header of 16 bytes
}

// Messages are messages one behind the other, as the kernel sends them.
type Messages []byte

// All returns the messages in order. It stops at the first that is malformed.
func (m Messages) All() iter.Seq[Message] {
	return func(yield func(Message) bool) {
		for rest := []byte(m); len(rest) > 0; {
			message, after, err := nextMessage(rest)
			if err != nil || !yield(message) {
				return
			}
			rest = after
		}
	}
}

// nextMessage cuts the first message off b.
func nextMessage(b []byte) (m Message, rest []byte, err error) {
	if len(b) < headerLength {
		return m, nil, fmt.Errorf("%w: header of %d bytes", ErrMalformed, len(b))
	}
	length := binary.NativeEndian.Uint32(b)
	if length < headerLength || uint64(length) > uint64(len(b)) {
		return m, nil, fmt.Errorf("%w: length %d of %d bytes", ErrMalformed, length, len(b))
	}
	m = Message{
		Kind:     binary.NativeEndian.Uint16(b[4:]),
		Flags:    binary.NativeEndian.Uint16(b[6:]),
		Sequence: binary.NativeEndian.Uint32(b[8:]),
		Port:     binary.NativeEndian.Uint32(b[12:]),
		Body:     b[headerLength:length],
	}
	return m, b[min(align(int(length)), len(b)):], nil
}

// Attributes returns a decoder of the attributes that follow a fixed header of
// the given length.
func (m Message) Attributes(fixed int) Decoder {
	if len(m.Body) < fixed {
		return Decoder{err: fmt.Errorf("%w: %d bytes where %d must be", ErrMalformed, len(m.Body), fixed)}
	}
	return Decode(m.Body[fixed:])
}

// Decoder walks over attributes, without allocation:
//
//	d := netlink.Decode(data)
//	for d.Next() {
//		switch d.Kind() { case …: name = d.String() }
//	}
//	return d.Err()
//
// A value that is shorter than the type asked for reads as zero and sets Err.
type Decoder struct {
	rest  []byte
	kind  uint16
	value []byte
	err   error
}

// Decode returns a decoder of the attributes in b. What it returns aliases b.
func Decode(b []byte) Decoder { return Decoder{rest: b} }

// Next steps to the next attribute; false means the end, or an error.
func (d *Decoder) Next() bool {
	if len(d.rest) == 0 || d.err != nil {
		return false
	}
	if len(d.rest) < attributeLength {
		d.err = fmt.Errorf("%w: attribute header of %d bytes", ErrMalformed, len(d.rest))
		return false
	}
	length := int(binary.NativeEndian.Uint16(d.rest))
	if length < attributeLength || length > len(d.rest) {
		d.err = fmt.Errorf("%w: attribute length %d of %d bytes", ErrMalformed, length, len(d.rest))
		return false
	}
	d.kind = binary.NativeEndian.Uint16(d.rest[2:]) & typeMask
	d.value = d.rest[attributeLength:length]
	d.rest = d.rest[min(align(length), len(d.rest)):]
	return true
}

// Err returns the first error, nil after a clean walk.
func (d *Decoder) Err() error { return d.err }

// Kind returns the attribute's type without its flags.
func (d *Decoder) Kind() uint16 { return d.kind }

// Bytes returns the attribute's value.
func (d *Decoder) Bytes() []byte { return d.value }

// Nested returns a decoder of the attributes inside this one.
func (d *Decoder) Nested() Decoder { return Decode(d.value) }

// String returns the text up to its zero.
func (d *Decoder) String() string {
	text, _, _ := bytes.Cut(d.value, []byte{0})
	return string(text)
}

// Uint8 returns the value of one byte.
func (d *Decoder) Uint8() uint8 {
	if !d.has(1) {
		return 0
	}
	return d.value[0]
}

// Uint16 returns the value of two bytes in the machine's order.
func (d *Decoder) Uint16() uint16 {
	if !d.has(2) {
		return 0
	}
	return binary.NativeEndian.Uint16(d.value)
}

// Uint32 returns the value of four bytes in the machine's order.
func (d *Decoder) Uint32() uint32 {
	if !d.has(4) {
		return 0
	}
	return binary.NativeEndian.Uint32(d.value)
}

// Big16 returns the value of two bytes in network order.
func (d *Decoder) Big16() uint16 {
	if !d.has(2) {
		return 0
	}
	return binary.BigEndian.Uint16(d.value)
}

// Big32 returns the value of four bytes in network order.
func (d *Decoder) Big32() uint32 {
	if !d.has(4) {
		return 0
	}
	return binary.BigEndian.Uint32(d.value)
}

// Big64 returns the value of eight bytes in network order.
func (d *Decoder) Big64() uint64 {
	if !d.has(8) {
		return 0
	}
	return binary.BigEndian.Uint64(d.value)
}

func (d *Decoder) has(length int) bool {
	if len(d.value) >= length {
		return true
	}
	if d.err == nil {
		d.err = fmt.Errorf("%w: attribute %d has %d bytes, not %d", ErrMalformed, d.kind, len(d.value), length)
	}
	return false
}

func align(length int) int { return (length + 3) &^ 3 }
