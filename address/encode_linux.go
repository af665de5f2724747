package address

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"

	"wirelab/internal/netlink"
)

const create = unix.NLM_F_CREATE | unix.NLM_F_EXCL

// An encoder makes messages of steps. Links are known by number.
type encoder struct {
	netlink.Encoder
	index map[string]int
}

func (e *encoder) indexOf(link string) (uint32, error) {
	n, ok := e.index[link]
	if !ok {
		return 0, fmt.Errorf("link %s does not exist", link)
	}
	return uint32(n), nil
}

// encode appends the message of a step, or nothing if there is none.
func (e *encoder) encode(s Step) error {
	switch item := s.item.(type) {
	case Link:
		return e.link(s.verb, item)
	case Address:
		return e.address(s.verb, item)
	case Route:
		for _, hop := range item.Hops {
			if _, err := e.indexOf(hop.Link); err != nil {
				return err
			}
		}
		return e.route(s.verb, item)
	case Rule:
		e.rule(s.verb, item)
	}
	return nil
}

// linkHeader begins a message with struct ifinfomsg.
func (e *encoder) linkHeader(kind, flags uint16, index, up, change uint32) {
	e.Message(kind, flags)
	var h [unix.SizeofIfInfomsg]byte
	binary.NativeEndian.PutUint32(h[4:], index)
	binary.NativeEndian.PutUint32(h[8:], up)
	binary.NativeEndian.PutUint32(h[12:], change)
	e.Raw(h[:])
}

func (e *encoder) link(v verb, l Link) error {
	if v == verbAdd {
		return e.newLink(l)
	}
	index, err := e.indexOf(l.Name)
	if err != nil {
		return err
	}
	switch v {
	case verbRemove:
		e.linkHeader(unix.RTM_DELLINK, 0, index, 0, 0)
	case verbUp:
		e.linkHeader(unix.RTM_NEWLINK, 0, index, unix.IFF_UP, unix.IFF_UP)
	case verbDown:
		e.linkHeader(unix.RTM_NEWLINK, 0, index, 0, unix.IFF_UP)
	case verbMTU:
		e.linkHeader(unix.RTM_NEWLINK, 0, index, 0, 0)
		e.Uint32(unix.IFLA_MTU, uint32(l.MTU))
	case verbMAC:
		mac, err := net.ParseMAC(l.MAC)
		if err != nil {
			return err
		}
		e.linkHeader(unix.RTM_NEWLINK, 0, index, 0, 0)
		e.Bytes(unix.IFLA_ADDRESS, mac)
	case verbBridge:
		master := uint32(0)
		if *l.Bridge != "" {
			if master, err = e.indexOf(*l.Bridge); err != nil {
				return err
			}
		}
		e.linkHeader(unix.RTM_NEWLINK, 0, index, 0, 0)
		e.Uint32(unix.IFLA_MASTER, master)
	}
	return nil
}

// newLink encodes the creation of a link as rtnl_link_ops of each kind expect it.
func (e *encoder) newLink(l Link) error {
	lower := uint32(0)
	if l.Lower != "" {
		var err error
		if lower, err = e.indexOf(l.Lower); err != nil {
			return err
		}
	}
	e.linkHeader(unix.RTM_NEWLINK, create, 0, 0, 0)
	e.String(unix.IFLA_IFNAME, l.Name)
	if l.Kind == "vlan" {
		e.Uint32(unix.IFLA_LINK, lower)
	}
	info := e.Nest(unix.IFLA_LINKINFO)
	e.String(unix.IFLA_INFO_KIND, l.Kind)
	if l.Options != nil {
		e.Bytes(unix.IFLA_INFO_DATA, l.Options)
		e.End(info)
		return nil
	}
	data := e.Nest(unix.IFLA_INFO_DATA)
	switch l.Kind {
	case "veth":
		const infoPeer = 1 // VETH_INFO_PEER
		peer := e.Nest(infoPeer)
		e.Raw(make([]byte, unix.SizeofIfInfomsg))
		e.String(unix.IFLA_IFNAME, l.Peer)
		e.End(peer)
	case "vlan":
		e.Uint16(unix.IFLA_VLAN_ID, uint16(l.ID))
	case "vxlan":
		e.vxlan(l, lower)
	}
	e.End(data)
	e.End(info)
	return nil
}

func (e *encoder) vxlan(l Link, lower uint32) {
	const standardPort = 4789 // RFC 7348; Linux would take another one
	e.Uint32(unix.IFLA_VXLAN_ID, uint32(l.ID))
	if lower != 0 {
		e.Uint32(unix.IFLA_VXLAN_LINK, lower)
	}
	e.vxlanAddress(unix.IFLA_VXLAN_GROUP, unix.IFLA_VXLAN_GROUP6, l.Remote)
	e.vxlanAddress(unix.IFLA_VXLAN_LOCAL, unix.IFLA_VXLAN_LOCAL6, l.Local)
	port := l.Port
	if port == 0 {
		port = standardPort
	}
	e.Big16(unix.IFLA_VXLAN_PORT, uint16(port))
}

