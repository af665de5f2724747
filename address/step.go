package address

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"wirelab/internal/setting"
)

// A Step is one thing to do.
type Step struct {
	Text  string        `json:"text"`
	Place setting.Place `json:"-"` // of the line that asks for it; zero: none does

	phase phase
	verb  verb
	item  any // Link, Address, Route, Rule, Sysctl or DNS: what is to be
}

type verb uint8

const (
	verbAdd verb = iota
	verbReplace
	verbAppend  // a route, behind others with its key
	verbPrepend // or before them
	verbRemove
	verbUp
	verbDown
	verbMTU
	verbMAC
	verbBridge
	verbWrite
)

// A phase is when a step has its turn: first what is new is made, from the links up
// to the routes and rules; then what is old goes, the other way.
type phase uint8

const (
	phaseCreate       phase = iota
	phaseRouterRoutes       // before forwarding would delete them
	phaseSysctl
	phaseLink
	phaseUp
	phaseMakeRoom // an IPv6 address cannot be there with two prefix lengths
	phaseAddress
	phaseReorder
	phaseNear // routes without a gateway
	phaseFar  // routes with one
	phaseRule
	phaseDNS
	phaseRemoveRule
	phaseRemoveFar
	phaseRemoveNear
	phaseRemoveAddress
	phaseDown
	phaseDelete
	phaseLast
)

// Steps returns what leads from Before to After, in the order of doing.
func (c *Change) Steps() []Step { return steps(&c.Before, &c.After, false) }

// A differ collects the steps from one state to another.
type differ struct {
	from, to *State
	list     []Step
}

// steps compares the objects of to with those of from. With exact, addresses of one
// IPv4 network are brought into the order of to, of which the first is the source of
// what the machine sends.
func steps(from, to *State, exact bool) []Step {
	d := &differ{from: from, to: to}
	d.links()
	d.sysctls()
	d.addresses(exact)
	d.routes()
	d.rules()
	if to.DNS != nil && !to.DNS.same(from.DNS) {
		d.add(to.DNS.Mark, phaseDNS, verbWrite, *to.DNS, "%s", to.DNS.describe())
	}
	slices.SortStableFunc(d.list, func(a, b Step) int { return int(a.phase) - int(b.phase) })
	return d.list
}

func (d *differ) add(m Mark, p phase, v verb, item any, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if m.Found {
		text += " (back)"
	}
	d.list = append(d.list, Step{Text: text, Place: m.Place, phase: p, verb: v, item: item})
}

// links handles lower links before those on them, since the latter name them.
func (d *differ) links() {
	made := make(map[string]bool)
	links := order(d.to.Links, 1)
	for _, l := range order(d.to.Links, -1) {
		if old := d.from.link(l.Name); l.Absent && old != nil && !old.Absent && !made[l.Name] {
			made[l.Name], made[old.Peer] = true, true
			d.add(l.Mark, phaseDelete, verbRemove, l, "delete %s", d.named(*old))
		}
	}
	for _, l := range links {
		old := d.from.link(l.Name)
		if old == nil {
			old = &Link{Mark: Mark{Absent: true}}
		}
		switch {
		case !l.Absent && old.Absent && l.Kind != "":
			if !made[l.Name] {
				made[l.Name], made[l.Peer] = true, true
				d.add(l.Mark, phaseCreate, verbAdd, l, "create %s", d.named(l))
			}
			d.properties(l, Link{})
		case !l.Absent && !old.Absent:
			d.properties(l, *old)
		}
	}
}

// order sorts links so that each comes behind the one that it is over, or with
// direction -1 before it.
func order(links []Link, direction int) []Link {
	links = slices.Clone(links)
	depth := func(l Link) int {
		n := 0
		for s := (&State{Links: links}); l.Lower != "" && n < len(links); n++ {
			lower := s.link(l.Lower)
			if lower == nil {
				break
			}
			l = *lower
		}
		return n
	}
	slices.SortStableFunc(links, func(a, b Link) int { return direction * (depth(a) - depth(b)) })
	return links
}

