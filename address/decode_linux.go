package address

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"

	"wirelab/internal/netlink"
)

// A rawLink is a link whose relations are numbers yet.
type rawLink struct {
	Link
	master, other, vxlanLink int
	elsewhere                bool // other is of another namespace
}

const attributeNextHop = 30 // RTA_NH_ID, which package unix lacks

func short(what string, m netlink.Message) error {
	return fmt.Errorf("%w: %s of %d bytes", netlink.ErrMalformed, what, len(m.Body))
}

// decodeLink reads RTM_NEWLINK: struct ifinfomsg and attributes (rtnetlink(7)).
func decodeLink(m netlink.Message) (l rawLink, err error) {
	if len(m.Body) < unix.SizeofIfInfomsg {
		return l, short("link", m)
	}
	l.Index = int(int32(binary.NativeEndian.Uint32(m.Body[4:])))
	flags := binary.NativeEndian.Uint32(m.Body[8:])
	up := flags&unix.IFF_UP != 0
	l.Up, l.Carrier = &up, flags&unix.IFF_LOWER_UP != 0
	l.Loopback, l.Promiscuous = flags&unix.IFF_LOOPBACK != 0, flags&unix.IFF_PROMISC != 0
	l.Multicast, l.Broadcast = flags&unix.IFF_MULTICAST != 0, flags&unix.IFF_BROADCAST != 0
	d := m.Attributes(unix.SizeofIfInfomsg)
	for d.Next() {
		switch d.Kind() {
		case unix.IFLA_IFNAME:
			l.Name = d.String()
		case unix.IFLA_MTU:
			l.MTU = int(d.Uint32())
		case unix.IFLA_MIN_MTU:
			l.MinMTU = int(d.Uint32())
		case unix.IFLA_MAX_MTU:
			l.MaxMTU = int(d.Uint32())
		case unix.IFLA_ADDRESS:
			if mac := d.Bytes(); len(mac) == 6 {
				l.MAC = net.HardwareAddr(mac).String()
			}
		case unix.IFLA_MASTER:
			l.master = int(d.Uint32())
		case unix.IFLA_LINK:
			l.other = int(d.Uint32())
		case unix.IFLA_LINK_NETNSID:
			l.elsewhere = true
		case unix.IFLA_OPERSTATE:
			l.State = operState(d.Uint8())
		case unix.IFLA_STATS64:
			l.decodeCounters(d.Bytes())
		case unix.IFLA_LINKINFO:
			if err := l.decodeKind(d.Nested()); err != nil {
				return l, err
			}
		}
	}
	return l, d.Err()
}

// operState names enum values of RFC 2863 as ip-link(8) does.
func operState(n uint8) string {
	states := []string{"unknown", "not present", "down", "lower layer down", "testing", "dormant", "up"}
	if int(n) < len(states) {
		return states[n]
	}
	return "unknown"
}

// decodeCounters reads the front of struct rtnl_link_stats64.
func (l *rawLink) decodeCounters(b []byte) {
	into := []*uint64{&l.RxPackets, &l.TxPackets, &l.RxBytes, &l.TxBytes, &l.RxErrors, &l.TxErrors, &l.RxDropped, &l.TxDropped}
	for i, counter := range into {
		if len(b) >= 8*(i+1) {
			*counter = binary.NativeEndian.Uint64(b[8*i:])
		}
	}
}

func (l *rawLink) decodeKind(d netlink.Decoder) error {
	for d.Next() {
		switch d.Kind() {
		case unix.IFLA_INFO_KIND:
			l.Kind = d.String()
		case unix.IFLA_INFO_DATA:
			data := d.Nested()
			switch l.Kind {
			case "vlan":
				for data.Next() {
					if data.Kind() == unix.IFLA_VLAN_ID {
						l.ID = int(data.Uint16())
					}
				}
			case "vxlan":
				l.decodeVXLAN(&data)
			case "bridge":
				l.Options = bridgeOptions(data)
			}
			if err := data.Err(); err != nil {
				return err
			}
		}
	}
	return d.Err()
}

