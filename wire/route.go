package wire

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"time"

	"wirelab/internal/netlink"
	"wirelab/internal/sys"
)

// Route is the way that packets to an address take.
type Route struct {
	Device  Device
	Source  netip.Addr // the address that they come from unless they say otherwise
	Gateway netip.Addr // the next hop; the destination itself if it is on the link
	Local   bool       // the destination is this machine
}

// Attributes and states of rtnetlink for routes and neighbours.
const (
	routeTo      = 1
	routeOut     = 4
	routeGateway = 5
	routeSource  = 7
	routeLocal   = 2 // RTN_LOCAL

	neighbourAddress = 1
	neighbourLink    = 2
	neighbourUse     = 1                                       // NTF_USE: resolve it
	neighbourKnown   = 0x02 | 0x04 | 0x08 | 0x10 | 0x80 | 0x40 // reachable … permanent, no ARP
)

// FindRoute asks the kernel for the way to an address, by way of a device unless that is
// the zero Device.
func FindRoute(to netip.Addr, by Device) (Route, error) {
	conn, err := netlink.Dial(routeProtocol)
	if err != nil {
		return Route{}, err
	}
	defer conn.Close()
	family, length := familyOf(to)
	var e netlink.Encoder
	e.Message(getRoute, 0)
	e.Raw([]byte{family, length, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}) // struct rtmsg
	e.Bytes(routeTo, to.AsSlice())
	if by.Index != 0 {
		e.Uint32(routeOut, uint32(by.Index))
	}
	m, err := conn.Get(&e, netlink.Named("find route to", to.String()))
	if err != nil {
		return Route{}, err
	}
	if len(m.Body) < 12 {
		return Route{}, netlink.ErrMalformed
	}
	r := Route{Gateway: to, Local: m.Body[7] == routeLocal}
	index := 0
	for attributes := m.Attributes(12); attributes.Next(); {
		switch attributes.Kind() {
		case routeOut:
			index = int(attributes.Uint32())
		case routeGateway:
			r.Gateway, _ = netip.AddrFromSlice(attributes.Bytes())
		case routeSource:
			r.Source, _ = netip.AddrFromSlice(attributes.Bytes())
		}
	}
	r.Device, _, err = deviceAt(index)
	return r, err
}

func familyOf(a netip.Addr) (family, bits byte) {
	if a.Is4() {
		return 2, 32
	}
	return 10, 128
}

// ErrUnresolved reports a next hop that did not answer who has its address.
var ErrUnresolved = errors.New("nobody on the link answers for it")

// EthernetHeader returns the 14 bytes that stand in front of a packet on an Ethernet:
// addresses and type. It asks the kernel to resolve the next hop and waits up to limit.
func (r Route) EthernetHeader(limit time.Duration) ([]byte, error) {
	kind := uint16(0x0800)
	if r.Gateway.Is6() {
		kind = 0x86dd
	}
	var to [6]byte
	switch {
	case r.Device.Loopback:
	case r.Gateway.IsMulticast():
		to = groupAddress(r.Gateway)
	default:
		var err error
		if to, err = r.resolve(limit); err != nil {
			return nil, err
		}
	}
	header := append(to[:], r.Device.Address[:]...)
	return binary.BigEndian.AppendUint16(header, kind), nil
}

// groupAddress is the Ethernet address of a multicast group (RFC 1112, RFC 2464).
func groupAddress(a netip.Addr) [6]byte {
	b := a.AsSlice()
	if a.Is4() {
		return [6]byte{1, 0, 0x5e, b[1] & 0x7f, b[2], b[3]}
	}
	return [6]byte{0x33, 0x33, b[12], b[13], b[14], b[15]}
}

func (r Route) resolve(limit time.Duration) ([6]byte, error) {
	conn, err := netlink.Dial(routeProtocol)
	if err != nil {
		return [6]byte{}, err
	}
	defer conn.Close()
	deadline := time.Now().Add(limit)
	for {
		if to, known := r.neighbour(conn); known {
			return to, nil
		}
		var e netlink.Encoder
		e.Message(newNeighbour, 0x400) // NLM_F_CREATE
		e.Raw(r.neighbourHeader(neighbourUse))
		e.Bytes(neighbourAddress, r.Gateway.AsSlice())
		err := conn.Execute(&e, netlink.Named("resolve", r.Gateway.String()))
		if err != nil {
			return [6]byte{}, err
		}
		if time.Now().After(deadline) {
			return [6]byte{}, &sys.OpError{Op: "resolve", Object: r.Gateway.String() + " on " + r.Device.Name, Err: ErrUnresolved}
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// neighbourHeader is struct ndmsg.
func (r Route) neighbourHeader(flags byte) []byte {
	family, _ := familyOf(r.Gateway)
	header := binary.NativeEndian.AppendUint32([]byte{family, 0, 0, 0}, uint32(r.Device.Index))
	return append(header, 0, 0, flags, 0)
}

func (r Route) neighbour(conn *netlink.Conn) (to [6]byte, known bool) {
	var e netlink.Encoder
	e.Message(getNeighbour, 0)
	e.Raw(r.neighbourHeader(0))
	e.Bytes(neighbourAddress, r.Gateway.AsSlice())
	m, err := conn.Get(&e, netlink.Named("look up neighbour", r.Gateway.String()))
	if err != nil || len(m.Body) < 12 || binary.NativeEndian.Uint16(m.Body[8:])&neighbourKnown == 0 {
		return to, false
	}
	for attributes := m.Attributes(12); attributes.Next(); {
		if attributes.Kind() == neighbourLink && len(attributes.Bytes()) == 6 {
			return [6]byte(attributes.Bytes()), true
		}
	}
	return to, false
}