func (d *differ) named(l Link) string {
	switch l.Kind {
	case "veth":
		return fmt.Sprintf("veth %s, with the other end %s", l.Name, l.Peer)
	case "vlan":
		return fmt.Sprintf("vlan %s: VLAN %d over %s", l.Name, l.ID, l.Lower)
	case "vxlan":
		return fmt.Sprintf("vxlan %s: network %d", l.Name, l.ID)
	}
	return strings.TrimSpace(l.Kind + " " + l.Name)
}

func (d *differ) properties(l, old Link) {
	was := func(v any) string {
		if old.Name == "" {
			return ""
		}
		return fmt.Sprintf(" (was %v)", v)
	}
	if l.MTU != 0 && l.MTU != old.MTU {
		d.add(l.Mark, phaseLink, verbMTU, l, "set mtu %d on %s%s", l.MTU, l.Name, was(old.MTU))
	}
	if l.MAC != "" && l.MAC != old.MAC {
		d.add(l.Mark, phaseLink, verbMAC, l, "set mac %s on %s%s", l.MAC, l.Name, was(old.MAC))
	}
	if l.Bridge != nil && (old.Bridge == nil || *l.Bridge != *old.Bridge) {
		switch {
		case *l.Bridge != "":
			d.add(l.Mark, phaseLink, verbBridge, l, "make %s a port of bridge %s", l.Name, *l.Bridge)
		case old.Bridge != nil:
			d.add(l.Mark, phaseLink, verbBridge, l, "take %s out of bridge %s", l.Name, *old.Bridge)
		}
	}
	isUp := old.Up != nil && *old.Up
	switch {
	case l.Up == nil || *l.Up == isUp:
	case *l.Up:
		d.add(l.Mark, phaseUp, verbUp, l, "bring %s up", l.Name)
	default:
		d.add(l.Mark, phaseDown, verbDown, l, "take %s down", l.Name)
	}
}

func (d *differ) sysctls() {
	old := keyed(d.from.Sysctls, Sysctl.key)
	for _, s := range d.to.Sysctls {
		before, ok := old[s.Key]
		if s.Absent || ok && !before.Absent && before.Value == s.Value {
			continue
		}
		when := phaseSysctl
		switch {
		case s.Found:
			when = phaseLast
		case strings.HasSuffix(s.Key, "/accept_ra"):
			when = phaseRouterRoutes
		}
		text := "set sysctl %s=%s"
		if when == phaseRouterRoutes && s.Value == "2" {
			text += ", so that routes of router advertisements stay while forwarding"
		}
		d.add(s.Mark, when, verbWrite, s, text, sysctlName(s.Key), s.Value)
	}
}

func (d *differ) addresses(exact bool) {
	old := keyed(d.from.Addresses, Address.key)
	for _, a := range d.to.Addresses {
		before, ok := old[a.key()]
		ok = ok && !before.Absent
		switch {
		case a.Absent && ok:
			d.add(a.Mark, phaseRemoveAddress, verbRemove, before, "remove %v from %s", before, a.Link)
		case a.Absent || ok && before.same(a):
		case ok && before.Prefix == a.Prefix && before.Peer == a.Peer:
			text := "let %v on %s stay for good (it expires)"
			if a.Valid != Forever {
				text = "let %v on %s expire again"
			}
			d.add(a.Mark, phaseAddress, verbReplace, a, text, a, a.Link)
		case ok:
			d.add(a.Mark, phaseMakeRoom, verbRemove, before, "remove %v from %s, to make room for %v", before, a.Link, a)
			fallthrough
		default:
			d.add(a.Mark, phaseAddress, verbAdd, a, "add %v to %s", a, a.Link)
		}
	}
	if exact {
		d.reorder(old)
	}
}

