package address

import (
	"fmt"
	"net/netip"
	"slices"

	"wirelab/internal/setting"
)

// A Change leads from one state to another.
type Change struct {
	Before State // the snapshot: all that the change is about, as it is now
	After  State // the same objects as they are to be
}

// Change compares the file with the present state of a machine, which sysctls are
// read for. All that is wrong with the file on this machine is reported.
func (c *Config) Change(m Machine, now *State) (*Change, setting.Errors) {
	c = c.withDependents(now)
	if errs := c.checkHere(now); errs != nil {
		return nil, errs
	}
	target := c.State
	target.Sysctls = slices.Clone(c.Sysctls)
	c.removeOthers(&target, now)
	keepRouterRoutes(&target, now)
	return changeTo(m, &target, now)
}

// changeTo makes the change that leads to a target.
func changeTo(m Machine, target, now *State) (*Change, setting.Errors) {
	before := now.pick(m, target)
	return &Change{Before: *before, After: *before.overlay(target)}, nil
}

// removeOthers adds to the target, as absent, what exclusive links have beyond it.
// What the kernel and router advertisements made stays.
func (c *Config) removeOthers(target *State, now *State) {
	if len(c.exclusive) == 0 {
		return
	}
	addresses, pairs := keyed(target.Addresses, Address.key), pairRoutes(now.Routes, target.Routes)
	for _, a := range now.Addresses {
		if _, named := addresses[a.key()]; c.exclusive[a.Link] && !named && !a.kernels() {
			a.Mark = Mark{Absent: true, Place: c.link(a.Link).Place}
			target.Addresses = append(target.Addresses, a)
		}
	}
	for i, r := range now.Routes {
		if c.exclusive[r.Link] && !pairs.used[i] && r.Protocol != protoKernel && r.Protocol != protoRA {
			r.Mark = Mark{Absent: true, Place: c.link(r.Link).Place}
			target.Routes = append(target.Routes, r)
		}
	}
}

// kernels reports whether an address comes by itself: loopback, the link-local one,
// and those with a lifetime, of router advertisements.
func (a Address) kernels() bool {
	ip := a.Prefix.Addr()
	return ip.IsLoopback() || ip.Is6() && (ip.IsLinkLocalUnicast() || a.Flags&flagPermanent == 0)
}

// keepRouterRoutes has links whose default route comes from router advertisements
// keep obeying them when forwarding is turned on: else the kernel deletes it.
func keepRouterRoutes(target *State, now *State) {
	var extra []Sysctl
	for _, s := range target.Sysctls {
		all := s.Key == "net/ipv6/conf/all/forwarding"
		for _, r := range now.Routes {
			key := "net/ipv6/conf/" + r.Link + "/accept_ra"
			one := s.Key == "net/ipv6/conf/"+r.Link+"/forwarding"
			named := slices.ContainsFunc(append(target.Sysctls, extra...), func(s Sysctl) bool { return s.Key == key })
			if s.Value == "1" && (all || one) && r.Protocol == protoRA && r.Destination.Bits() == 0 && !named {
				extra = append(extra, Sysctl{s.Mark, key, "2"})
			}
		}
	}
	target.Sysctls = append(extra, target.Sysctls...)
}

// pick returns the part of s that target is about: each object that it names, as it
// is in s or as absent, and what else there is on its links, as found.
func (s *State) pick(m Machine, target *State) *State {
	p := &State{}
	touched := target.touched()
	for _, l := range target.Links {
		p.Links = append(p.Links, s.pickLink(l))
	}
	p.Addresses = s.pickAddresses(target, touched)
	p.Routes = s.pickRoutes(target, touched)
	here := keyed(s.Rules, Rule.key)
	for _, r := range target.Rules {
		_, ok := here[r.key()]
		r.Mark = Mark{Absent: !ok}
		p.Rules = append(p.Rules, r)
	}
	p.Sysctls = s.pickSysctls(target, touched)
	if target.DNS != nil {
		p.DNS = s.DNS
	}
	return p
}

// touched returns the names of all links that s has something for.
func (s *State) touched() map[string]bool {
	links := make(map[string]bool)
	for _, l := range s.Links {
		links[l.Name] = true
	}
	for _, a := range s.Addresses {
		links[a.Link] = true
	}
	for _, r := range s.Routes {
		links[r.Link] = true
	}
	return links
}

