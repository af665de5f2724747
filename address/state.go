package address

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"wirelab/internal/setting"
)

// A Mark says how an object of a State is meant.
type Mark struct {
	Absent bool          `json:"absent,omitempty"` // it is not there, or is to go
	Found  bool          `json:"found,omitempty"`  // nobody named it: it was there, and shall be afterwards
	Place  setting.Place `json:"-"`                // of the line that names it
}

// A State is links with what belongs to them. It is used in three ways: as the whole
// state that [Machine.Read] returns; as what a file asks for; and as a snapshot, the
// part of the state that a change is about. In the last two a zero field of a link
// is one that nobody asked about.
type State struct {
	Links     []Link    `json:"links,omitempty"`
	Addresses []Address `json:"addresses,omitempty"`
	Routes    []Route   `json:"routes,omitempty"`
	Rules     []Rule    `json:"rules,omitempty"`
	Sysctls   []Sysctl  `json:"sysctls,omitempty"`
	DNS       *DNS      `json:"dns,omitempty"`
}

// A Link is a network interface.
type Link struct {
	Mark
	Name   string  `json:"name"`
	Up     *bool   `json:"up,omitempty"`
	MTU    int     `json:"mtu,omitempty"`    // bytes
	MAC    string  `json:"mac,omitempty"`    // as aa:bb:cc:dd:ee:ff
	Bridge *string `json:"bridge,omitempty"` // whose port it is; "": of none

	// What it is created as, and cannot be changed. Kind is empty for hardware.
	Kind   string     `json:"kind,omitempty"`  // veth, bridge, vlan, vxlan, or another of ip-link(8)
	Peer   string     `json:"peer,omitempty"`  // of a veth in this namespace
	Lower  string     `json:"lower,omitempty"` // the link that a vlan or vxlan is on
	ID     int        `json:"id,omitempty"`    // VLAN ID, or VNI of a vxlan
	Remote netip.Addr `json:"remote,omitzero"` // of a vxlan: its only peer
	Local  netip.Addr `json:"local,omitzero"`  // of a vxlan
	Port   int        `json:"port,omitempty"`  // UDP port of a vxlan
	// Options of a bridge that was there, as the kernel has them, to make it again.
	Options []byte `json:"options,omitempty"`

	// What is only read.
	Index            int `json:"-"`
	Details          `json:"-"`
	MinMTU, MaxMTU   int  `json:"-"` // 0: not known
	Carrier, Foreign bool `json:"-"` // Foreign: a veth whose peer is in another namespace
}

// Details are figures that only a listing shows.
type Details struct {
	State                                       string // operstate of RFC 2863: up, down, lower layer down, …
	Speed                                       int    // Mbit/s; 0: not known
	RxBytes, RxPackets, RxErrors, RxDropped     uint64
	TxBytes, TxPackets, TxErrors, TxDropped     uint64
	Loopback, Promiscuous, Multicast, Broadcast bool
}

// Forever is the lifetime of an address that does not expire.
const Forever = 1<<32 - 1

// An Address is an address of a link.
type Address struct {
	Mark
	Link      string       `json:"link"`
	Prefix    netip.Prefix `json:"prefix"`        // not masked
	Peer      netip.Addr   `json:"peer,omitzero"` // of a point-to-point link
	Broadcast netip.Addr   `json:"broadcast,omitzero"`
	Scope     uint8        `json:"scope,omitempty"`  // RT_SCOPE: 0 global, 253 link, 254 host
	Flags     uint32       `json:"flags,omitempty"`  // IFA_F
	Label     string       `json:"label,omitempty"`  // of IPv4, if it is not the link's name
	Metric    uint32       `json:"metric,omitempty"` // of the route to its network; 0: what the kernel takes
	Valid     uint32       `json:"valid_s"`          // seconds, or Forever
	Preferred uint32       `json:"preferred_s"`
}

// A Route leads to a destination.
type Route struct {
	Mark
	Link        string       `json:"link,omitempty"` // the link in whose section it stands; of the first hop
	Type        string       `json:"type,omitempty"` // "" is unicast; blackhole, unreachable, prohibit
	Destination netip.Prefix `json:"destination"`    // masked
	Table       uint32       `json:"table"`
	Metric      uint32       `json:"metric,omitempty"`
	TOS         uint8        `json:"tos,omitempty"`
	Source      netip.Addr   `json:"source,omitzero"`
	MTU         int          `json:"mtu,omitempty"`
	Protocol    uint8        `json:"protocol,omitempty"` // RTPROT: who made it; 2 the kernel, 9 router advertisement
	Hops        []Hop        `json:"hops,omitempty"`
	Expires     uint32       `json:"expires_s,omitempty"`

	// Of a route with parts that this program cannot express, the kernel's own message,
	// without numbers that change: it can be put back, but not made.
	Opaque []byte `json:"opaque,omitempty"`
	// It goes by a next hop that is an object of its own, and is put back without.
	Object bool `json:"object,omitempty"`

	behind bool // another route with its key comes before it
}

// A Hop is where a route leads; several share the traffic by weight.
type Hop struct {
	Link   string     `json:"link"`
	Via    netip.Addr `json:"via,omitzero"` // zero: on the link itself
	OnLink bool       `json:"onlink,omitempty"`
	Weight int        `json:"weight,omitempty"` // 0 is 1
}

// A Rule selects a table of routes.
type Rule struct {
	Mark
	IPv6     bool         `json:"ipv6,omitempty"`
	Priority uint32       `json:"priority"`
	From     netip.Prefix `json:"from,omitzero"`
	To       netip.Prefix `json:"to,omitzero"`
	In       string       `json:"in,omitempty"` // the interface that a packet came in by
	FWMark   uint32       `json:"fwmark,omitempty"`
	Mask     uint32       `json:"fwmask,omitempty"`
	Table    uint32       `json:"table"`

	Opaque bool `json:"-"`
}

// A Sysctl is a file below /proc/sys.
type Sysctl struct {
	Mark
	Key   string `json:"key"` // such as "net/ipv4/ip_forward"
	Value string `json:"value"`
}

// DNS is what a plain resolv.conf says.
type DNS struct {
	Mark
	Servers []netip.Addr `json:"servers"`
	Search  []string     `json:"search,omitempty"`
	Text    string       `json:"text,omitempty"` // the whole file, of what was read

	manager string // another program that writes it
}

const (
	tableMain     = 254
	tableLocal    = 255
	tableDefault  = 253
	protoKernel   = 2
	protoBoot     = 3
	protoStatic   = 4
	protoRA       = 9
	metricIPv6    = 1024 // what the kernel takes for an IPv6 route without a metric
	minIPv6MTU    = 1280
	scopeLink     = 253
	scopeHost     = 254
	flagSecondary = 0x01 // of IPv4; IPv6: a temporary address
	flagNoDAD     = 0x02
	flagPermanent = 0x80
	flagTentative = 0x40
	flagNoRoute   = 0x200 // IFA_F_NOPREFIXROUTE
)

// Keys tell objects of one kind apart, as the kernel does.

type addressKey struct {
	link   string
	prefix netip.Prefix
	peer   netip.Addr
}

func (a Address) key() addressKey {
	if a.Prefix.Addr().Is6() {
		return addressKey{link: a.Link, prefix: netip.PrefixFrom(a.Prefix.Addr(), 128)}
	}
	return addressKey{a.Link, a.Prefix, a.Peer}
}

type routeKey struct {
	destination   netip.Prefix
	table, metric uint32
	tos           uint8
}

func (r Route) key() routeKey { return routeKey{r.Destination, r.Table, r.Metric, r.TOS} }

func (r Rule) key() Rule {
	r.Mark = Mark{}
	return r
}

// sameWords reports whether two rules are equal but for what this program cannot express.
func (r Rule) sameWords(o Rule) bool {
	r.Opaque, o.Opaque = false, false
	return r.key() == o.key()
}

func (s Sysctl) key() string { return s.Key }

// sysctlName returns a key as sysctl(8) takes it, where a dot in the name of a link is a slash.
func sysctlName(key string) string {
	return strings.NewReplacer("/", ".", ".", "/").Replace(key)
}

// link returns the link that a setting is of, "" if it is of all.
func (s Sysctl) link() string {
	if parts := strings.Split(s.Key, "/"); parts[2] == "conf" && parts[3] != "all" {
		return parts[3]
	}
	return ""
}

// same reports whether two routes with one key do the same.
func (r Route) same(o Route) bool {
	if len(r.Hops) == 1 && len(o.Hops) == 1 {
		return r.does(o) && r.Hops[0].Link == o.Hops[0].Link && r.Hops[0].Via == o.Hops[0].Via && r.Hops[0].OnLink == o.Hops[0].OnLink
	}
	return r.does(o) && slices.Equal(normal(r.Hops), normal(o.Hops))
}

// does is same without the hops.
func (r Route) does(o Route) bool {
	return r.Type == o.Type && r.Source == o.Source && r.MTU == o.MTU && bytes.Equal(r.Opaque, o.Opaque)
}

