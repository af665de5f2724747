// Package netlink is a small connection to the kernel's netlink: for nftables,
// for NFLOG, and for links, addresses and routes (rtnetlink). See netlink(7)
// and Linux, Documentation/userspace-api/netlink.
//
// An [Encoder] builds requests, a [Decoder] walks over attributes; both work
// without allocation. A [Conn] sends requests and reads the answers:
//
//   - [Conn.Execute] has every message acknowledged, many at a time;
//   - [Conn.Get] reads the answer to one question;
//   - [Conn.Dump] reads a whole table, again from the start whenever the kernel
//     says that it changed meanwhile;
//   - [Conn.Commit] sends a [Batch] of nftables, which takes effect whole or not
//     at all, and only if nobody changed the ruleset since it was read
//     ([Conn.Generation]);
//   - [Conn.Receive] waits for what the kernel tells by itself.
//
// A failure is a *sys.OpError with the kernel's own explanation. A connection
// belongs to the network namespace of the thread that dialled it, for ever, and
// to one goroutine at a time.
package netlink

import (
	"encoding/binary"
	"errors"
	"syscall"

	"wirelab/internal/sys"
)

var (
	// ErrInterrupted reports a dump that others interrupted at every attempt.
	ErrInterrupted = errors.New("the table changed during every attempt to read it")

	// ErrChanged reports a batch that was refused because the ruleset is no
	// longer of the generation that the batch was made for.
	ErrChanged = errors.New("the ruleset has changed since")

	// ErrAnswersLost reports that the kernel had no room for its answers, so that
	// nobody knows what it did.
	ErrAnswersLost = errors.New("the kernel's answers were lost")

	// ErrTooLarge reports a batch that exceeds the largest socket buffer that
	// the process may have.
	ErrTooLarge = errors.New("the batch exceeds net.core.wmem_max: raise that, or run as root of the machine")
)

// Describe names the message with this index, counted from 0, for the error
// that tells of its failure.
type Describe func(index int) (op, object string)

// Named describes every message alike.
func Named(op, object string) Describe {
	return func(int) (string, string) { return op, object }
}

// Attributes of an acknowledgement (enum nlmsgerr_attrs), and the kinds of
// message that end an exchange.
const (
	kindError    = 2 // NLMSG_ERROR
	kindDone     = 3 // NLMSG_DONE
	flagMulti    = 0x2
	flagAck      = 0x4
	flagChanged  = 0x10  // NLM_F_DUMP_INTR
	flagDump     = 0x300 // NLM_F_ROOT | NLM_F_MATCH
	flagCapped   = 0x100
	flagDetails  = 0x200 // NLM_F_ACK_TLVS
	attributeMsg = 1     // NLMSGERR_ATTR_MSG
	attributeAt  = 2     // NLMSGERR_ATTR_OFFS
)

// RefusedError is the errno of a message of a batch, with the value of the attribute that
// the kernel took offence at.
type RefusedError struct {
	syscall.Errno
	Value []byte
}

// Unwrap returns the errno.
func (e *RefusedError) Unwrap() error { return e.Errno }

// verdict is what an acknowledgement says: an errno, 0 for success, the kernel's
// explanation, and where in the message the attribute stands that it is about, 0 if unknown.
type verdict struct {
	errno   syscall.Errno
	message string
	at      uint32
}

// verdictOf reads NLMSG_ERROR, or NLMSG_DONE, which begins alike.
func verdictOf(m Message) (v verdict, err error) {
	if len(m.Body) < 4 {
		if m.Kind == kindDone {
			return verdict{}, nil
		}
		return v, ErrMalformed
	}
	if code := int32(binary.NativeEndian.Uint32(m.Body)); code < 0 {
		v.errno = syscall.Errno(-code)
	}
	if m.Flags&flagDetails != 0 {
		v.explain(m)
	}
	return v, nil
}

// explain reads the extended acknowledgement. It stands behind the request, of which
// a capped answer repeats only the header.
func (v *verdict) explain(m Message) {
	skip := 4
	if m.Kind == kindError {
		if len(m.Body) < 4+headerLength {
			return
		}
		skip += headerLength
		if m.Flags&flagCapped == 0 {
			skip = 4 + align(int(binary.NativeEndian.Uint32(m.Body[4:])))
		}
	}
	if skip < 0 || skip > len(m.Body) {
		return
	}
	for d := Decode(m.Body[skip:]); d.Next(); {
		switch d.Kind() {
		case attributeMsg:
			v.message = d.String()
		case attributeAt:
			v.at = d.Uint32()
		}
	}
}

// refused returns the errno, with the value of the attribute of the message that it is about.
func (v verdict) refused(m Message) error {
	if at := int64(v.at) - headerLength; at >= 0 && at < int64(len(m.Body)) {
		if d := Decode(m.Body[at:]); d.Next() {
			return &RefusedError{Errno: v.errno, Value: d.Bytes()}
		}
	}
	return v.errno
}

// failure returns the error that an errno stands for, nil for success.
func (v verdict) failure(describe Describe, index int) error {
	if v.errno == 0 {
		return nil
	}
	op, object := describe(index)
	return &sys.OpError{Op: op, Object: object, Err: v.errno, Message: v.message}
}
