package firewall

import (
	"slices"

	"wirelab/internal/setting"
)

// A Clause is a rule of a policy as it was written: one line, read into words.
type Clause struct {
	Value   setting.Value // its text and place
	Verdict Verdict
	NAT     *NAT // of a rule under nat
	Forward bool // "forward": a port forwarding, which the forward chain lets through

	Services []Service
	Sources  Ends
	Targets  Ends
	In, Out  Interfaces
	Ports    Ports // source ports
	Origin   Ports // the destination port before NAT
	State    Bits
	Status   Bits
	Flags    Flags
	Mark     Mark
	ConnMark Mark
	Casts    Bits // the kinds of packet: one of the Cast bits
	Family   Family
	Limit    *Limit
	PerHost  bool // the limit is for each source
	Log      *Log
	Count    bool
	ClampMSS bool

	on bool // In was written as "on", which is Out where packets leave
}

// Ends are the addresses of one end of a packet.
type Ends struct {
	Not    bool
	Ranges []Range
	Nets   []string // the names the ranges come from, where each is one
	Type   uint32   // instead: a type of address, AddressLocal, …
}

func (e Ends) empty() bool { return len(e.Ranges) == 0 && e.Type == 0 }

// of returns the ranges of a family.
func (e Ends) of(f Family) []Range {
	var of []Range
	for _, r := range e.Ranges {
		if r.Family() == f {
			of = append(of, r)
		}
	}
	return of
}

// Interfaces are names of interfaces; a "*" at the end stands for any more letters.
type Interfaces struct {
	Not   bool
	Names []string
}

// Ports are ports that a rule matches.
type Ports struct {
	Not    bool
	Ranges []PortRange
}

// Bits are states of which one must be set.
type Bits struct {
	Not  bool
	Bits uint32
}

// Flags test flags of TCP: of those in Mask just Value are set, or with Any one of them.
type Flags struct {
	Not, Any, Set bool
	Mask, Value   uint8
}

// Mark tests a mark.
type Mark struct {
	Not, Set    bool
	Mask, Value uint32
}

// verbs are the words that a rule may begin with.
var verbs = map[string]VerdictKind{
	"accept": Accept, "drop": Drop, "reject": Reject, "continue": Continue, "jump": Jump, "goto": Goto, "return": Return,
	"allow": Accept, "deny": Drop,
}

var natVerbs = map[string]NATKind{
	"dnat": DestinationNAT, "forward": DestinationNAT, "snat": SourceNAT, "masquerade": Masquerade, "redirect": Redirect,
}

// A dictionary is what names stand for in the rules of one policy.
type dictionary struct {
	nets     map[string][]Range
	services map[string][]Service
	netNames []string
	names    []string // of all services
}

// A ruleReader reads one rule.
type ruleReader struct {
	*reader
	names *dictionary
	rule  Clause
}

// parseRule reads a rule of a chain; with nat one that may change addresses.
func parseRule(v setting.Value, names *dictionary, nat bool) (Clause, *setting.Error) {
	r := &ruleReader{reader: newReader(v), names: names, rule: Clause{Value: v}}
	r.verb(nat)
	for r.more() {
		r.part(r.take("a part of the rule"))
	}
	if r.err == nil {
		r.consistent()
	}
	return r.rule, r.err
}

func (r *ruleReader) verb(nat bool) {
	expected := "accept, drop, reject, continue, jump, goto or return"
	if nat {
		expected += ", masquerade, snat, dnat, forward or redirect"
	}
	w := r.take(expected)
	if r.err != nil {
		return
	}
	kind, isVerdict := verbs[w.text]
	change, isNAT := natVerbs[w.text]
	switch {
	case isNAT && nat:
		r.rule.NAT = &NAT{Kind: change}
		r.rule.Forward = w.text == "forward"
	case isNAT:
		r.fail(w, "%s belongs under \"nat:\"", w.text)
	case isVerdict:
		r.rule.Verdict.Kind = kind
		if kind == Jump || kind == Goto {
			r.rule.Verdict.Chain = r.take("the name of a chain").text
		}
		if kind == Reject {
			r.rule.Verdict.Answer = Answer{Type: ICMPXAnswer, Code: ICMPXPortUnreachable}
		}
	default:
		known := []string{"accept", "drop", "reject", "continue", "jump", "goto", "return"}
		if nat {
			known = append(known, "masquerade", "snat", "dnat", "forward", "redirect")
		}
		r.unknown(w, expected, known)
	}
}

