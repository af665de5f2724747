package sys

import (
	"net/netip"
	"time"
)

// A Datagram is one UDP datagram received or to be sent.
type Datagram struct {
	// Payload belongs to the DatagramReader that it came from and is valid until
	// its next Read; of a datagram to be sent it belongs to the caller.
	Payload []byte
	Peer    netip.AddrPort // the other end, IPv4 unmapped

	// Local is the address that the datagram was sent to, or is to be sent from,
	// without zone. It is known of sockets bound to all addresses; not valid, it
	// means the address that the socket is bound to.
	Local     netip.Addr
	Interface uint32 // index of the interface on which it came; 0: unknown

	// Of a datagram received:
	Time      time.Time // when: CLOCK_REALTIME, no monotonic reading
	Kernel    bool      // Time was read by the kernel as the packet came in, else by Read as it returned
	TTL       uint8     // TTL or hop limit in its IP header; 0: unknown
	Group     bool      // sent to a multicast or broadcast address
	Truncated bool      // the rest did not fit into the reader's buffer and is lost
}

// DatagramConfig says how to open a DatagramConn.
type DatagramConfig struct {
	Addr netip.AddrPort // an unspecified IPv6 address receives IPv4 as well; port 0 takes a free one
	// ReceiveBuffer is how many bytes the kernel is asked to hold for the socket, as
	// SO_RCVBUF in socket(7); it grants net.core.rmem_max at most. 0: its default.
	ReceiveBuffer int
}