// pickLink returns what there is of a link for the fields that like has.
func (s *State) pickLink(like Link) Link {
	l := s.link(like.Name)
	if l == nil {
		return Link{Mark: Mark{Absent: true}, Name: like.Name}
	}
	p := Link{Name: l.Name, Kind: l.Kind, Peer: l.Peer, Lower: l.Lower, ID: l.ID, Remote: l.Remote, Local: l.Local, Port: l.Port, Foreign: l.Foreign}
	if like.Up != nil || like.Absent {
		p.Up = l.Up
	}
	if like.MTU != 0 || like.Absent {
		p.MTU = l.MTU
	}
	if like.MAC != "" || like.Absent {
		p.MAC = l.MAC
	}
	if like.Bridge != nil || like.Absent {
		p.Bridge = l.Bridge
	}
	if like.Absent {
		p.Options = l.Options
	}
	return p
}

func (s *State) pickAddresses(target *State, touched map[string]bool) []Address {
	var picked []Address
	named := make(map[addressKey]bool)
	here := keyed(s.Addresses, Address.key)
	for _, a := range target.Addresses {
		found, ok := here[a.key()]
		if !ok {
			found = a
		}
		found.Mark = Mark{Absent: !ok}
		named[a.key()] = true
		picked = append(picked, found)
	}
	for _, a := range s.Addresses {
		if touched[a.Link] && !named[a.key()] {
			a.Mark = Mark{Found: true}
			picked = append(picked, a)
		}
	}
	// In the order of the kernel, of which the first of a network is its primary.
	position := make(map[addressKey]int, len(s.Addresses))
	for i, a := range s.Addresses {
		position[a.key()] = i + 1
	}
	slices.SortStableFunc(picked, func(a, b Address) int { return position[a.key()] - position[b.key()] })
	return picked
}

// pickRoutes takes, beside the routes of the links, those that go by their
// addresses, since the kernel deletes them with the address, and those that come before
// or behind one of these.
func (s *State) pickRoutes(target *State, touched map[string]bool) []Route {
	sources := make(map[netip.Addr]bool)
	for _, a := range s.Addresses {
		if touched[a.Link] {
			sources[a.Prefix.Addr()] = true
		}
	}
	pairs, separate := pairRoutes(s.Routes, target.Routes), s.separateRoutes()
	take, several := make([]bool, len(s.Routes)), make(map[routeKey]bool)
	for i, r := range s.Routes {
		on := slices.ContainsFunc(r.Hops, func(h Hop) bool { return touched[h.Link] })
		own := r.Protocol != protoKernel || separate[subnet{r.Link, r.Destination}]
		take[i] = pairs.used[i] || own && (on || r.Source.IsValid() && sources[r.Source])
		if take[i] && pairs.several(s.Routes, i) {
			several[r.key()] = true
		}
	}
	var picked []Route
	for i, r := range target.Routes {
		if pairs.was[i] < 0 {
			r.Mark = Mark{Absent: true}
			picked = append(picked, r)
		}
	}
	for i, r := range s.Routes {
		r.Mark, r.behind = Mark{Found: !pairs.used[i]}, pairs.first[r.key()] != i
		again := r.Found && r.behind && r.Protocol == protoRA // another router says so again; put back by us it would join the first
		if !again && (take[i] || several[r.key()] && r.Protocol != protoKernel) {
			picked = append(picked, r)
		}
	}
	return picked
}

// A subnet is one that a link has an address in.
type subnet struct {
	link    string
	network netip.Prefix
}

// separateRoutes returns the networks whose routes do not come with an address: NetworkManager
// and dhcpcd make both by themselves, and call the kernel the one who made the route.
func (s *State) separateRoutes() map[subnet]bool {
	networks := make(map[subnet]bool)
	for _, a := range s.Addresses {
		if a.Flags&flagNoRoute != 0 {
			networks[subnet{a.Link, a.Prefix.Masked()}] = true
			if a.Peer.IsValid() {
				networks[subnet{a.Link, netip.PrefixFrom(a.Peer, a.Prefix.Bits()).Masked()}] = true
			}
		}
	}
	return networks
}