// bridgeOptions returns the attributes that a bridge can be made with again: the kernel
// says more, and refuses some of that.
func bridgeOptions(d netlink.Decoder) []byte {
	var e netlink.Encoder
	for d.Next() {
		switch d.Kind() {
		case unix.IFLA_BR_FORWARD_DELAY, unix.IFLA_BR_HELLO_TIME, unix.IFLA_BR_MAX_AGE, unix.IFLA_BR_AGEING_TIME, unix.IFLA_BR_STP_STATE, unix.IFLA_BR_PRIORITY,
			unix.IFLA_BR_VLAN_PROTOCOL, unix.IFLA_BR_GROUP_FWD_MASK, unix.IFLA_BR_MCAST_SNOOPING, unix.IFLA_BR_MCAST_QUERIER, unix.IFLA_BR_VLAN_DEFAULT_PVID:
			e.Bytes(d.Kind(), d.Bytes())
		case unix.IFLA_BR_VLAN_FILTERING:
			if on := d.Uint8(); on != 0 { // a kernel without it refuses even a 0
				e.Uint8(unix.IFLA_BR_VLAN_FILTERING, on)
			}
		}
	}
	return e.Messages()
}

func (l *rawLink) decodeVXLAN(d *netlink.Decoder) {
	for d.Next() {
		switch d.Kind() {
		case unix.IFLA_VXLAN_ID:
			l.ID = int(d.Uint32())
		case unix.IFLA_VXLAN_LINK:
			l.vxlanLink = int(d.Uint32())
		case unix.IFLA_VXLAN_GROUP, unix.IFLA_VXLAN_GROUP6:
			l.Remote = addrOf(d.Bytes())
		case unix.IFLA_VXLAN_LOCAL, unix.IFLA_VXLAN_LOCAL6:
			l.Local = addrOf(d.Bytes())
		case unix.IFLA_VXLAN_PORT:
			l.Port = int(d.Big16())
		}
	}
}

// addrOf returns an address of 4 or 16 bytes, the invalid one for anything else or
// for none: the kernel says 0.0.0.0 where there is none.
func addrOf(b []byte) netip.Addr {
	a, ok := netip.AddrFromSlice(b)
	if !ok || a.IsUnspecified() {
		return netip.Addr{}
	}
	return a
}

// decodeAddress reads RTM_NEWADDR: struct ifaddrmsg and attributes.
func decodeAddress(m netlink.Message) (a Address, index int, err error) {
	if len(m.Body) < unix.SizeofIfAddrmsg {
		return a, 0, short("address", m)
	}
	bits := int(m.Body[1])
	a.Flags, a.Scope = uint32(m.Body[2]), m.Body[3]
	index = int(binary.NativeEndian.Uint32(m.Body[4:]))
	a.Valid, a.Preferred = Forever, Forever
	var address, local netip.Addr
	d := m.Attributes(unix.SizeofIfAddrmsg)
	for d.Next() {
		switch d.Kind() {
		case unix.IFA_ADDRESS:
			address, _ = netip.AddrFromSlice(d.Bytes())
		case unix.IFA_LOCAL:
			local, _ = netip.AddrFromSlice(d.Bytes())
		case unix.IFA_BROADCAST:
			a.Broadcast = addrOf(d.Bytes())
		case unix.IFA_LABEL:
			a.Label = d.String()
		case unix.IFA_FLAGS:
			a.Flags = d.Uint32()
		case unix.IFA_RT_PRIORITY:
			a.Metric = d.Uint32()
		case unix.IFA_CACHEINFO:
			if b := d.Bytes(); len(b) >= 8 {
				a.Preferred, a.Valid = binary.NativeEndian.Uint32(b), binary.NativeEndian.Uint32(b[4:])
			}
		}
	}
	if err := d.Err(); err != nil {
		return a, index, err
	}
	if !local.IsValid() {
		local = address
	} else if local != address && address.IsValid() {
		a.Peer = address
	}
	if a.Prefix = netip.PrefixFrom(local, bits); !a.Prefix.IsValid() {
		return a, index, fmt.Errorf("%w: address %v with %d bits", netlink.ErrMalformed, local, bits)
	}
	return a, index, nil
}

