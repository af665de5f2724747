package simulate

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"wirelab/firewall"
	"wirelab/internal/setting"
)

// A Failure is an expectation of the policy that its program does not keep.
type Failure struct {
	Place   setting.Place
	Text    string // the line of "expect:" or "protect:"
	Packet  string // the packet that showed it
	Wanted  firewall.VerdictKind
	Answer  *Answer
	Protect bool
}

// String says what was expected and what decided otherwise.
func (f Failure) String() string {
	kind := "expect"
	if f.Protect {
		kind = "protect"
	}
	text := fmt.Sprintf("%s %q does not hold: %s: %s, not %s", kind, f.Text, f.Packet, f.Answer, f.Wanted)
	if at := f.Place.String(); at != "" { // the session that nobody wrote down has none
		return at + ": " + text
	}
	return text
}

// Check asks the simulator all that the policy expects and protects, and returns
// what does not hold.
func (s *Simulator) Check(p *firewall.Policy) []Failure {
	var failures []Failure
	for i := range p.Expect {
		q := &p.Expect[i]
		if a := s.Ask(q); !a.Kept() {
			failures = append(failures, Failure{Place: q.Value.Place, Text: q.Value.Text, Packet: describe(q), Wanted: q.Expected, Answer: a})
		}
	}
	return append(failures, s.CheckProtected(p)...)
}

// CheckProtected returns what the policy protects and its program cuts off. It asks
// about the ends of every range of addresses that some rule tells apart, so that a rule
// that shadows a part of a net is found.
func (s *Simulator) CheckProtected(p *firewall.Policy) []Failure {
	var failures []Failure
	for i := range p.Protect {
		rule := &p.Protect[i]
		for _, q := range s.protected(rule) {
			if a := s.Ask(&q); a.Verdict != firewall.Accept {
				failures = append(failures, Failure{Place: rule.Value.Place, Text: rule.Value.Text, Packet: describe(&q), Wanted: firewall.Accept, Answer: a, Protect: true})
				break
			}
		}
	}
	return failures
}

// maxSamples bounds how many packets are asked about for one line of protect.
const maxSamples = 20000

// protected returns the packets that stand for a line of protect.
func (s *Simulator) protected(rule *firewall.Clause) []firewall.Question {
	var questions []firewall.Question
	names := rule.In.Names
	if len(names) == 0 {
		names = []string{""}
	}
	for _, service := range rule.Services {
		for _, port := range samplePorts(service) {
			for _, source := range s.sampleSources(rule.Sources, port) {
				for _, in := range names {
					q := firewall.Question{Protocol: service.Protocol, Source: source, SourcePort: 40000, DestinationPort: port, In: strings.TrimSuffix(in, "*")}
					if len(rule.Targets.Ranges) > 0 {
						q.Destination = rule.Targets.Ranges[0].First
					}
					if !complete(&q, service) || len(questions) >= maxSamples {
						continue
					}
					questions = append(questions, q)
				}
			}
		}
	}
	return questions
}

// complete fills in what the protocol needs, and reports whether such a packet exists.
func complete(q *firewall.Question, service firewall.Service) bool {
	if q.Source.IsValid() && q.Destination.IsValid() && q.Source.Is4() != q.Destination.Is4() {
		return false
	}
	switch q.Protocol {
	case protocolTCP:
		q.Flags = 2
	case protocolICMP, protocolICMPv6:
		q.Type, q.Code, q.SourcePort, q.DestinationPort = uint8(max(service.Type, 0)), uint8(max(service.Code, 0)), 0, 0
		return !q.Source.IsValid() || q.Source.Is6() == (q.Protocol == protocolICMPv6)
	}
	return true
}

