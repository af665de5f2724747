package address

import (
	"net/netip"
	"slices"
	"strings"

	"wirelab/internal/setting"
	"wirelab/internal/spell"
)

// checkHere finds what is wrong with the file on this machine.
func (c *Config) checkHere(now *State) setting.Errors {
	h := &here{config: c, now: now}
	for _, l := range c.Links {
		h.link(l)
	}
	for _, a := range c.Addresses {
		h.address(a)
	}
	for _, r := range c.Routes {
		h.route(r)
	}
	for _, r := range c.Rules {
		h.rule(r)
	}
	h.sysctls()
	if d := h.now.DNS; c.DNS != nil && d.manager != "" {
		h.fail(c.DNS.Place, "resolv.conf is written by %s: set the name servers there", d.manager)
	}
	return h.errs
}

// here checks a file against a machine.
type here struct {
	config *Config
	now    *State
	errs   setting.Errors
}

func (h *here) fail(at setting.Place, format string, args ...any) {
	h.errs = append(h.errs, problem(at, format, args...))
}

// exists reports whether a link is there, or will be.
func (h *here) exists(name string) bool {
	l := h.config.link(name)
	return h.now.link(name) != nil || l != nil && l.Kind != ""
}

func (h *here) meant(name string) string {
	var names []string
	for _, l := range h.now.Links {
		names = append(names, l.Name)
	}
	if nearest := spell.Nearest(name, names); nearest != "" {
		return "; is " + nearest + " meant?"
	}
	return "; there are " + strings.Join(names, ", ") + ", and veth, bridge, vlan and vxlan create links"
}

func (h *here) link(l Link) {
	old := h.now.link(l.Name)
	switch {
	case old == nil && l.Absent:
		return
	case old == nil && l.Kind == "":
		h.fail(l.Place, "link %s does not exist%s", l.Name, h.meant(l.Name))
		return
	case l.Lower != "" && !h.exists(l.Lower):
		h.fail(l.Place, "link %s is to be over %s, which does not exist%s", l.Name, l.Lower, h.meant(l.Lower))
	case old == nil:
		return
	case l.Kind != "" && !l.madeAs(*old):
		h.fail(l.Place, "link %s exists, but as %s: remove it first (ip link delete %s), or take another name", l.Name, old.describe(), l.Name)
	case l.Absent && !old.makable():
		h.fail(l.Place, "link %s is %s, which cannot be made again if the change is taken back", l.Name, old.describe())
	}
	if old == nil {
		return
	}
	if base := h.goesWith(*old); !l.Absent && base != "" {
		h.fail(l.Place, "link %s goes with %s, which is to be absent", l.Name, base)
	}
	if l.MTU != 0 && (l.MTU < old.MinMTU || old.MaxMTU > 0 && l.MTU > old.MaxMTU) {
		h.fail(l.Place, "mtu %d: link %s takes from %d to %d", l.MTU, l.Name, old.MinMTU, old.MaxMTU)
	}
}

// goesWith returns the link that is to be absent and that the kernel deletes l with.
func (h *here) goesWith(l Link) string {
	for _, base := range []string{l.Peer, l.Lower} {
		if b := h.config.link(base); base != "" && b != nil && b.Absent {
			return base
		}
	}
	return ""
}

// madeAs reports whether an existing link is what l would create. What l leaves open
// may be anything.
func (l Link) madeAs(old Link) bool {
	if l.Kind == "vxlan" && (l.Port != 0 && l.Port != old.Port || l.Remote.IsValid() && l.Remote != old.Remote || l.Local.IsValid() && l.Local != old.Local) {
		return false
	}
	return l.Kind == old.Kind && l.Peer == old.Peer && l.ID == old.ID && (l.Lower == "" || l.Lower == old.Lower) && !old.Foreign
}

// makable reports whether a link can be created as it is.
func (l Link) makable() bool {
	return slices.Contains([]string{"veth", "bridge", "vlan", "vxlan"}, l.Kind) && !l.Foreign
}

func (l Link) describe() string {
	switch {
	case l.Kind == "":
		return "hardware"
	case l.Foreign:
		return "a " + l.Kind + " with its other end in another network namespace"
	case l.Peer != "":
		return "a veth with the other end " + l.Peer
	}
	return "a " + l.Kind
}

