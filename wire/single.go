package wire

import (
	"errors"
	"net/netip"

	"wirelab/internal/sys/frame"
)

// Sender sends frames one at a time.
type Sender struct{ way framesSender }

// OpenSender opens a packet socket on a device, or for raw IP packets a raw socket, whose
// packets take the way that the kernel finds.
func OpenSender(d Device, raw bool) (*Sender, error) {
	if raw {
		return &Sender{&rawSender{}}, nil
	}
	s, err := frame.OpenPackets(d.Index, true)
	if err != nil {
		return nil, err
	}
	return &Sender{s}, nil
}

// Send sends one frame.
func (s *Sender) Send(data []byte) error {
	if len(data) == 0 {
		return errors.New("a frame without bytes cannot be sent")
	}
	for {
		n, err := s.way.Send([][]byte{data})
		if n > 0 || err != nil {
			return err
		}
	}
}

// Close closes the socket.
func (s *Sender) Close() error { return s.way.Close() }

// HoldPort keeps the kernel from answering on a local port while a connection is
// made by hand; see [frame.Hold]. Network is tcp or udp.
func HoldPort(network string, local netip.AddrPort) (*Hold, error) {
	return frame.HoldPort(network, local)
}
