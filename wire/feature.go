package wire

import (
	"encoding/binary"

	"wirelab/internal/netlink"
)

// Numbers of generic netlink and of its family netdev (linux/netdev.h).
const (
	genericProtocol = 16
	controlFamily   = 16
	getFamily       = 3
	familyID        = 1
	familyName      = 2

	getNetdev      = 1
	netdevIndex    = 1
	netdevFeatures = 3

	featureTransmit = 4 // NETDEV_XDP_ACT_NDO_XMIT
)

// takesLiveFrames asks the kernel whether a device sends frames that an XDP program
// redirects to it.
func takesLiveFrames(index int) (bool, error) {
	conn, err := netlink.Dial(genericProtocol)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	var e netlink.Encoder
	e.Message(controlFamily, 0)
	e.Raw([]byte{getFamily, 1, 0, 0}) // struct genlmsghdr
	e.String(familyName, "netdev")
	m, err := conn.Get(&e, netlink.Named("ask for XDP features", "netdev"))
	if err != nil {
		return false, err
	}
	var family uint16
	for attributes := m.Attributes(4); attributes.Next(); {
		if attributes.Kind() == familyID {
			family = attributes.Uint16()
		}
	}
	e.Reset()
	e.Message(family, 0)
	e.Raw([]byte{getNetdev, 1, 0, 0})
	e.Uint32(netdevIndex, uint32(index))
	if m, err = conn.Get(&e, netlink.Named("ask for XDP features", "netdev")); err != nil {
		return false, err
	}
	for attributes := m.Attributes(4); attributes.Next(); {
		if b := attributes.Bytes(); attributes.Kind() == netdevFeatures && len(b) == 8 {
			return binary.NativeEndian.Uint64(b)&featureTransmit != 0, nil
		}
	}
	return false, netlink.ErrMalformed
}
