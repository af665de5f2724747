package trial

import (
	"net/netip"
	"slices"
	"sync"

	"wirelab/firewall"
	"wirelab/firewall/simulate"
)

// A Tried is a question that was put to a kernel, and to the simulator.
type Tried struct {
	Question *firewall.Question
	NotTried string // why no packet was sent, for what cannot be made here; else empty
	Answer   *simulate.Answer
	Outcome  Outcome
}

// Verdict returns what the kernel did: Accept, Drop, or Reject where it answered.
func (t *Tried) Verdict() firewall.VerdictKind {
	switch {
	case t.Outcome.Accepted:
		return firewall.Accept
	case t.Outcome.Reply != "":
		return firewall.Reject
	}
	return firewall.Drop
}

// Agrees reports whether the kernel did what the simulator said.
func (t *Tried) Agrees() bool {
	return t.NotTried != "" || t.Verdict() == t.Answer.Verdict && t.Outcome.Reply == t.Answer.Reply
}

// Kept reports whether the kernel did what the question expects, if it expects
// anything.
func (t *Tried) Kept() bool {
	expected := t.Question.Expected
	return t.NotTried != "" || expected == firewall.Continue || expected == t.Verdict() ||
		expected == firewall.Reject && t.Answer.Silent != "" && t.Verdict() == firewall.Drop
}

// Ask puts the questions to the kernel: for each it makes a host with the
// interfaces and addresses that the question is about, on top of what is known, loads the
// program there, and sends the packet.
func Ask(known simulate.Host, p *firewall.Program, questions []firewall.Question) ([]Tried, error) {
	tried := make([]Tried, len(questions))
	failed := make([]error, len(questions))
	var asking sync.WaitGroup
	places := make(chan struct{}, 4)
	for i := range questions {
		places <- struct{}{}
		asking.Go(func() {
			defer func() { <-places }()
			tried[i], failed[i] = ask(known, p, &questions[i])
		})
	}
	asking.Wait()
	for _, err := range failed {
		if err != nil {
			return nil, err // the others fail alike
		}
	}
	return tried, nil
}

func ask(known simulate.Host, p *firewall.Program, q *firewall.Question) (Tried, error) {
	t := Tried{Question: q, NotTried: impossible(q)}
	if t.NotTried != "" {
		return t, nil
	}
	host, full := situation(known, q)
	t.Answer = simulate.New(host, p).Ask(&full)
	var interfaces []Interface
	for _, i := range host.Interfaces {
		interfaces = append(interfaces, Interface{i.Name, i.Prefixes})
	}
	var routes []Route
	for _, r := range host.Routes {
		routes = append(routes, Route{r.To, r.Out})
	}
	h, err := New(interfaces, routes)
	if err != nil {
		return t, err
	}
	defer h.Close()
	if err := h.Load(p); err != nil {
		return t, err
	}
	outcomes, err := h.Try([]Packet{packetOf(&full)})
	if err == nil {
		t.Outcome = outcomes[0]
	}
	return t, err
}

// impossible says what of a question no packet from outside can be, "" if there is nothing.
func impossible(q *firewall.Question) string {
	several := q.Destination.IsMulticast() && q.Destination != allHosts && q.Destination != allNodes
	switch {
	case q.State != 0 && q.State != firewall.StateNew:
		return "it is about a connection that is there already"
	case q.Status != 0 || q.Mark != 0:
		return "it is about a mark or the status of a connection"
	case q.In == "lo" || q.Out == "lo":
		return "it is about the loopback interface"
	case several:
		return "the host has not joined the group"
	case q.Source.IsValid() && (q.Source.IsLoopback() || q.Source.IsMulticast() || q.Source.IsUnspecified()):
		return "the kernel takes no packet from such an address"
	case q.Destination.IsValid() && q.Destination.IsLoopback():
		return "such an address is never on the wire"
	}
	return ""
}

