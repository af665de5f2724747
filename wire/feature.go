package wire

import (
	"encoding/binary"

	"wirelab/internal/netlink"
)

// Numbers of generic netlink and of its families netdev (linux/netdev.h) and ethtool
// (linux/ethtool_netlink.h).
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

	getChannels      = 17
	channelsHeader   = 1
	headerIndex      = 1
	channelsReceive  = 6
	channelsTransmit = 7
	channelsCombined = 9
)

// ask sends a request to a family of generic netlink.
func ask(family string, command byte, request func(*netlink.Encoder)) (netlink.Message, error) {
	conn, err := netlink.Dial(genericProtocol)
	if err != nil {
		return netlink.Message{}, err
	}
	defer conn.Close()
	var e netlink.Encoder
	e.Message(controlFamily, 0)
	e.Raw([]byte{getFamily, 1, 0, 0}) // struct genlmsghdr
	e.String(familyName, family)
	describe := netlink.Named("ask for features of interfaces", family)
	m, err := conn.Get(&e, describe)
	if err != nil {
		return m, err
	}
	var id uint16
	for attributes := m.Attributes(4); attributes.Next(); {
		if attributes.Kind() == familyID {
			id = attributes.Uint16()
		}
	}
	e.Reset()
	e.Message(id, 0)
	e.Raw([]byte{command, 1, 0, 0})
	request(&e)
	return conn.Get(&e, describe)
}

// takesLiveFrames asks the kernel whether a device sends frames that an XDP program
// redirects to it.
func takesLiveFrames(index int) (bool, error) {
	m, err := ask("netdev", getNetdev, func(e *netlink.Encoder) { e.Uint32(netdevIndex, uint32(index)) })
	if err != nil {
		return false, err
	}
	for attributes := m.Attributes(4); attributes.Next(); {
		if b := attributes.Bytes(); attributes.Kind() == netdevFeatures && len(b) == 8 {
			return binary.NativeEndian.Uint64(b)&featureTransmit != 0, nil
		}
	}
	return false, netlink.ErrMalformed
}

// queues asks the kernel how many queues a device has to receive and to send; 0 are
// those that it does not tell.
func queues(index int) (receive, send int) {
	m, err := ask("ethtool", getChannels, func(e *netlink.Encoder) {
		header := e.Nest(channelsHeader)
		e.Uint32(headerIndex, uint32(index))
		e.End(header)
	})
	if err != nil {
		return 0, 0
	}
	for attributes := m.Attributes(4); attributes.Next(); {
		switch count := int(attributes.Uint32()); attributes.Kind() {
		case channelsReceive:
			receive += count
		case channelsTransmit:
			send += count
		case channelsCombined:
			receive, send = receive+count, send+count
		}
	}
	return receive, send
}