// pickSysctls takes, beside those that are named, what forwarding on the whole
// machine sets on each link, what is set for a moment while addresses go, and what a
// link loses that goes, or that IPv6 leaves.
func (s *State) pickSysctls(target *State, touched map[string]bool) []Sysctl {
	var picked []Sysctl
	take := func(key string, mark Mark) {
		known := slices.ContainsFunc(picked, func(p Sysctl) bool { return p.Key == key })
		if value, ok, _ := readSysctl(key); !known && (ok || !mark.Found) {
			mark.Absent = !ok
			picked = append(picked, Sysctl{mark, key, value})
		}
	}
	takeAll := func(directory string) {
		for _, name := range sysctlNames(directory) {
			take(directory+"/"+name, Mark{Found: true})
		}
	}
	for _, c := range target.Sysctls {
		take(c.Key, Mark{Found: c.Found})
	}
	for _, l := range s.Links {
		for _, c := range target.Sysctls {
			switch c.Key {
			case "net/ipv4/ip_forward":
				take("net/ipv4/conf/"+l.Name+"/forwarding", Mark{Found: true})
				take("net/ipv4/conf/default/forwarding", Mark{Found: true})
				take("net/ipv4/conf/all/accept_redirects", Mark{Found: true}) // which the kernel turns on and off with it
			case "net/ipv6/conf/all/forwarding":
				take("net/ipv6/conf/"+l.Name+"/forwarding", Mark{Found: true})
				take("net/ipv6/conf/default/forwarding", Mark{Found: true})
			}
		}
		if touched[l.Name] {
			take(promote(l.Name), Mark{Found: true})
		}
		like := target.link(l.Name)
		if like != nil && like.Absent {
			takeAll("net/ipv4/conf/" + l.Name)
		}
		if like != nil && (like.Absent || like.MTU != 0 && like.MTU < minIPv6MTU) {
			takeAll("net/ipv6/conf/" + l.Name)
		}
	}
	return picked
}

// promote is the sysctl that lets the other addresses of a network stay when the
// first one goes.
func promote(link string) string { return "net/ipv4/conf/" + link + "/promote_secondaries" }

func keyed[K comparable, T any](items []T, key func(T) K) map[K]T {
	m := make(map[K]T, len(items))
	for _, item := range items {
		m[key(item)] = item
	}
	return m
}

// overlay returns what becomes of a snapshot when target is carried out: found
// objects stay, but for those that cannot be on links as they will be then, and routes
// whose source goes.
func (s *State) overlay(target *State) *State {
	o := &State{Links: target.Links, Rules: target.Rules, Sysctls: target.Sysctls, DNS: target.DNS}
	o.Addresses, o.Routes = slices.Clone(target.Addresses), slices.Clone(target.Routes)
	// What is right already stays as it is in what nobody asked for, too.
	addresses, pairs := keyed(s.Addresses, Address.key), pairRoutes(s.Routes, target.Routes)
	for i, a := range o.Addresses {
		if old, ok := addresses[a.key()]; ok && !old.Absent && !a.Absent && old.same(a) {
			old.Mark = a.Mark
			o.Addresses[i] = old
		}
	}
	for i, r := range o.Routes {
		if j := pairs.was[i]; j >= 0 && !r.Absent && s.Routes[j].same(r) {
			old := s.Routes[j]
			old.Mark = r.Mark
			o.Routes[i] = old
		}
	}
	for _, a := range s.Addresses {
		if a.Found && target.bears(a.Link, a.Prefix.Addr().Is6(), false) {
			o.Addresses = append(o.Addresses, a)
		}
	}
	for _, r := range s.Routes {
		can := !slices.ContainsFunc(r.Hops, func(h Hop) bool { return !target.bears(h.Link, r.Destination.Addr().Is6(), true) })
		if r.Found && can && !target.takes(r.Source) {
			o.Routes = append(o.Routes, r)
		}
	}
	return o
}

// takes reports whether an address is to go.
func (s *State) takes(ip netip.Addr) bool {
	gone := false
	for _, a := range s.Addresses {
		if a.Prefix.Addr() == ip {
			if !a.Absent {
				return false
			}
			gone = true
		}
	}
	return gone
}

// bears reports whether a link, as s has it, can have an address or a route.
func (s *State) bears(name string, ipv6, route bool) bool {
	l := s.link(name)
	switch {
	case l == nil:
		return true
	case l.Absent, ipv6 && l.MTU != 0 && l.MTU < minIPv6MTU:
		return false
	}
	return l.Up == nil || *l.Up || !route && !ipv6
}

// Title says in one line what a change is about, for people.
func (c *Change) Title() string {
	switch steps := c.Steps(); len(steps) {
	case 0:
		return "nothing to do"
	case 1:
		return steps[0].Text
	case 2:
		return steps[0].Text + ", " + steps[1].Text
	default:
		return fmt.Sprintf("%s, and %d more steps", steps[0].Text, len(steps)-1)
	}
}
