// Package payload makes the messages that clients send and verifies the answers. A
// [Payload] is parsed once from what a person writes, such as "seq" or
// "text:hello", and then shared: it does not change. For each message sent,
// [Payload.Expect] gives a [Check], which takes the answer in whatever pieces it
// comes.
package payload

import (
	"encoding/binary"
	"fmt"
	"time"
)

// MaxLen is the most bytes that one message may have.
const MaxLen = 16 << 20

// defaultSize is the length of messages whose payload has none of its own.
const defaultSize = 64

// A Payload says what the messages of a run hold and, through Expect, which
// answers are right. It does not change after Parse and may be used by any
// number of goroutines.
type Payload struct {
	spec string
	kind payloadKind
	body []byte // a message; for kinds that differ from message to message, all but the head
	seed uint64
}

type payloadKind uint8

const (
	fixedPayload    payloadKind = iota // every message is body
	sequencePayload                    // the head holds client and message number
	randomPayload                      // every byte follows from seed, client and number; only body's length counts
	timePayload                        // the head is the time of sending as text
	stampPayload                       // the head is that of a STAMP packet
)

// String returns the specification that the payload was parsed from.
func (p *Payload) String() string { return p.spec }

// Len returns the length of a message in bytes, the same for all messages.
func (p *Payload) Len() int { return len(p.body) }

// Stamped reports whether messages carry the time at which they are sent, so
// that Append and Expect need it.
func (p *Payload) Stamped() bool { return p.kind == timePayload || p.kind == stampPayload }

// Reflected reports whether the right answer to a message is a STAMP reflection, which
// has stamps of its own; see [Check.Exchange].
func (p *Payload) Reflected() bool { return p.kind == stampPayload }

// Fixed reports whether all messages are the same.
func (p *Payload) Fixed() bool { return p.kind == fixedPayload }

// Sequenced reports whether messages begin with the whole head of a seq message.
func (p *Payload) Sequenced() bool { return p.kind == sequencePayload && p.Len() >= SequenceLen }

// Repeated returns as many messages behind each other as are in size bytes, at least
// one, of a payload that is Fixed.
func (p *Payload) Repeated(size int) []byte {
	return repeated(p.body, max(size/p.Len(), 1)*p.Len())
}

// Append appends message number n of a client to dst. It allocates only to make
// dst grow. The time of sending is used by payloads that are Stamped.
func (p *Payload) Append(dst []byte, client, n uint64, sent time.Time) []byte {
	if p.kind == randomPayload {
		return appendRandom(dst, len(p.body), randomBase(p.seed, client, n))
	}
	start := len(dst)
	dst = append(dst, p.body...)
	p.putHead(dst[start:], client, n, sent)
	return dst
}

// Message returns what Append would append, in buf where it differs from message
// to message. It is not to be changed.
func (p *Payload) Message(buf []byte, client, n uint64, sent time.Time) []byte {
	if p.kind == fixedPayload {
		return p.body
	}
	return p.Append(buf[:0], client, n, sent)
}

// maxHead is the longest part of a message that differs from message to message,
// random ones aside.
const maxHead = max(SequenceLen, timeHead, stampHead)

// putHead writes the part of a message that is its own to the beginning of m, as
// far as there is room, and returns its length.
func (p *Payload) putHead(m []byte, client, n uint64, sent time.Time) int {
	switch p.kind {
	case sequencePayload:
		return putSequence(m, client, n)
	case timePayload:
		return putTime(m, sent)
	case stampPayload:
		return putStamp(m, n, sent)
	}
	return 0
}

// The head of a seq message: "00000017/000000000042 ", the client and the
// number of the message in decimal, the lowest digits of them.
const (
	clientDigits = 8
	numberAt     = clientDigits + 1
	numberDigits = 12
	SequenceLen  = numberAt + numberDigits + 1 // bytes of the whole head
)

