// Package receiver has receiver reports: it lets a client that has sent datagrams one way ask a wirelab
// server what of them it counted. Client and server exchange one datagram each,
// before and after a run, from the socket that sends: while the run goes on it costs nothing.
//
// A request and its answer have the same length, so that the answer is never the
// longer one, and the answer is never answered. All numbers are big-endian:
//
//	 0  8  magic: d7 "wltally"
//	 8  1  version: 1
//	 9  1  kind: 1 request, 2 answer, 3 challenge, 4 service
//	10  2  flags: 1 the peer is known, 2 its datagrams bear sequence numbers; of a request 4: forget the peer first
//	12  4  number of the server's socket
//	16  8  nonce, of the client's choice
//	24  8  datagrams from the peer, requests not included
//	32  8  bytes of them
//	40  8  sequence numbers that never came, up to the highest that did
//	48  8  datagrams that came after one with a higher number
//	56  8  datagrams that came again
//	64  8  discarded by the kernel at the socket, whoever sent them
//	72  8  datagrams that the socket brought, whoever sent them
//	80  8  peers that the socket's table has forgotten
//	88  8  first and
//	96  8  last datagram from the peer: nanoseconds since 1970
//	104 4  the most datagrams of the peer that came as one (UDP_GRO)
//	108 4  zero
//	112 8  when the server began: nanoseconds since 1970
//	120 8  zero
//
// A challenge asks a peer whether it is a service that answers whatever comes. A service
// that knows nothing of it sends it back, and a wirelab server sends the same nonce with
// the kind service, which is never answered; a client ignores it.
//
// Of a request all but magic, version, kind, flags and nonce is zero. A server that is
// not of this kind ignores it or sends it back, which is no answer.
package receiver

import (
	"encoding/binary"
	"errors"
	"time"
)

// Len is the length of a request and of an answer in bytes.
const Len = 128

const (
	magic   = 0xd7_77_6c_74_61_6c_6c_79
	version = 1

	kindRequest   = 1
	kindAnswer    = 2
	kindChallenge = 3
	kindService   = 4

	flagKnown     = 1
	flagSequenced = 2
	flagAnew      = 4
)

// Offsets of the fields.
const (
	versionAt   = 8
	kindAt      = 9
	flagsAt     = 10
	socketAt    = 12
	nonceAt     = 16
	packetsAt   = 24
	bytesAt     = 32
	lostAt      = 40
	reorderedAt = 48
	duplicateAt = 56
	dropsAt     = 64
	arrivedAt   = 72
	evictedAt   = 80
	firstAt     = 88
	lastAt      = 96
	longestAt   = 104
	sinceAt     = 112
)

// Report are what a server counted: of one peer, and of the socket that its
// datagrams come to.
type Report struct {
	Known     bool      // a datagram of the peer has come; false: all of the peer is zero
	Sequenced bool      // its datagrams bear sequence numbers, so that Lost, Reordered and Duplicate mean something
	Packets   uint64    // datagrams of the peer, requests not included
	Bytes     uint64    // of them
	Lost      uint64    // numbers up to the highest that never came
	Reordered uint64    // came after one with a higher number
	Duplicate uint64    // came again
	First     time.Time // of the peer's datagrams, by the server's clock; zero: none
	Last      time.Time
	Longest   uint32 // the most of them that came as one: where that is more than 1, each of Drops may be as many

	Socket  uint32    // which of the server's sockets this is
	Drops   uint64    // what the kernel discarded at the socket since it was opened; see Longest
	Arrived uint64    // datagrams of all peers that it brought
	Evicted uint64    // peers forgotten for want of room: their counts began anew
	Since   time.Time // when the server began, which tells it from a later one at the same port
}

// ErrNotAnswer reports that a datagram answers no request of this format.
var ErrNotAnswer = errors.New("not an answer to a request for a report")

// A Request asks a server for its counts of the socket from which it comes.
type Request struct {
	Nonce uint64 // that cannot be guessed: it keeps others from answering in the server's name
	// Anew says that the socket has sent nothing yet: what the server knows of its address
	// is of an earlier one, and to be forgotten.
	Anew bool
}

// AppendRequest appends a request to dst.
func AppendRequest(dst []byte, r Request) []byte {
	b := make([]byte, Len)
	putHead(b, kindRequest, r.Nonce)
	if r.Anew {
		binary.BigEndian.PutUint16(b[flagsAt:], flagAnew)
	}
	return append(dst, b...)
}

func putHead(b []byte, kind byte, nonce uint64) {
	binary.BigEndian.PutUint64(b, magic)
	b[versionAt], b[kindAt] = version, kind
	binary.BigEndian.PutUint64(b[nonceAt:], nonce)
}

