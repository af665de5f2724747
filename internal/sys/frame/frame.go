// Package frame takes whole link-layer frames out of the machine and puts them in:
// packet sockets with a ring of shared memory (AF_PACKET), sendmmsg, AF_XDP, frames
// that an XDP program sends from inside the kernel, and raw IP sockets. See packet(7),
// raw(7) and Linux, Documentation/networking/{packet_mmap,af_xdp}.rst.
//
// A [Ring] captures. [Packets] sends frames that are there; [XDPSocket] and [Live] send
// a [Series], which they write where the kernel wants it. All return how many frames the
// kernel took.
// Everything belongs to one goroutine at a time and to the network namespace of the
// thread that opened it, and needs CAP_NET_RAW; [Live] and [XDPSocket] need CAP_BPF and
// CAP_NET_ADMIN too.
package frame

// Instruction is one instruction of classic BPF (struct sock_filter).
type Instruction struct {
	Op     uint16
	Jt, Jf uint8
	K      uint32
}

// Series is a series of frames of one length.
type Series struct {
	Size int
	// Fill writes count frames from the nth on, counted from 0, into memory that may hold
	// any others, one every stride bytes. Called again with a number it writes the same.
	Fill func(memory []byte, stride int, n uint64, count int)
	// Varies is false if all frames are the same.
	Varies bool
}

// RingConfig says what a Ring captures.
type RingConfig struct {
	// Interface is an index; 0 means all interfaces.
	Interface int
	// Filter runs in the kernel and sees frames without their VLAN tags. None: all frames.
	Filter []Instruction
	// Memory is the size of the ring in bytes, rounded up to blocks; 0 means 64 MiB.
	Memory int
	// Latency is after how many milliseconds a block that is not full is handed over;
	// 0 means 60. Of the ring's blocks of 512 KiB each holds what comes in that time, so
	// that a short one wants a reader that keeps up.
	Latency int
	// Promiscuous asks the device for frames to others too.
	Promiscuous bool
	// Inbound leaves out what this machine sends.
	Inbound bool
}

// Captured is one frame of a Ring.
type Captured struct {
	// Data is the frame with its VLAN tag, in the ring's memory. It may be changed, and
	// is valid until the next call of Next.
	Data []byte
	// Length is what the frame had on the wire.
	Length int
	// Time is when the kernel saw it, in nanoseconds since 1970.
	Time int64
	// Interface is the index of the interface and Hardware its type (ARPHRD_…).
	Interface int
	Hardware  uint16
	// Kind is PACKET_HOST, PACKET_OUTGOING and so on.
	Kind uint8

	ChecksumNotReady bool // left to a device
	ChecksumValid    bool // verified by one
	Segmented        bool // a super-packet of TCP that a device cuts
}

// Kinds of Captured.
const (
	ToHost   = 0
	Outgoing = 4
)

// RingCounts is what a Ring saw since it was opened.
type RingCounts struct {
	Packets uint64 // those that passed the filter, with the dropped ones
	Dropped uint64 // for which the ring had no room
}