func samplePorts(s firewall.Service) []uint16 {
	var ports []uint16
	for _, p := range s.Ports {
		ports = append(ports, p.First, p.Last)
	}
	if len(ports) == 0 {
		return []uint16{0}
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}

// sampleSources returns addresses of the ranges: their ends, and the first address
// and the one behind of every range of addresses that a rule about the port looks at.
func (s *Simulator) sampleSources(e firewall.Ends, port uint16) []netip.Addr {
	if len(e.Ranges) == 0 {
		return []netip.Addr{{}}
	}
	var samples []netip.Addr
	for _, r := range e.Ranges {
		samples = append(samples, r.First, r.Last)
	}
	add := func(a netip.Addr) {
		if slices.ContainsFunc(e.Ranges, func(r firewall.Range) bool { return r.Contains(a) }) {
			samples = append(samples, a)
		}
	}
	s.boundaries(port, func(r firewall.Range) {
		add(r.First)
		add(r.Last)
		if next := r.Last.Next(); next.IsValid() {
			add(next)
		}
	})
	slices.SortFunc(samples, netip.Addr.Compare)
	return slices.Compact(samples)
}

// boundaries calls use with each range of source addresses that a rule looks at which
// may be about the port; 0: any.
func (s *Simulator) boundaries(port uint16, use func(firewall.Range)) {
	for i := range s.rules {
		p := s.rules[i].program
		for j := range p.Chains {
			for k := range p.Chains[j].Rules {
				ruleBoundaries(p.Chains[j].Rules[k].Matches, port, use)
			}
		}
		for j := range p.Sets {
			setBoundaries(&p.Sets[j], port, use)
		}
	}
}

func ruleBoundaries(matches []firewall.Match, port uint16, use func(firewall.Range)) {
	for i := range matches {
		m := &matches[i]
		if m.Field == firewall.DestinationPort && m.Set == "" && !m.Not && port != 0 {
			if first, last := m.Bounds(); !holdsPort(first, last, port) {
				return
			}
		}
	}
	for i := range matches {
		m := &matches[i]
		if (m.Field == firewall.IPv4Source || m.Field == firewall.IPv6Source) && m.Set == "" && m.Unknown == "" {
			use(rangeOf(m.Bounds()))
		}
	}
}

func setBoundaries(set *firewall.Set, port uint16, use func(firewall.Range)) {
	address := slices.IndexFunc(set.Key, func(f firewall.FieldID) bool { return f.Info().Family != 0 })
	ports := slices.Index(set.Key, firewall.DestinationPort)
	if address < 0 {
		return
	}
	for i := range set.Elements {
		e := &set.Elements[i]
		first, last := firewall.SplitKey(set.Key, e.From), firewall.SplitKey(set.Key, e.Last())
		if ports < 0 || port == 0 || holdsPort(first[ports], last[ports], port) {
			use(rangeOf(first[address], last[address]))
		}
	}
}

func holdsPort(first, last []byte, port uint16) bool {
	f := firewall.DestinationPort
	return f.Number(first) <= uint32(port) && uint32(port) <= f.Number(last)
}

func rangeOf(first, last []byte) firewall.Range {
	a, _ := netip.AddrFromSlice(first)
	b, _ := netip.AddrFromSlice(last)
	return firewall.Range{First: a, Last: b}
}

// A Session is a connection that is there now, such as the SSH session that a change
// is made from, seen from this host.
type Session struct {
	Local, Remote netip.AddrPort
	In            string // the interface it comes in by; "": not known
}

// CheckSession returns how the program would cut the session, or nil: its next
// packet, or a new connection by the same way.
func (s *Simulator) CheckSession(session Session) *Failure {
	remote, local := session.Remote.Addr().Unmap().WithZone(""), session.Local.Addr().Unmap().WithZone("")
	for _, state := range []uint32{firewall.StateEstablished, firewall.StateNew} {
		q := firewall.Question{
			Protocol: protocolTCP, Source: remote, SourcePort: session.Remote.Port(), Destination: local, DestinationPort: session.Local.Port(),
			Flags: 16, In: session.In, State: state,
		}
		if state == firewall.StateNew {
			q.Flags = 2
		}
		if a := s.Ask(&q); a.Verdict != firewall.Accept {
			return &Failure{Text: "this SSH session", Packet: describe(&q), Wanted: firewall.Accept, Answer: a, Protect: true}
		}
	}
	return nil
}

// describe writes a question in the words that ask takes.
func describe(q *firewall.Question) string {
	if q.Value.Text != "" {
		return q.Value.Text
	}
	return q.String()
}