// decodeRoute reads RTM_NEWROUTE: struct rtmsg and attributes. It keeps no routes of
// the table local, and none of the IPv6 route cache.
func decodeRoute(m netlink.Message, names map[int]string) (r Route, keep bool, err error) {
	if len(m.Body) < unix.SizeofRtMsg {
		return r, false, short("route", m)
	}
	family, bits := m.Body[0], int(m.Body[1])
	r.TOS, r.Table, r.Protocol = m.Body[3], uint32(m.Body[4]), m.Body[5]
	flags := binary.NativeEndian.Uint32(m.Body[8:])
	if r.Type, keep = routeType(m.Body[7]); !keep || flags&unix.RTM_F_CLONED != 0 || m.Body[2] != 0 {
		return r, false, nil
	}
	dst := unspecified(family)
	hop := Hop{OnLink: flags&unix.RTNH_F_ONLINK != 0}
	d := m.Attributes(unix.SizeofRtMsg)
	for d.Next() {
		switch d.Kind() {
		case unix.RTA_DST:
			dst, _ = netip.AddrFromSlice(d.Bytes())
		case unix.RTA_MULTIPATH:
			if r.Hops, err = decodeHops(d.Bytes(), names); err != nil {
				return r, false, err
			}
		default:
			r.decodeAttribute(&d, &hop, names)
		}
	}
	if err := d.Err(); err != nil {
		return r, false, err
	}
	if r.Destination = netip.PrefixFrom(dst, bits); !r.Destination.IsValid() {
		return r, false, fmt.Errorf("%w: route to %v with %d bits", netlink.ErrMalformed, dst, bits)
	}
	if hop.Link != "" && len(r.Hops) == 0 {
		r.Hops = []Hop{hop}
	}
	if len(r.Hops) > 0 {
		r.Link = r.Hops[0].Link
	}
	if r.Opaque != nil {
		r.Opaque = opaque(m)
	}
	return r, r.Table != tableLocal, nil
}

func (r *Route) decodeAttribute(d *netlink.Decoder, hop *Hop, names map[int]string) {
	switch d.Kind() {
	case unix.RTA_TABLE:
		r.Table = d.Uint32()
	case unix.RTA_OIF:
		hop.Link = names[int(d.Uint32())]
	case unix.RTA_GATEWAY:
		hop.Via = addrOf(d.Bytes())
	case unix.RTA_VIA:
		if b := d.Bytes(); len(b) > 2 {
			hop.Via = addrOf(b[2:])
		}
	case unix.RTA_PRIORITY:
		r.Metric = d.Uint32()
	case unix.RTA_PREFSRC:
		r.Source = addrOf(d.Bytes())
	case unix.RTA_METRICS:
		r.decodeMetrics(d.Nested())
	case unix.RTA_CACHEINFO:
		r.decodeExpiry(d.Bytes())
	case unix.RTA_PREF, unix.RTA_UID:
	case attributeNextHop:
		r.Object = true
	case unix.RTA_SRC, unix.RTA_ENCAP, unix.RTA_ENCAP_TYPE, unix.RTA_FLOW, unix.RTA_MARK:
		r.Opaque = []byte{} // to be filled in
	}
}

// opaque returns the message of a route in the form in which it can be sent again and
// compared: without the number of the link, ages, and next hops that are objects of
// their own, since those go with their link; what they lead to is said beside them.
func opaque(m netlink.Message) []byte {
	var e netlink.Encoder
	e.Message(unix.RTM_NEWROUTE, 0)
	header := e.Len()
	e.Raw(m.Body[:unix.SizeofRtMsg])
	d := m.Attributes(unix.SizeofRtMsg)
	for d.Next() {
		switch d.Kind() {
		case unix.RTA_OIF, unix.RTA_CACHEINFO, attributeNextHop:
		default:
			e.Bytes(d.Kind(), d.Bytes())
		}
	}
	body := e.Messages()[header:]
	flags := body[unix.SizeofRtMsg-4 : unix.SizeofRtMsg]
	binary.NativeEndian.PutUint32(flags, binary.NativeEndian.Uint32(flags)&unix.RTNH_F_ONLINK)
	return body
}

