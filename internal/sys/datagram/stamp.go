package datagram

import "time"

// Source says who read a clock.
type Source uint8

const (
	User     Source = iota // this process, as a call returned
	Kernel                 // the kernel, as the datagram passed between its network stack and the device
	Hardware               // the network interface, by a clock of its own
)

// A SendStamp is when a datagram left that was sent with [Datagram.Stamp].
type SendStamp struct {
	ID uint32 // the Datagram's, see Writer.Write
	// Time is CLOCK_REALTIME of Source Kernel. Of Source Hardware it is whatever the
	// interface's clock shows, which need not be UTC.
	Time   time.Time
	Source Source
}

// maxStamps is how many stamps a Reader keeps for SendStamps to return. Later ones
// are lost: nobody asked for so many.
const maxStamps = 4096