// parts are the words that begin a part of a rule.
var parts = map[string]func(*ruleReader, word){
	"from":      func(r *ruleReader, w word) { r.ends(w, &r.rule.Sources) },
	"to":        func(r *ruleReader, w word) { r.ends(w, &r.rule.Targets) },
	"on":        func(r *ruleReader, w word) { r.interfaces(w, &r.rule.In); r.rule.on = true },
	"in":        func(r *ruleReader, w word) { r.interfaces(w, &r.rule.In) },
	"out":       func(r *ruleReader, w word) { r.interfaces(w, &r.rule.Out) },
	"sport":     func(r *ruleReader, w word) { r.ports(w, &r.rule.Ports) },
	"orig-port": func(r *ruleReader, w word) { r.ports(w, &r.rule.Origin) },
	"state":     func(r *ruleReader, w word) { r.bits(w, &r.rule.State, stateNames) },
	"status":    func(r *ruleReader, w word) { r.bits(w, &r.rule.Status, statusNames) },
	"cast":      func(r *ruleReader, w word) { r.bits(w, &r.rule.Casts, castNames) },
	"mark":      func(r *ruleReader, w word) { r.mark(w, &r.rule.Mark) },
	"conn-mark": func(r *ruleReader, w word) { r.mark(w, &r.rule.ConnMark) },
	"flags":     (*ruleReader).flags,
	"limit":     (*ruleReader).limit,
	"log":       (*ruleReader).log,
	"with":      (*ruleReader).answer,
	"->":        (*ruleReader).target,
	"comment":   func(r *ruleReader, w word) { r.take("a comment in quotes") },
	"count":     func(r *ruleReader, w word) { r.rule.Count = true },
	"clamp-mss": func(r *ruleReader, w word) { r.rule.ClampMSS = true },
	"ipv4":      func(r *ruleReader, w word) { r.family(w, IPv4) },
	"ipv6":      func(r *ruleReader, w word) { r.family(w, IPv6) },
	"random":    func(r *ruleReader, w word) { r.natFlag(w, false) },
	"persistent": func(r *ruleReader, w word) {
		r.natFlag(w, true)
	},
}

// partWords are the words of parts, for messages.
var partWords = []string{
	"from", "to", "on", "in", "out", "sport", "orig-port", "state", "status", "cast", "mark", "conn-mark", "flags",
	"limit", "log", "with", "->", "comment", "count", "clamp-mss", "ipv4", "ipv6", "random", "persistent",
}

// part reads a part of the rule that begins with w: a keyword, or services.
func (r *ruleReader) part(w word) {
	if slices.Contains(partWords, w.text) && !w.quoted {
		partOf(w.text)(r, w)
		return
	}
	if len(r.rule.Services) > 0 && w.text == "," {
		r.fail(w, "expected a part of the rule, not a comma")
		return
	}
	if not := w.text == "!" || w.text == "not"; not {
		r.notProtocol()
		return
	}
	r.service(w)
	for r.accept(",") {
		r.service(r.take("a service, such as ssh or tcp/80"))
	}
}

// consistent refuses parts that do not go together.
func (r *ruleReader) consistent() {
	first := r.words[0]
	rule := &r.rule
	switch {
	case len(rule.Ports.Ranges) > 0 && !r.every(HasPorts):
		r.fail(first, "\"sport\" needs a protocol with ports, such as tcp or udp/53")
	case len(rule.Origin.Ranges) > 0 && !r.every(HasPorts):
		r.fail(first, "\"orig-port\" needs a protocol with ports, such as tcp")
	case rule.Flags.Set && !r.every(isTCP), rule.ClampMSS && !r.every(isTCP):
		r.fail(first, "flags and clamp-mss need tcp")
	case rule.Verdict.Kind == Reject && rule.Verdict.Answer.Type == ResetAnswer && !r.every(isTCP):
		r.fail(first, "a tcp-reset answers tcp alone")
	case rule.PerHost && rule.Limit == nil:
		r.fail(first, "\"per source\" belongs to a limit")
	case rule.NAT != nil:
		r.consistentNAT(first)
	}
}

func (r *ruleReader) consistentNAT(first word) {
	nat := r.rule.NAT
	switch {
	case nat.From == nil && nat.MinPort == 0 && (nat.Kind == DestinationNAT || nat.Kind == SourceNAT):
		r.fail(first, "expected where to, such as \"-> 192.168.1.1:80\"")
	case nat.Kind == Redirect && (nat.From != nil || nat.MinPort == 0):
		r.fail(first, "redirect goes to a port of this host, such as \"-> :8080\"")
	case nat.Kind == Masquerade && nat.From != nil:
		r.fail(first, "masquerade takes the address of the interface; snat takes one")
	case nat.MinPort != 0 && !r.every(HasPorts):
		r.fail(first, "a port to go to needs a protocol with ports, such as tcp/80")
	}
}

func isTCP(protocol uint8) bool { return protocol == protocolTCP }

// every reports whether the rule names protocols, and only such.
func (r *ruleReader) every(is func(uint8) bool) bool {
	return len(r.rule.Services) > 0 && !slices.ContainsFunc(r.rule.Services, func(s Service) bool {
		return s.NotProto || !is(s.Protocol)
	})
}
