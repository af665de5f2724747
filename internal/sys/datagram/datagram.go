// Package datagram has UDP sockets that take and give datagrams in batches, each
// with its peer, the moment it came and who took that stamp. A [Conn] is opened by
// [Listen] or [Dial]; a [Reader] and a [Writer] of it each belong to one goroutine.
package datagram

import (
	"errors"
	"net/netip"
	"time"

	"wirelab/internal/sys/socket"
)

// MaxSegments is how many datagrams can be sent as one Datagram: UDP_MAX_SEGMENTS
// of the kernels before 6.10, which later ones have doubled.
const MaxSegments = 64

// MaxRead has room for all segments that can be received as one Datagram.
const MaxRead = 65535

// ErrSegmentation reports that a Datagram with Segments was not sent because its way
// does not take such (EIO: a device without checksum offload or with encryption, in
// kernels that do not step in; EMSGSIZE, EINVAL: segments longer than its MTU). They can
// be sent one at a time, see Datagram.AppendSegments.
var ErrSegmentation = errors.New("datagrams cannot be sent several at a time")

// A Datagram is one UDP datagram received or to be sent, or several of them, its segments,
// that pass through the kernel as one (UDP_GRO and UDP_SEGMENT in udp(7)).
type Datagram struct {
	// Payload belongs to the Reader that it came from and is valid until
	// its next Read; of a datagram to be sent it belongs to the caller.
	Payload []byte
	Peer    netip.AddrPort // the other end, IPv4 unmapped; on a connected socket it need not be given

	// Segment, unless it is 0, is the length of the datagrams that follow each other
	// in Payload; the last may be shorter. Their headers are the same. To be sent, they are
	// MaxSegments at most, and not longer together than one datagram may be.
	Segment int

	// Local is the address that the datagram was sent to, or is to be sent from,
	// without zone. It is known of sockets bound to all addresses; not valid, it
	// means the address that the socket is bound to.
	Local     netip.Addr
	Interface uint32 // index of the interface on which it came; 0: unknown

	// Stamp asks, of a datagram to be sent through a Conn with Config.SendStamps, for the
	// time at which it leaves. It has no Segment then. Write sets ID, by which
	// Reader.SendStamps names it.
	Stamp bool
	ID    uint32

	// Of a datagram received:
	Time      time.Time // when: CLOCK_REALTIME, no monotonic reading
	Source    Source    // who read Time: Kernel as the packet came in, or User as Read returned
	Hardware  time.Time // the stamp of the interface's own clock, see SendStamp; zero: none
	TTL       uint8     // TTL or hop limit in its IP header; 0: unknown
	Group     bool      // sent to a multicast or broadcast address
	Truncated bool      // the rest did not fit into the reader's buffer and is lost
}

// Segments returns of how many datagrams d consists.
func (d *Datagram) Segments() int {
	if d.Segment <= 0 || len(d.Payload) <= d.Segment {
		return 1
	}
	return (len(d.Payload) + d.Segment - 1) / d.Segment
}

// AppendSegments appends to dst the datagrams of which d consists, each by itself.
// Their payloads are parts of d's.
func (d *Datagram) AppendSegments(dst []Datagram) []Datagram {
	one := *d
	one.Segment = 0
	for n, rest := d.Segments(), d.Payload; n > 0; n-- {
		one.Payload = rest
		if n > 1 {
			one.Payload = rest[:d.Segment]
		}
		rest = rest[len(one.Payload):]
		dst = append(dst, one)
	}
	return dst
}

// Config says how to open a Conn.
type Config struct {
	Addr netip.AddrPort // an unspecified IPv6 address receives IPv4 as well; port 0 takes a free one
	// ReceiveBuffer is how many bytes the kernel is asked to hold for the socket, as
	// SO_RCVBUF in socket(7); it grants net.core.rmem_max at most, unless the process
	// has CAP_NET_ADMIN. 0: its default.
	ReceiveBuffer int
	Socket        socket.Options // what a person wants of the socket
	// GRO takes datagrams of one peer that came together as one Datagram, as far as the
	// kernel offers it, see Conn.GRO. A reader then needs buffers of MaxRead bytes, or it
	// may lose the last segments.
	GRO bool
	// SendStamps makes datagrams with Datagram.Stamp be stamped as they leave. Each reader
	// must then take the stamps with Reader.SendStamps, and there is one reader only. A socket
	// of Dial has receive stamps too then.
	SendStamps bool
	// Reports makes Read of a socket of Dial with SendStamps return what hosts on the way
	// have reported (ICMP), such as ECONNREFUSED, even where it was taken from the error queue
	// with stamps. Read may tell what Write has told already.
	Reports bool
	// Prompt makes a reader that waits keep its processor (GOMAXPROCS in package runtime)
	// for a moment: if a peer answers soon, Go's scheduler would hand the processor over only
	// to want it back, which costs more than to receive a datagram. Such readers leave little
	// to others when they are busy, so that a process with two processors has one of them.
	Prompt bool
}
