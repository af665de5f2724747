package address

import (
	"cmp"
	"net/netip"
	"slices"

	"wirelab/internal/setting"
)

// check finds what is wrong with a file whatever machine it is for.
func (p *parser) check() {
	p.mergeLinks()
	p.checkPairs()
	p.checkAddresses()
	p.checkRoutes()
	for _, l := range p.config.Links {
		if l.Absent {
			p.checkAbsent(l)
		}
	}
}

// checkKind finds keys that do not belong to what the link is created as.
func (p *parser) checkKind(e setting.Entry, l Link) {
	switch {
	case (l.Kind == "vlan") && l.Lower == "":
		p.fail(e.Errorf("a VLAN is on another link: 'over' is missing"))
	case l.Kind != "vlan" && l.Kind != "vxlan" && l.Lower != "":
		p.fail(e.Errorf("'over' belongs to vlan and vxlan"))
	case l.Kind != "vxlan" && (l.Remote.IsValid() || l.Local.IsValid() || l.Port != 0):
		p.fail(e.Errorf("'remote', 'local' and 'port' belong to vxlan"))
	case l.Kind == "vxlan" && l.Remote.IsMulticast() && l.Lower == "":
		p.fail(e.Errorf("a group as 'remote' needs the link that it is reached by: 'over' is missing"))
	case l.Remote.IsValid() && l.Local.IsValid() && l.Remote.Is4() != l.Local.Is4():
		p.fail(e.Errorf("'remote' and 'local' are not of one family"))
	}
}

// mergeLinks joins what is said of a link in its own entry, in that of a bridge, and
// in that of its other end.
func (p *parser) mergeLinks() {
	var merged State
	for _, l := range p.config.Links {
		known := merged.link(l.Name)
		if known == nil {
			merged.Links = append(merged.Links, l)
			continue
		}
		if known.Bridge != nil && l.Bridge != nil && *known.Bridge != *l.Bridge {
			p.errs = append(p.errs, problem(l.Place, "link %s is a port of bridge %s already (line %d)", l.Name, *known.Bridge, known.Place.Line))
		}
		if known.Kind != "" && l.Kind != "" && known.Kind != l.Kind {
			p.errs = append(p.errs, problem(l.Place, "link %s is a %s already (line %d)", l.Name, known.Kind, known.Place.Line))
		}
		if own := l.Bridge == nil; own {
			known.Up, known.Place, known.Absent = l.Up, l.Place, known.Absent || l.Absent
		}
		known.MTU, known.MAC = cmp.Or(known.MTU, l.MTU), cmp.Or(known.MAC, l.MAC)
		known.Kind, known.Peer = cmp.Or(known.Kind, l.Kind), cmp.Or(known.Peer, l.Peer)
		known.Lower, known.ID = cmp.Or(known.Lower, l.Lower), cmp.Or(known.ID, l.ID)
		known.Remote, known.Local, known.Port = cmp.Or(known.Remote, l.Remote), cmp.Or(known.Local, l.Local), cmp.Or(known.Port, l.Port)
		known.Bridge = cmp.Or(known.Bridge, l.Bridge)
	}
	p.config.Links = merged.Links
}

// problem makes an error about a place whose value is no longer at hand.
func problem(at setting.Place, format string, args ...any) *setting.Error {
	return setting.Value{Place: at, Path: "addresses"}.Errorf(format, args...)
}

func (p *parser) checkPairs() {
	for _, l := range p.config.Links {
		if l.Kind != "veth" {
			continue
		}
		other := p.config.link(l.Peer)
		if other == nil || other.Kind != "veth" || other.Peer != l.Name {
			p.errs = append(p.errs, problem(l.Place, "link %s: its other end %s is something else too", l.Name, l.Peer))
		} else if other.Absent != l.Absent {
			other.Absent, p.config.link(l.Name).Absent = true, true // a cable has both ends or none
		}
	}
}

// checkAddresses finds addresses twice, networks on two links, and IPv6 where the
// MTU forbids it.
func (p *parser) checkAddresses() {
	byAddr := make(map[netip.Addr]int)
	byNetwork := make(map[netip.Prefix]int)
	for i, a := range p.config.Addresses {
		v := p.addresses[i]
		if first, twice := byAddr[a.Prefix.Addr()]; twice {
			p.fail(v.Errorf("%v stands already on line %d, for link %s", a.Prefix.Addr(), p.addresses[first].Place.Line, p.config.Addresses[first].Link))
			continue
		}
		byAddr[a.Prefix.Addr()] = i
		if l := p.config.link(a.Link); l != nil && a.Prefix.Addr().Is6() && l.MTU != 0 && l.MTU < minIPv6MTU {
			p.fail(v.Errorf("IPv6 needs an MTU of %d, and link %s has mtu %d", minIPv6MTU, l.Name, l.MTU))
		}
		network := a.Prefix.Masked()
		if network.IsSingleIP() || network.Addr().IsLinkLocalUnicast() {
			continue
		}
		if first, twice := byNetwork[network]; twice && p.config.Addresses[first].Link != a.Link {
			p.fail(v.Errorf("%v is the network of link %s too (line %d): packets for it would leave by one of the two only",
				network, p.config.Addresses[first].Link, p.addresses[first].Place.Line))
		} else if !twice {
			byNetwork[network] = i
		}
	}
}

func (p *parser) checkRoutes() {
	seen := make(map[routeKey]Route)
	for _, r := range p.config.Routes {
		if first, twice := seen[r.key()]; twice {
			p.errs = append(p.errs, problem(r.Place, "a route to %s with this metric and table stands already on line %d: give one of them another metric",
				destination(r.Destination), first.Place.Line))
		}
		seen[r.key()] = r
		l := p.config.link(r.Link)
		switch {
		case l == nil || r.Type != "":
		case l.Up != nil && !*l.Up:
			p.errs = append(p.errs, problem(r.Place, "link %s is to be down, and has no routes then", l.Name))
		case r.Destination.Addr().Is6() && l.MTU != 0 && l.MTU < minIPv6MTU:
			p.errs = append(p.errs, problem(r.Place, "IPv6 needs an MTU of %d, and link %s has mtu %d", minIPv6MTU, l.Name, l.MTU))
		}
	}
}

// checkAbsent refuses to give things to a link that is to go.
func (p *parser) checkAbsent(l Link) {
	has := slices.ContainsFunc(p.config.Addresses, func(a Address) bool { return a.Link == l.Name }) ||
		slices.ContainsFunc(p.config.Routes, func(r Route) bool { return r.Link == l.Name })
	if has || l.MTU != 0 || l.MAC != "" {
		p.errs = append(p.errs, problem(l.Place, "link %s is to be absent, and cannot have addresses, routes or an MTU then", l.Name))
	}
}