var (
	allHosts   = netip.MustParseAddr("224.0.0.1")
	allNodes   = netip.MustParseAddr("ff02::1")
	stranger4  = netip.MustParseAddr("203.0.113.1")
	stranger6  = netip.MustParseAddr("2001:db8:ffff:ff00::1")
	self4      = netip.MustParseAddr("192.0.2.254")
	self6      = netip.MustParseAddr("2001:db8::fe")
	everything = netip.MustParsePrefix("0.0.0.0/0")
	everysix   = netip.MustParsePrefix("::/0")
)

// Names of the interfaces of a host of which none are known.
const (
	someIn  = "trial0"
	someOut = "trial1"
)

// situation returns the host that a question is about, with what it leaves open
// filled in, and the question with all said.
func situation(known simulate.Host, q *firewall.Question) (simulate.Host, firewall.Question) {
	host := simulate.Host{Interfaces: slices.Clone(known.Interfaces), Routes: slices.Clone(known.Routes)}
	full := *q
	stranger, self := stranger4, self4
	if q.IPv6() {
		stranger, self = stranger6, self6
	}
	outgoing := q.In == "" && (q.Outgoing || q.Out != "")
	switch {
	case outgoing:
		full.Outgoing = true
		full.Source = local(&host, &full.Source, self, or(q.Out, someOut))
		full.Destination = valid(full.Destination, stranger)
	case q.Out != "":
		full.In = or(q.In, someIn)
		full.Source, full.Destination = valid(full.Source, stranger), valid(full.Destination, stranger.Next())
	default:
		full.In = or(q.In, someIn)
		full.Source = valid(full.Source, stranger)
		if !q.Destination.IsValid() || len(known.Interfaces) == 0 && !isSeveral(q.Destination) {
			full.Destination = local(&host, &full.Destination, self, full.In)
		}
	}
	for _, name := range []string{full.In, full.Out} {
		addTo(&host, name, netip.Prefix{})
	}
	if q.Out != "" {
		host.Routes = append(host.Routes, simulate.Route{To: netip.PrefixFrom(full.Destination, full.Destination.BitLen()), Out: q.Out})
	}
	if len(known.Interfaces) == 0 {
		addTo(&host, someOut, netip.Prefix{})
		host.Routes = append(host.Routes, simulate.Route{To: everything, Out: someOut}, simulate.Route{To: everysix, Out: someOut})
	}
	return host, full
}

func isSeveral(a netip.Addr) bool {
	return a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func valid(a, b netip.Addr) netip.Addr {
	if a.IsValid() {
		return a
	}
	return b
}

// local returns an address of the host: the one that was said, which becomes one, or
// one that it has.
func local(host *simulate.Host, said *netip.Addr, self netip.Addr, name string) netip.Addr {
	if !said.IsValid() {
		for _, i := range host.Interfaces {
			for _, p := range i.Prefixes {
				if i.Name == name && p.Addr().Is6() == self.Is6() {
					return p.Addr()
				}
			}
		}
	}
	own := valid(*said, self)
	addTo(host, name, netip.PrefixFrom(own, own.BitLen()))
	return own
}

// addTo gives the host an interface, and an address unless it is on one.
func addTo(host *simulate.Host, name string, p netip.Prefix) {
	if name == "" {
		return
	}
	has := func(i simulate.Interface) bool {
		return slices.ContainsFunc(i.Prefixes, func(own netip.Prefix) bool { return own.Addr() == p.Addr() })
	}
	at := slices.IndexFunc(host.Interfaces, func(i simulate.Interface) bool { return i.Name == name })
	if at < 0 {
		at = len(host.Interfaces)
		host.Interfaces = append(host.Interfaces, simulate.Interface{Name: name})
	}
	if p.IsValid() && !slices.ContainsFunc(host.Interfaces, has) {
		host.Interfaces[at].Prefixes = append(slices.Clip(host.Interfaces[at].Prefixes), p)
	}
}

// packetOf returns the packet that a question with all said is about.
func packetOf(q *firewall.Question) Packet {
	return Packet{
		Protocol: q.Protocol, Source: q.Source, Destination: q.Destination, SourcePort: q.SourcePort, DestinationPort: q.DestinationPort,
		Type: q.Type, Code: q.Code, Flags: q.Flags, In: q.In,
	}
}