// normal returns hops in an order, with weights as the kernel has them.
func normal(hops []Hop) []Hop {
	hops = slices.Clone(hops)
	for i := range hops {
		hops[i].Weight = max(hops[i].Weight, 1)
	}
	slices.SortFunc(hops, func(a, b Hop) int {
		return strings.Compare(a.Link+a.Via.String(), b.Link+b.Via.String())
	})
	return hops
}

// same reports whether two addresses with one key are equal but for what the kernel
// says of their age. One that expires is not one that stays.
func (a Address) same(o Address) bool {
	return a.Prefix == o.Prefix && a.Peer == o.Peer && (a.Valid == Forever) == (o.Valid == Forever)
}

func (a Address) String() string {
	text := a.Prefix.String()
	if a.Peer.IsValid() {
		text = fmt.Sprintf("%v peer %v/%d", a.Prefix.Addr(), a.Peer, a.Prefix.Bits())
	}
	return text
}

// String returns the route as ip-route(8) writes it.
func (r Route) String() string {
	var b strings.Builder
	if r.Type != "" {
		b.WriteString(r.Type + " ")
	}
	b.WriteString(destination(r.Destination))
	for _, h := range r.Hops {
		if len(r.Hops) > 1 {
			fmt.Fprintf(&b, " nexthop")
		}
		if h.Via.IsValid() {
			fmt.Fprintf(&b, " via %v", h.Via)
		}
		if h.Link != "" {
			fmt.Fprintf(&b, " dev %s", h.Link)
		}
		if h.Weight > 1 {
			fmt.Fprintf(&b, " weight %d", h.Weight)
		}
		if h.OnLink {
			b.WriteString(" onlink")
		}
	}
	if r.Table != tableMain {
		fmt.Fprintf(&b, " table %s", tableName(r.Table))
	}
	if r.Source.IsValid() {
		fmt.Fprintf(&b, " src %v", r.Source)
	}
	if r.Metric != 0 && (r.Destination.Addr().Is4() || r.Metric != metricIPv6) {
		fmt.Fprintf(&b, " metric %d", r.Metric)
	}
	if r.MTU != 0 {
		fmt.Fprintf(&b, " mtu %d", r.MTU)
	}
	return b.String()
}

func destination(p netip.Prefix) string {
	if p.Bits() != 0 {
		return p.String()
	}
	if p.Addr().Is6() {
		return "default (IPv6)"
	}
	return "default"
}

func tableName(t uint32) string {
	switch t {
	case tableMain:
		return "main"
	case tableLocal:
		return "local"
	case tableDefault:
		return "default"
	}
	return strconv.FormatUint(uint64(t), 10)
}

// String returns the rule as ip-rule(8) writes it.
func (r Rule) String() string {
	var words []string
	if r.From.IsValid() {
		words = append(words, "from "+r.From.String())
	}
	if r.To.IsValid() {
		words = append(words, "to "+r.To.String())
	}
	if r.In != "" {
		words = append(words, "on "+r.In)
	}
	if r.FWMark != 0 || r.Mask != 0 {
		words = append(words, fmt.Sprintf("mark %#x", r.FWMark))
		if r.Mask != 1<<32-1 {
			words = append(words, fmt.Sprintf("mask %#x", r.Mask))
		}
	}
	words = append(words, "table "+tableName(r.Table), fmt.Sprintf("priority %d", r.Priority))
	if r.IPv6 {
		words = append(words, "(IPv6)")
	}
	return strings.Join(words, " ")
}

// link returns the link of that name, nil if there is none.
func (s *State) link(name string) *Link {
	for i := range s.Links {
		if s.Links[i].Name == name {
			return &s.Links[i]
		}
	}
	return nil
}

// Who made a route (RTPROT), as far as a listing says so.
const (
	ProtocolKernel              = protoKernel
	ProtocolRouterAdvertisement = protoRA
	ProtocolDHCP                = 16
)

// ScopeName returns how far an address is known: global, link, host, or a number.
func (a Address) ScopeName() string {
	switch a.Scope {
	case 0:
		return "global"
	case 200:
		return "site"
	case scopeLink:
		return "link"
	case scopeHost:
		return "host"
	}
	return strconv.Itoa(int(a.Scope))
}

// StateName returns what is special about an address, mostly nothing.
func (a Address) StateName() string {
	const deprecated, failed = 0x20, 0x08
	switch {
	case a.Flags&failed != 0:
		return "duplicate"
	case a.Flags&flagTentative != 0:
		return "tentative"
	case a.Flags&deprecated != 0:
		return "deprecated"
	case a.Flags&flagSecondary != 0 && a.Prefix.Addr().Is4():
		return "secondary"
	case a.Flags&flagSecondary != 0:
		return "temporary"
	}
	return ""
}