func putSequence(m []byte, client, n uint64) int {
	var head [SequenceLen]byte
	putDecimal(head[:clientDigits], client)
	head[clientDigits] = '/'
	putDecimal(head[clientDigits+1:SequenceLen-1], n)
	head[SequenceLen-1] = ' '
	return copy(m, head[:])
}

// Renumber writes the numbers after number into the messages that fill b, of a payload
// that is Sequenced. It counts on from one to the next, of which mostly the last digit
// differs: a one-way flood does it millions of times a second.
func (p *Payload) Renumber(b []byte, number uint64) {
	const split = 8
	size := p.Len()
	var digits [numberDigits]byte
	putDecimal(digits[:], number)
	high, low := binary.BigEndian.Uint64(digits[:]), binary.BigEndian.Uint32(digits[split:])
	for ; len(b) > 0; b = b[size:] {
		number++
		if low++; low&0xff > '9' {
			putDecimal(digits[:], number)
			high, low = binary.BigEndian.Uint64(digits[:]), binary.BigEndian.Uint32(digits[split:])
		}
		head := b[:numberAt+numberDigits]
		binary.BigEndian.PutUint64(head[numberAt:], high)
		binary.BigEndian.PutUint32(head[numberAt+split:], low)
	}
}

// The head of a time message: "1795342984.123456", seconds since 1970.
const (
	secondDigits = 10
	timeHead     = secondDigits + 1 + 6
)

func putTime(m []byte, sent time.Time) int {
	putDecimal(m[:secondDigits], uint64(max(sent.Unix(), 0)))
	m[secondDigits] = '.'
	putDecimal(m[secondDigits+1:timeHead], uint64(sent.Nanosecond()/1000))
	return timeHead
}

// putDecimal fills dst with the lowest digits of v.
func putDecimal(dst []byte, v uint64) {
	for i := len(dst) - 1; i >= 0; i-- {
		dst[i] = '0' + byte(v%10)
		v /= 10
	}
}

// Random bytes are SplitMix64 (Steele, Lea, Flood, OOPSLA 2014) over a counter, so
// that a piece of an answer can be checked without the bytes before it.
const randomGamma = 0x9e3779b97f4a7c15

func randomBase(seed, client, n uint64) uint64 {
	return mix(seed+mix(client*randomGamma+mix(n))) | 1
}

func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// unmix undoes mix: shifts by shifting on, products by the inverses of the factors
// modulo 2^64.
func unmix(z uint64) uint64 {
	z = (z ^ z>>31 ^ z>>62) * 0x319642b2d24d8ec3
	z = (z ^ z>>27 ^ z>>54) * 0x96de1b173f119089
	return z ^ z>>30 ^ z>>60
}

// randomNumbers returns the numbers of the two messages of a client that begin with
// word; 0 for both if none does. They are two because randomBase sets a bit.
func randomNumbers(seed, client, word uint64) (numbers [2]uint64) {
	base := unmix(word) - randomGamma
	if base&1 == 0 {
		return numbers
	}
	for i := range numbers {
		numbers[i] = unmix(unmix(base-uint64(i)) - seed)
		numbers[i] = unmix(numbers[i] - client*randomGamma)
	}
	return numbers
}

func randomWord(base uint64, i int) uint64 { return mix(base + uint64(i+1)*randomGamma) }

func randomByte(base uint64, offset int) byte {
	return byte(randomWord(base, offset/8) >> (offset % 8 * 8))
}

func appendRandom(dst []byte, size int, base uint64) []byte {
	i := 0
	for ; size-i*8 >= 8; i++ {
		dst = binary.LittleEndian.AppendUint64(dst, randomWord(base, i))
	}
	for offset := i * 8; offset < size; offset++ {
		dst = append(dst, randomByte(base, offset))
	}
	return dst
}

// A Error says why a payload cannot be used.
type Error struct {
	Spec string
	Err  error
}

func (e *Error) Error() string {
	if len(e.Spec) > 40 {
		return fmt.Sprintf("payload %.40q…: %v", e.Spec, e.Err)
	}
	return fmt.Sprintf("payload %q: %v", e.Spec, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }
