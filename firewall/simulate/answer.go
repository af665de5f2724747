package simulate

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"wirelab/firewall"
)

// An Answer is what becomes of a packet, and why.
type Answer struct {
	Question *firewall.Question
	Verdict  firewall.VerdictKind // Accept, Drop or Reject
	Reply    string               // what a Reject answers: "icmp 3", "tcp reset"
	// Silent says why a rule that rejects answers nothing; Verdict is then Drop, for
	// that is what the sender sees.
	Silent string
	By     Step          // what decided
	Hook   firewall.Hook // where it decided
	Path   firewall.Hook // Input, Forward or Output; NoHook: it came to none of them
	State  uint32        // of the connection, a State bit
	Steps  []Step        // the rules that matched, in their order
	Near   []Near        // earlier rules that nearly matched, at most five

	Destination netip.AddrPort // after NAT; invalid: unchanged
	Source      netip.Addr     // after NAT; invalid: unchanged
	Notes       []string
	// Uncertain is why the kernel may decide otherwise; empty: it does not.
	Uncertain []string

	with firewall.Answer
}

// A Step is a rule, or with a nil Rule the policy of a chain.
type Step struct {
	Table   string
	Chain   *firewall.Chain
	Rule    *firewall.Rule
	Element *firewall.Element // of the rule's verdict map
}

// Text returns the rule as it was written.
func (s Step) Text() string {
	switch {
	case s.Chain == nil:
		return "no chain that looks at it"
	case s.Rule == nil:
		return fmt.Sprintf("policy %s of %s", s.Chain.Policy, s.Chain.Name)
	case s.Element != nil && s.Element.Text != "":
		return s.Element.Text
	}
	return s.Rule.Text
}

// Where returns the place of the rule: "wirelab.yaml:12:7", or its chain.
func (s Step) Where() string {
	at := ""
	switch {
	case s.Element != nil:
		at = s.Element.Place.String()
	case s.Rule != nil:
		at = s.Rule.Place.String()
	}
	if at == "" && s.Chain != nil {
		return "chain " + s.Chain.Name
	}
	return at
}

func (r *run) step(c *firewall.Chain, rule *firewall.Rule, e *firewall.Element) Step {
	return Step{Table: r.table.program.Table, Chain: c, Rule: rule, Element: e}
}

// A Near is a rule that would have matched but for one field.
type Near struct {
	Step  Step
	Field firewall.FieldID
	Found string // what the packet has there
	Kind  firewall.VerdictKind
}

// maxNear bounds the near misses that are kept to choose from.
const maxNear = 64

func (r *run) nearly(c *firewall.Chain, rule *firewall.Rule, m *firewall.Match) {
	if len(r.answer.Near) < maxNear && r.main && !rule.Implicit {
		v, _ := r.load(m.Field)
		r.answer.Near = append(r.answer.Near, Near{Step: r.step(c, rule, nil), Field: m.Field, Found: m.Field.Format(v), Kind: rule.Verdict.Kind})
	}
	if m.Field == firewall.OutInterface && !r.packet.hasOut && r.hook != firewall.Input {
		r.answer.uncertain(r.step(c, rule, nil), "it depends on the interface that the packet leaves by; say \"out NAME\"")
	}
}

// nearlyInMap notes elements of a map that would have matched but for one field.
func (r *run) nearlyInMap(c *firewall.Chain, rule *firewall.Rule, s *firewall.Set, key []byte) {
	if !r.main {
		return
	}
	for i := range s.Elements {
		e := &s.Elements[i]
		missed, f := r.misses(s, e, key, 1)
		if missed != 1 {
			continue
		}
		if len(r.answer.Near) >= maxNear {
			return
		}
		v, _ := r.load(f)
		r.answer.Near = append(r.answer.Near, Near{Step: r.step(c, rule, e), Field: f, Found: f.Format(v), Kind: e.Verdict.Kind})
	}
}

func (a *Answer) uncertain(at Step, why string) {
	text := fmt.Sprintf("%s (%s): %s", at.Text(), at.Where(), why)
	if len(a.Uncertain) < 10 && !slices.Contains(a.Uncertain, text) {
		a.Uncertain = append(a.Uncertain, text)
	}
}

func (a *Answer) note(at Step, text string) {
	text = fmt.Sprintf("%s (%s): %s", at.Text(), at.Where(), text)
	if len(a.Notes) < 10 && !slices.Contains(a.Notes, text) {
		a.Notes = append(a.Notes, text)
	}
}

// finish draws the conclusion.
func (r *run) finish(kind firewall.VerdictKind) {
	a := r.answer
	a.Verdict = kind
	if kind == firewall.Reject {
		a.Reply, a.Silent = r.reply(a.with)
		if a.Silent != "" {
			a.Verdict = firewall.Drop
		}
	}
	// Rules that would have decided otherwise come first: they are what was expected.
	slices.SortStableFunc(a.Near, func(x, y Near) int { return order(x.Kind, kind) - order(y.Kind, kind) })
	a.Near = a.Near[:min(len(a.Near), 5)]
}

func order(kind, decided firewall.VerdictKind) int {
	if kind == decided || kind == firewall.Continue {
		return 1
	}
	return 0
}

// reply returns what the kernel answers for a reject, or why it answers nothing
// (icmp_send, icmp6_send, nf_send_reset).
func (r *run) reply(a firewall.Answer) (reply, silent string) {
	p := r.packet
	kind, flags := p.transport[0], p.transport[13]
	switch {
	case a.Type == firewall.ResetAnswer && flags&4 != 0:
		return "", "a reset is not answered by a reset"
	case p.types[1] == firewall.AddressBroadcast || p.types[1] == firewall.AddressMulticast || p.cast != 0 && a.Type != firewall.ResetAnswer:
		return "", "a broadcast or multicast is not answered"
	case a.Type == firewall.ResetAnswer:
		return "tcp reset", ""
	case p.protocol == protocolICMP && !p.v6 && (kind == 3 || kind == 4 || kind == 5 || kind == 11 || kind == 12 || kind > 18):
		return "", "an ICMP error is not answered by another"
	case p.protocol == protocolICMPv6 && p.v6 && kind < 128:
		return "", "an ICMPv6 error is not answered by another"
	}
	code := a.Code
	if a.Type == firewall.ICMPXAnswer {
		v4, v6 := [...]uint8{0, 3, 1, 13}, [...]uint8{0, 4, 3, 1}
		if code = v4[a.Code&3]; p.v6 {
			code = v6[a.Code&3]
		}
	}
	if p.v6 {
		return fmt.Sprintf("icmpv6 %d", code), ""
	}
	return fmt.Sprintf("icmp %d", code), ""
}

// Kept reports whether the answer is what the question expects, if it does. A rule
// that rejects in silence may be expected either way.
func (a *Answer) Kept() bool {
	q := a.Question
	switch {
	case q.Expected == firewall.Continue:
		return true
	case a.Silent != "" && q.Expected == firewall.Reject:
		return q.Reply == ""
	}
	return a.Verdict == q.Expected && (q.Reply == "" || q.Reply == a.Reply)
}

// String returns the answer in one line.
func (a *Answer) String() string {
	var b strings.Builder
	b.WriteString(a.Verdict.String())
	if a.Reply != "" {
		fmt.Fprintf(&b, " (%s)", a.Reply)
	}
	fmt.Fprintf(&b, " by %q at %s", a.By.Text(), a.By.Where())
	if a.Silent != "" {
		fmt.Fprintf(&b, "; it rejects, but %s", a.Silent)
	}
	if len(a.Uncertain) > 0 {
		b.WriteString("; may differ")
	}
	return b.String()
}