// reorder takes the addresses of an IPv4 network that come too early and adds them
// again behind the others.
func (d *differ) reorder(old map[addressKey]Address) {
	wanted := make(map[subnet][]Address)
	for _, a := range d.to.Addresses {
		if !a.Absent && a.Prefix.Addr().Is4() {
			s := subnet{a.Link, a.Prefix.Masked()}
			wanted[s] = append(wanted[s], a)
		}
	}
	position := make(map[addressKey]int)
	for i, a := range d.from.Addresses {
		position[a.key()] = i
	}
	for _, a := range d.to.Addresses { // in the order of to, not of the map
		s := subnet{a.Link, a.Prefix.Masked()}
		list := wanted[s]
		delete(wanted, s)
		last, late := -1, false
		for _, w := range list {
			before, ok := old[w.key()]
			if ok && !before.Absent {
				late = late || position[w.key()] < last
				last = position[w.key()]
				if late {
					d.readd(w)
				}
				continue
			}
			late = true
			if i := slices.IndexFunc(d.list, func(s Step) bool { return s.verb == verbAdd && s.item == any(w) }); i >= 0 {
				d.list = slices.Delete(d.list, i, i+1)
			}
			d.add(w.Mark, phaseReorder, verbAdd, w, "add %v to %s", w, w.Link)
		}
	}
}

// readd removes an address and adds it again. A route of its own keeps it local in
// between: else a session through it would look for it on the wire, and stall.
func (d *differ) readd(a Address) {
	stay := Route{
		Type: "local", Destination: netip.PrefixFrom(a.Prefix.Addr(), 32), Table: tableLocal, Metric: 1, Protocol: protoStatic,
		Hops: []Hop{{Link: a.Link}},
	}
	d.add(a.Mark, phaseReorder, verbAdd, stay, "keep %v local", a.Prefix.Addr())
	d.add(a.Mark, phaseReorder, verbRemove, a, "remove %v from %s, to add it behind the others", a, a.Link)
	d.add(a.Mark, phaseReorder, verbAdd, a, "add %v to %s", a, a.Link)
	d.add(a.Mark, phaseReorder, verbRemove, stay, "keep %v local no longer", a.Prefix.Addr())
}

func (d *differ) routes() {
	pairs := pairRoutes(d.from.Routes, d.to.Routes)
	made := make(map[routeKey]bool)
	for i, r := range d.to.Routes {
		var before Route
		ok := pairs.was[i] >= 0
		if ok {
			before = d.from.Routes[pairs.was[i]]
		}
		when, gone := phaseNear, phaseRemoveNear
		if slices.ContainsFunc(r.Hops, func(h Hop) bool { return h.Via.IsValid() }) {
			when, gone = phaseFar, phaseRemoveFar
		}
		_, others := pairs.first[r.key()]
		switch {
		case r.Absent && ok:
			d.add(r.Mark, gone, verbRemove, before, "remove route %v", before)
		case r.Absent || ok && before.same(r):
		case ok && before.behind:
			d.add(r.Mark, when, verbRemove, before, "remove route %v", before)
			d.add(r.Mark, when, verbAppend, r, "add route %v", r)
		case ok:
			d.add(r.Mark, when, verbReplace, r, "change route %v (was %v)", r, before)
		case made[r.key()]:
			d.add(r.Mark, when, verbAppend, r, "add route %v", r)
		case others:
			d.add(r.Mark, when, verbPrepend, r, "add route %v", r)
		default:
			d.add(r.Mark, when, verbAdd, r, "add route %v", r)
		}
		made[r.key()] = made[r.key()] || !r.Absent
	}
}

func (d *differ) rules() {
	old := keyed(d.from.Rules, Rule.key)
	for _, r := range d.to.Rules {
		before, ok := old[r.key()]
		ok = ok && !before.Absent
		if r.Absent && ok {
			d.add(r.Mark, phaseRemoveRule, verbRemove, r, "remove rule %v", r)
		} else if !r.Absent && !ok {
			d.add(r.Mark, phaseRule, verbAdd, r, "add rule %v", r)
		}
	}
}