// Begins reports whether b may be a request or an answer: its length and first
// eight bytes are right. It costs next to nothing.
func Begins(b []byte) bool { return len(b) == Len && binary.BigEndian.Uint64(b) == magic }

// ParseRequest returns the request in b, and whether b is one.
func ParseRequest(b []byte) (r Request, ok bool) {
	if !Begins(b) || b[versionAt] != version || b[kindAt] != kindRequest {
		return Request{}, false
	}
	flags := binary.BigEndian.Uint16(b[flagsAt:])
	return Request{Nonce: binary.BigEndian.Uint64(b[nonceAt:]), Anew: flags&flagAnew != 0}, true
}

// AppendChallenge appends a challenge to dst. Its nonce is not 0 and cannot be guessed.
func AppendChallenge(dst []byte, nonce uint64) []byte {
	b := make([]byte, Len)
	putHead(b, kindChallenge, nonce)
	return append(dst, b...)
}

// PutService writes what a wirelab server says to a challenge into b, which has Len bytes.
func PutService(b []byte, nonce uint64) {
	b = b[:Len]
	clear(b)
	putHead(b, kindService, nonce)
}

// ParseChallenge returns the nonce of a challenge, or of a service's answer to one, and
// whether b is either.
func ParseChallenge(b []byte) (nonce uint64, answer, ok bool) {
	if !Begins(b) || b[versionAt] != version || b[kindAt] != kindChallenge && b[kindAt] != kindService {
		return 0, false, false
	}
	return binary.BigEndian.Uint64(b[nonceAt:]), b[kindAt] == kindService, true
}

// IsChallenge reports whether b is a challenge, which a client ignores.
func IsChallenge(b []byte) bool {
	_, answer, ok := ParseChallenge(b)
	return ok && !answer
}

// PutAnswer writes the answer with that nonce into b, which has Len bytes. It
// allocates nothing.
func PutAnswer(b []byte, nonce uint64, c *Report) {
	b = b[:Len]
	clear(b)
	putHead(b, kindAnswer, nonce)
	var flags uint16
	if c.Known {
		flags |= flagKnown
	}
	if c.Sequenced {
		flags |= flagSequenced
	}
	binary.BigEndian.PutUint16(b[flagsAt:], flags)
	binary.BigEndian.PutUint32(b[socketAt:], c.Socket)
	binary.BigEndian.PutUint32(b[longestAt:], c.Longest)
	for _, f := range [...]struct {
		at int
		n  uint64
	}{
		{packetsAt, c.Packets}, {bytesAt, c.Bytes}, {lostAt, c.Lost}, {reorderedAt, c.Reordered}, {duplicateAt, c.Duplicate},
		{dropsAt, c.Drops}, {arrivedAt, c.Arrived}, {evictedAt, c.Evicted},
		{firstAt, nanoseconds(c.First)}, {lastAt, nanoseconds(c.Last)}, {sinceAt, nanoseconds(c.Since)},
	} {
		binary.BigEndian.PutUint64(b[f.at:], f.n)
	}
}

// ParseAnswer returns the counts in the answer b to the request with that nonce.
// Anything else, the request itself included, is ErrNotAnswer.
func ParseAnswer(b []byte, nonce uint64) (Report, error) {
	if !Begins(b) || b[versionAt] != version || b[kindAt] != kindAnswer || binary.BigEndian.Uint64(b[nonceAt:]) != nonce {
		return Report{}, ErrNotAnswer
	}
	flags := binary.BigEndian.Uint16(b[flagsAt:])
	number := func(at int) uint64 { return binary.BigEndian.Uint64(b[at:]) }
	return Report{
		Known: flags&flagKnown != 0, Sequenced: flags&flagSequenced != 0,
		Packets: number(packetsAt), Bytes: number(bytesAt),
		Lost: number(lostAt), Reordered: number(reorderedAt), Duplicate: number(duplicateAt),
		First: moment(number(firstAt)), Last: moment(number(lastAt)),
		Socket: binary.BigEndian.Uint32(b[socketAt:]), Drops: number(dropsAt), Arrived: number(arrivedAt),
		Evicted: number(evictedAt), Longest: binary.BigEndian.Uint32(b[longestAt:]), Since: moment(number(sinceAt)),
	}, nil
}

func nanoseconds(t time.Time) uint64 {
	if t.IsZero() {
		return 0
	}
	return uint64(t.UnixNano())
}

func moment(ns uint64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(ns)).UTC()
}