// address finds IPv6 turned off, and addresses that another link has.
func (h *here) address(a Address) {
	if !h.exists(a.Link) {
		return // said already
	}
	if a.Prefix.Addr().Is6() && h.now.link(a.Link) != nil {
		off, known, err := readSysctl("net/ipv6/conf/" + a.Link + "/disable_ipv6")
		l := h.config.link(a.Link)
		switch raised := l != nil && l.MTU >= minIPv6MTU; {
		case err == nil && off == "1":
			h.fail(a.Place, "IPv6 is turned off on link %s: sysctl %s=0", a.Link, sysctlName("net/ipv6/conf/"+a.Link+"/disable_ipv6"))
		case !known && !raised && h.now.link(a.Link).MTU >= minIPv6MTU:
			h.fail(a.Place, "this kernel has no IPv6")
		case !known && !raised:
			h.fail(a.Place, "IPv6 needs an MTU of %d, and link %s has %d", minIPv6MTU, a.Link, h.now.link(a.Link).MTU)
		}
	}
	for _, o := range h.now.Addresses {
		if o.Link == a.Link || o.Prefix.Masked() != a.Prefix.Masked() || a.Prefix.IsSingleIP() || o.Prefix.Addr().IsLinkLocalUnicast() {
			continue
		}
		stays := !slices.ContainsFunc(h.config.Addresses, func(n Address) bool { return n.Prefix.Addr() == o.Prefix.Addr() }) && !h.config.exclusive[o.Link]
		if stays {
			h.fail(a.Place, "%v is the network of link %s already, which has %v: packets for it would leave by one of the two only", a.Prefix.Masked(), o.Link, o.Prefix)
		}
	}
}

// route finds gateways that are on no link.
func (h *here) route(r Route) {
	if !h.exists(r.Link) {
		return // said already
	}
	for _, hop := range r.Hops {
		if !hop.Via.IsValid() || hop.OnLink || hop.Via.IsLinkLocalUnicast() || h.reaches(hop.Link, hop.Via) {
			continue
		}
		h.fail(r.Place, "gateway %v is in no network of link %s: give the link an address of that network, or say onlink if it is there nevertheless", hop.Via, hop.Link)
	}
	if r.Source.IsValid() && !h.owns(r.Source) {
		h.fail(r.Place, "src %v is no address of this machine", r.Source)
	}
	for _, o := range h.now.Routes {
		if (o.Opaque != nil || o.Object) && o.key() == r.key() {
			h.fail(r.Place, "route %v is there with more than can be put back (ip route show %v table %s): remove it first, or take another metric", o, destination(o.Destination), tableName(o.Table))
		}
	}
}

// rule finds rules of others from which the kernel would not tell this one when it is
// removed: it looks only at what the request names.
func (h *here) rule(r Rule) {
	if r.In != "" && !h.exists(r.In) {
		h.fail(r.Place, "link %s does not exist%s", r.In, h.meant(r.In))
	}
	for _, o := range h.now.Rules {
		if o.Opaque && o.sameWords(r) {
			h.fail(r.Place, "rule %v is there, and says more (ip rule show priority %d): take another priority", r, r.Priority)
		}
	}
}

// reaches reports whether an address or a route without a gateway covers via.
func (h *here) reaches(link string, via netip.Addr) bool {
	covers := func(a Address) bool {
		return a.Link == link && (a.Prefix.Contains(via) || a.Peer == via) && a.Prefix.Addr() != via
	}
	direct := func(r Route) bool {
		return r.Destination.Contains(via) && slices.ContainsFunc(r.Hops, func(hop Hop) bool { return hop.Link == link && !hop.Via.IsValid() })
	}
	if slices.ContainsFunc(h.config.Addresses, covers) || slices.ContainsFunc(h.config.Routes, direct) {
		return true
	}
	if h.config.exclusive[link] {
		return false
	}
	return slices.ContainsFunc(h.now.Addresses, covers) || slices.ContainsFunc(h.now.Routes, direct)
}

func (h *here) owns(a netip.Addr) bool {
	has := func(o Address) bool { return o.Prefix.Addr() == a }
	return slices.ContainsFunc(h.config.Addresses, has) || slices.ContainsFunc(h.now.Addresses, has)
}

// sysctls finds settings of links or of IPv6 that the kernel does not have.
func (h *here) sysctls() {
	for _, s := range h.config.Sysctls {
		link := s.link()
		if _, known, err := readSysctl(s.Key); err == nil && !known && (link == "" || h.now.link(link) != nil) && strings.HasPrefix(s.Key, "net/ipv4/") {
			h.fail(s.Place, "this kernel has no sysctl %s", sysctlName(s.Key))
		}
	}
}