func (e *encoder) vxlanAddress(kind4, kind6 uint16, a netip.Addr) {
	switch {
	case a.Is4():
		e.Bytes(kind4, a.AsSlice())
	case a.Is6():
		e.Bytes(kind6, a.AsSlice())
	}
}

func familyOf(a netip.Addr) byte {
	if a.Is6() {
		return unix.AF_INET6
	}
	return unix.AF_INET
}

// settableFlags are those of an address that its maker chooses.
const settableFlags = unix.IFA_F_NODAD | unix.IFA_F_OPTIMISTIC | unix.IFA_F_HOMEADDRESS | unix.IFA_F_MANAGETEMPADDR |
	unix.IFA_F_NOPREFIXROUTE | unix.IFA_F_MCAUTOJOIN

// address encodes struct ifaddrmsg and attributes.
func (e *encoder) address(v verb, a Address) error {
	index, err := e.indexOf(a.Link)
	if err != nil {
		return err
	}
	kind, flags := uint16(unix.RTM_NEWADDR), uint16(create)
	switch v {
	case verbRemove:
		kind, flags = unix.RTM_DELADDR, 0
	case verbReplace:
		flags = unix.NLM_F_CREATE | unix.NLM_F_REPLACE
	}
	e.Message(kind, flags)
	ip := a.Prefix.Addr()
	h := [unix.SizeofIfAddrmsg]byte{familyOf(ip), byte(a.Prefix.Bits()), 0, a.Scope}
	binary.NativeEndian.PutUint32(h[4:], index)
	e.Raw(h[:])
	var room [16]byte
	e.Bytes(unix.IFA_LOCAL, appendAddr(room[:0], ip))
	if a.Peer.IsValid() {
		e.Bytes(unix.IFA_ADDRESS, appendAddr(room[:0], a.Peer))
	} else {
		e.Bytes(unix.IFA_ADDRESS, appendAddr(room[:0], ip))
	}
	if v == verbRemove {
		return nil
	}
	if a.Broadcast.IsValid() {
		e.Bytes(unix.IFA_BROADCAST, appendAddr(room[:0], a.Broadcast))
	}
	if a.Label != "" {
		e.String(unix.IFA_LABEL, a.Label)
	}
	if a.Metric != 0 {
		e.Uint32(unix.IFA_RT_PRIORITY, a.Metric)
	}
	if f := a.Flags & settableFlags; f != 0 {
		e.Uint32(unix.IFA_FLAGS, f)
	}
	if a.Valid != Forever || v == verbReplace {
		var info [16]byte // struct ifa_cacheinfo
		binary.NativeEndian.PutUint32(info[:], a.Preferred)
		binary.NativeEndian.PutUint32(info[4:], a.Valid)
		e.Bytes(unix.IFA_CACHEINFO, info[:])
	}
	return nil
}

func appendAddr(b []byte, a netip.Addr) []byte {
	if a.Is4() {
		four := a.As4()
		return append(b, four[:]...)
	}
	sixteen := a.As16()
	return append(b, sixteen[:]...)
}

// route encodes struct rtmsg and attributes.
func (e *encoder) route(v verb, r Route) error {
	kind, flags := uint16(unix.RTM_NEWROUTE), uint16(create)
	switch v {
	case verbAppend:
		flags = unix.NLM_F_CREATE | unix.NLM_F_APPEND
	case verbPrepend:
		flags = unix.NLM_F_CREATE
	case verbReplace:
		flags = unix.NLM_F_CREATE | unix.NLM_F_REPLACE
	case verbRemove:
		kind, flags = unix.RTM_DELROUTE, 0
	}
	e.Message(kind, flags)
	if r.Opaque != nil && v != verbRemove {
		return e.opaque(r)
	}
	dst := r.Destination.Addr()
	h := [unix.SizeofRtMsg]byte{familyOf(dst), byte(r.Destination.Bits()), 0, r.TOS, unix.RT_TABLE_UNSPEC, r.Protocol, r.scope(v), r.kernelType()}
	if len(r.Hops) == 1 && r.Hops[0].OnLink {
		binary.NativeEndian.PutUint32(h[8:], unix.RTNH_F_ONLINK)
	}
	e.Raw(h[:])
	var room [16]byte
	if r.Destination.Bits() > 0 {
		e.Bytes(unix.RTA_DST, appendAddr(room[:0], dst))
	}
	e.Uint32(unix.RTA_TABLE, r.Table)
	if r.Metric != 0 {
		e.Uint32(unix.RTA_PRIORITY, r.Metric)
	}
	if v != verbRemove && r.Source.IsValid() {
		e.Bytes(unix.RTA_PREFSRC, appendAddr(room[:0], r.Source))
	}
	if v != verbRemove && r.MTU != 0 {
		metrics := e.Nest(unix.RTA_METRICS)
		e.Uint32(unix.RTAX_MTU, uint32(r.MTU))
		e.End(metrics)
	}
	if v != verbRemove && r.Expires != 0 && dst.Is6() {
		e.Uint32(unix.RTA_EXPIRES, r.Expires)
	}
	if r.Type != "" && r.Type != "local" || r.Opaque != nil || r.Object && v == verbRemove {
		return nil
	}
	return e.hops(r)
}

