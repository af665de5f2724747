// Package capfile reads and writes capture files: pcap and pcapng.
//
// A [Reader] accepts both formats in either byte order, with any time
// resolution and any number of interfaces and sections. It hands out one
// [Frame] at a time from a buffer of its own, so that its memory does not grow
// with the file:
//
//	r, err := capfile.NewReader(file)
//	var f capfile.Frame
//	for err == nil {
//		if err = r.Next(&f); err == nil {
//			use(f.Data)
//		}
//	}
//
// Next returns io.EOF after the last frame and a [*DamageError] with the place in the
// file where the contents stop making sense; every frame before that place has
// been handed out by then.
//
// Times are whole nanoseconds since 1970, computed in integers: what the file holds
// exactly comes out exactly, and what is finer than a nanosecond is cut off.
//
// A [Writer] writes pcapng with comments, flags and drop counts, or plain pcap with
// nanoseconds. A [Ring] spreads a capture over files of a bounded size.
//
// The formats are those of draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng.
package capfile

import "fmt"

// LinkType says what the first bytes of a frame are (the LINKTYPE_ registry of
// draft-ietf-opsawg-pcaplinktype).
type LinkType uint16

// The link types that wirelab knows how to read.
const (
	LinkNull     LinkType = 0   // a 4-byte address family in the byte order of the writer
	LinkEthernet LinkType = 1   // Ethernet
	LinkRawBSD   LinkType = 12  // IP, as BSD systems number it
	LinkRaw      LinkType = 101 // IP, version 4 or 6
	LinkLoop     LinkType = 108 // a 4-byte address family in network byte order
	LinkSLL      LinkType = 113 // Linux "cooked" frames
	LinkIPv4     LinkType = 228 // IPv4
	LinkIPv6     LinkType = 229 // IPv6
	LinkSLL2     LinkType = 276 // Linux "cooked" frames, second form
)

// name returns a short name, "" where wirelab has none.
func (l LinkType) name() string {
	switch l {
	case LinkNull:
		return "null"
	case LinkEthernet:
		return "ethernet"
	case LinkRawBSD, LinkRaw:
		return "raw"
	case LinkLoop:
		return "loop"
	case LinkSLL:
		return "linux-sll"
	case LinkIPv4:
		return "ipv4"
	case LinkIPv6:
		return "ipv6"
	case LinkSLL2:
		return "linux-sll2"
	}
	return ""
}

// String returns a short name, or "link type N" where wirelab has none.
func (l LinkType) String() string {
	if name := l.name(); name != "" {
		return name
	}
	return fmt.Sprintf("link type %d", uint16(l))
}

// Unknown reports whether wirelab cannot read frames of this type.
func (l LinkType) Unknown() bool { return l.name() == "" }

// Flags is the flags word of a pcapng packet block (epb_flags).
type Flags uint32

// The flags that wirelab reads and writes. Bits 0 and 1 hold the direction.
const (
	FlagInbound          Flags = 1
	FlagOutbound         Flags = 2
	FlagChecksumNotReady Flags = 1 << 9  // left to a device that had not computed it
	FlagChecksumValid    Flags = 1 << 10 // already verified by the receiving device
	FlagSegmented        Flags = 1 << 11 // a super-packet that a device cuts into segments (GSO)
)

// Frame is one captured frame.
type Frame struct {
	// Data is what was captured. It points into the buffer of the Reader and is
	// valid until the next call of Next.
	Data []byte
	// Length is how many bytes the frame had on the wire; more than len(Data)
	// where the capture cut it, and in odd files less.
	Length int
	// Time is in nanoseconds since 1970 in UTC. It is 0 unless Timed.
	Time int64
	// Timed is false for the blocks of pcapng that carry no time, and for times after
	// the year 2262.
	Timed bool
	// Interface is an index into Reader.Interfaces.
	Interface int
	Link      LinkType
	// Flags is 0 where the file says nothing.
	Flags Flags
	// Dropped is how many frames were lost between the previous frame of this
	// interface and this one, as far as the file tells.
	Dropped uint64
	// Offset is where the record or block begins in the file, in bytes.
	Offset int64

	options options
}

// Interface is what a file says about where its frames were captured.
type Interface struct {
	Name        string // "" in pcap files
	Description string
	Filter      string // the capture filter, as text
	Link        LinkType
	SnapLength  uint32 // 0: no limit

	clock    resolution
	received counter
	dropped  counter // by the interface and by the system
	lost     uint64  // sum of what frames say
}

// Received returns how many frames the interface saw, and whether the file says so.
func (i *Interface) Received() (uint64, bool) { return i.received.n, i.received.known }

// Dropped returns how many frames the capture lost, and whether the file says so.
func (i *Interface) Dropped() (uint64, bool) {
	if i.dropped.known {
		return i.dropped.n, true
	}
	return i.lost, i.lost > 0
}

type counter struct {
	n     uint64
	known bool
}

func (c *counter) set(n uint64) { c.n, c.known = n, true }

// DamageError reports that a file makes no sense from some place on.
type DamageError struct {
	Offset int64 // of the record or block that is damaged, in bytes
	Reason string
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("damaged at byte %d: %s", e.Offset, e.Reason)
}