// decodeExpiry reads struct rta_cacheinfo: rta_expires, in ticks of USER_HZ.
func (r *Route) decodeExpiry(b []byte) {
	const expires, hertz = 8, 100
	if len(b) >= expires+4 {
		r.Expires = uint32(max(0, int32(binary.NativeEndian.Uint32(b[expires:])))) / hertz
	}
}

func (r *Route) decodeMetrics(d netlink.Decoder) {
	for d.Next() {
		switch d.Kind() {
		case unix.RTAX_MTU:
			r.MTU = int(d.Uint32())
		case unix.RTAX_HOPLIMIT: // of router advertisements
		default:
			r.Opaque = []byte{}
		}
	}
}

// decodeHops reads struct rtnexthop, one behind the other.
func decodeHops(b []byte, names map[int]string) ([]Hop, error) {
	var hops []Hop
	for len(b) > 0 {
		if len(b) < unix.SizeofRtNexthop {
			return nil, fmt.Errorf("%w: next hop of %d bytes", netlink.ErrMalformed, len(b))
		}
		length := int(binary.NativeEndian.Uint16(b))
		if length < unix.SizeofRtNexthop || length > len(b) {
			return nil, fmt.Errorf("%w: next hop of %d bytes in %d", netlink.ErrMalformed, length, len(b))
		}
		h := Hop{Link: names[int(binary.NativeEndian.Uint32(b[4:]))], Weight: int(b[3]) + 1, OnLink: b[2]&unix.RTNH_F_ONLINK != 0}
		d := netlink.Decode(b[unix.SizeofRtNexthop:length])
		for d.Next() {
			switch d.Kind() {
			case unix.RTA_GATEWAY:
				h.Via = addrOf(d.Bytes())
			case unix.RTA_VIA:
				if via := d.Bytes(); len(via) > 2 {
					h.Via = addrOf(via[2:])
				}
			}
		}
		if err := d.Err(); err != nil {
			return nil, err
		}
		hops = append(hops, h)
		b = b[min((length+3)&^3, len(b)):]
	}
	return hops, nil
}

// routeType names a type of route that people make; ok is false for the kernel's.
func routeType(n byte) (name string, ok bool) {
	switch n {
	case unix.RTN_UNICAST:
		return "", true
	case unix.RTN_BLACKHOLE:
		return "blackhole", true
	case unix.RTN_UNREACHABLE:
		return "unreachable", true
	case unix.RTN_PROHIBIT:
		return "prohibit", true
	}
	return "", false
}

func unspecified(family byte) netip.Addr {
	if family == unix.AF_INET6 {
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}

// decodeRule reads RTM_NEWRULE: struct fib_rule_hdr and attributes.
func decodeRule(m netlink.Message) (r Rule, err error) {
	const header, actionTable = 12, 1 // FR_ACT_TO_TBL
	if len(m.Body) < header {
		return r, short("rule", m)
	}
	family, toBits, fromBits := m.Body[0], int(m.Body[1]), int(m.Body[2])
	r.IPv6, r.Table = family == unix.AF_INET6, uint32(m.Body[4])
	tos, flags := m.Body[3], binary.NativeEndian.Uint32(m.Body[8:])
	r.Opaque = m.Body[7] != actionTable || tos != 0 || flags&unix.FIB_RULE_INVERT != 0
	d := m.Attributes(header)
	for d.Next() {
		switch d.Kind() {
		case unix.FRA_DST:
			a, _ := netip.AddrFromSlice(d.Bytes())
			r.To = netip.PrefixFrom(a, toBits)
		case unix.FRA_SRC:
			a, _ := netip.AddrFromSlice(d.Bytes())
			r.From = netip.PrefixFrom(a, fromBits)
		case unix.FRA_IIFNAME:
			r.In = d.String()
		case unix.FRA_PRIORITY:
			r.Priority = d.Uint32()
		case unix.FRA_FWMARK:
			r.FWMark = d.Uint32()
		case unix.FRA_FWMASK:
			r.Mask = d.Uint32()
		case unix.FRA_TABLE:
			r.Table = d.Uint32()
		case unix.FRA_SUPPRESS_PREFIXLEN:
			r.Opaque = r.Opaque || d.Uint32() != 1<<32-1
		case unix.FRA_PROTOCOL:
		default:
			r.Opaque = true
		}
	}
	return r, d.Err()
}