// opaque sends a message of the kernel again. Several hops stand in it with their links.
func (e *encoder) opaque(r Route) error {
	e.Raw(r.Opaque)
	if len(r.Hops) != 1 {
		return nil
	}
	index, err := e.indexOf(r.Hops[0].Link)
	e.Uint32(unix.RTA_OIF, index)
	return err
}

// scope is how far the destination is. One that is to go is found whatever it has.
func (r Route) scope(v verb) byte {
	switch {
	case r.Destination.Addr().Is6():
		return unix.RT_SCOPE_UNIVERSE
	case v == verbRemove:
		return unix.RT_SCOPE_NOWHERE
	case r.Type == "local":
		return unix.RT_SCOPE_HOST
	case r.Type == "" && len(r.Hops) == 1 && !r.Hops[0].Via.IsValid():
		return unix.RT_SCOPE_LINK
	}
	return unix.RT_SCOPE_UNIVERSE
}

func (r Route) kernelType() byte {
	if r.Type == "local" {
		return unix.RTN_LOCAL
	}
	for _, n := range []byte{unix.RTN_BLACKHOLE, unix.RTN_UNREACHABLE, unix.RTN_PROHIBIT} {
		if name, _ := routeType(n); name == r.Type {
			return n
		}
	}
	return unix.RTN_UNICAST
}

func (e *encoder) hops(r Route) error {
	if len(r.Hops) == 1 {
		index, err := e.indexOf(r.Hops[0].Link)
		if err != nil {
			return err
		}
		e.Uint32(unix.RTA_OIF, index)
		e.gateway(r.Destination.Addr(), r.Hops[0].Via)
		return nil
	}
	all := e.NestRaw(unix.RTA_MULTIPATH)
	for _, hop := range r.Hops {
		index, err := e.indexOf(hop.Link)
		if err != nil {
			return err
		}
		one := netlink.Encoder{}
		one.Message(0, 0)
		before := one.MessageLen()
		sub := encoder{Encoder: one}
		sub.gateway(r.Destination.Addr(), hop.Via)
		length := unix.SizeofRtNexthop + sub.MessageLen() - before
		var h [unix.SizeofRtNexthop]byte // struct rtnexthop
		binary.NativeEndian.PutUint16(h[:], uint16(length))
		if hop.OnLink {
			h[2] = unix.RTNH_F_ONLINK
		}
		h[3] = byte(max(hop.Weight, 1) - 1)
		binary.NativeEndian.PutUint32(h[4:], index)
		e.Raw(h[:])
		e.gateway(r.Destination.Addr(), hop.Via)
	}
	e.End(all)
	return nil
}

// gateway appends RTA_GATEWAY, or RTA_VIA where the families differ.
func (e *encoder) gateway(dst, via netip.Addr) {
	var room [18]byte
	switch {
	case !via.IsValid():
	case via.Is6() != dst.Is6():
		binary.NativeEndian.PutUint16(room[:], uint16(familyOf(via)))
		e.Bytes(unix.RTA_VIA, appendAddr(room[:2], via))
	default:
		e.Bytes(unix.RTA_GATEWAY, appendAddr(room[:0], via))
	}
}

// rule encodes struct fib_rule_hdr and attributes.
func (e *encoder) rule(v verb, r Rule) {
	const actionTable = 1 // FR_ACT_TO_TBL
	kind, flags := uint16(unix.RTM_NEWRULE), uint16(create)
	if v == verbRemove {
		kind, flags = unix.RTM_DELRULE, 0
	}
	e.Message(kind, flags)
	family := byte(unix.AF_INET)
	if r.IPv6 {
		family = unix.AF_INET6
	}
	bits := func(p netip.Prefix) byte { return byte(max(p.Bits(), 0)) }
	e.Raw([]byte{family, bits(r.To), bits(r.From), 0, unix.RT_TABLE_UNSPEC, 0, 0, actionTable, 0, 0, 0, 0})
	if r.To.IsValid() {
		e.Bytes(unix.FRA_DST, r.To.Addr().AsSlice())
	}
	if r.From.IsValid() {
		e.Bytes(unix.FRA_SRC, r.From.Addr().AsSlice())
	}
	if r.In != "" {
		e.String(unix.FRA_IIFNAME, r.In)
	}
	e.Uint32(unix.FRA_PRIORITY, r.Priority)
	if r.FWMark != 0 || r.Mask != 0 {
		e.Uint32(unix.FRA_FWMARK, r.FWMark)
		e.Uint32(unix.FRA_FWMASK, r.Mask)
	}
	e.Uint32(unix.FRA_TABLE, r.Table)
}
