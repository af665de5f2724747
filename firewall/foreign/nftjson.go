package foreign

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"wirelab/firewall"
	"wirelab/internal/setting"
)

// An nftReader reads what "nft -j list ruleset" prints.
type nftReader struct {
	file     string
	programs map[string]*firewall.Program // by "family table"
	order    []string
	result   Result
	texts    map[string]string // of rules, by "family table handle", where they are known
	lines    map[string]int    // of the file, by the rule's text without spaces
}

// nftObject is one object of the list.
type nftObject struct {
	Table *nftTable
	Chain *nftChain
	Rule  *nftRule
	Set   *nftSet
	Map   *nftSet
}

type nftTable struct{ Family, Name string }

type nftChain struct {
	Family, Table, Name, Type, Hook, Policy string
	Priority                                int32 `json:"prio"`
}

type nftRule struct {
	Family, Table, Chain string
	Handle               int
	Expr                 []map[string]json.RawMessage
}

type nftSet struct {
	Family, Table, Name string
	Type                json.RawMessage
	Map                 json.RawMessage
	Elem                []json.RawMessage
	Flags               json.RawMessage // a list, or since nft 1.1 a lone word
}

// NFTJSON reads what "nft -j list ruleset" prints.
func NFTJSON(name string, text []byte) (Result, error) {
	return readNFT(name, text, nil, nil)
}

func readNFT(name string, text []byte, texts map[string]string, lines map[string]int) (Result, error) {
	var list struct {
		Objects []nftObject `json:"nftables"`
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return Result{}, fmt.Errorf("%s: not what \"nft -j list ruleset\" prints: %w", name, err)
	}
	if len(list.Objects) > maxLines {
		return Result{}, fmt.Errorf("%s: more than %d objects; is it the right file?", name, maxLines)
	}
	r := &nftReader{file: name, programs: map[string]*firewall.Program{}, texts: texts, lines: lines}
	for _, o := range list.Objects {
		r.declare(&o)
	}
	for _, o := range list.Objects {
		if o.Rule != nil {
			r.rule(o.Rule)
		}
	}
	for _, key := range r.order {
		r.result.Programs = append(r.result.Programs, r.programs[key])
	}
	return r.result, nil
}

var nftFamilies = map[string]firewall.Family{"ip": firewall.IPv4, "ip6": firewall.IPv6, "inet": firewall.AnyFamily}

// declare takes tables, chains and sets.
func (r *nftReader) declare(o *nftObject) {
	switch {
	case o.Table != nil:
		key := o.Table.Family + " " + o.Table.Name
		family, ok := nftFamilies[o.Table.Family]
		if !ok {
			r.result.Left = append(r.result.Left, Left{Text: "table " + key, Why: "a table of another family"})
			return
		}
		r.programs[key] = &firewall.Program{Family: family, Table: o.Table.Name}
		r.order = append(r.order, key)
	case o.Chain != nil:
		r.chain(o.Chain)
	case o.Set != nil:
		r.set(o.Set, false)
	case o.Map != nil:
		r.set(o.Map, true)
	}
}

func (r *nftReader) chain(c *nftChain) {
	p := r.programs[c.Family+" "+c.Table]
	if p == nil {
		return
	}
	chain := firewall.Chain{Name: c.Name, Priority: c.Priority, Policy: firewall.Accept, Place: setting.Place{File: r.file}}
	if c.Hook != "" {
		chain.Hook = hooks[strings.ToUpper(c.Hook)]
		if chain.Hook == firewall.NoHook || c.Type == "route" {
			r.result.Left = append(r.result.Left, Left{Text: "chain " + c.Name, Why: "a chain of the type " + c.Type + " at " + c.Hook})
			return
		}
	}
	if c.Type == "nat" {
		chain.Type = firewall.NATChain
	}
	if c.Policy == "drop" {
		chain.Policy = firewall.Drop
	}
	p.Chains = append(p.Chains, chain)
}

// rule takes a rule whole, or not at all.
func (r *nftReader) rule(from *nftRule) {
	p := r.programs[from.Family+" "+from.Table]
	text := r.texts[fmt.Sprintf("%s %s %d", from.Family, from.Table, from.Handle)]
	if text == "" {
		raw, _ := json.Marshal(from.Expr)
		text = string(raw[:min(len(raw), 300)])
	}
	line := r.lines[squeezed(text)]
	if p == nil || p.Chain(from.Chain) == nil {
		r.result.Left = append(r.result.Left, Left{Line: line, Text: text, Why: "it stands in a chain that was not taken"})
		return
	}
	x := &nftExpr{reader: r, program: p, match: newConditions()}
	rules, err := x.rules(from.Expr)
	if err != nil {
		r.result.Left = append(r.result.Left, Left{Line: line, Text: from.Chain + ": " + text, Why: err.Error()})
		return
	}
	c := p.Chain(from.Chain)
	for i := range rules {
		rules[i].Text = text
		if line > 0 {
			rules[i].Place = setting.Place{File: r.file, Line: line, Column: 1}
		}
	}
	c.Rules = append(c.Rules, rules...)
}

// squeezed is a rule without what nft adds when it lists it, for comparison.
func squeezed(text string) string {
	text = strings.NewReplacer(" packets 0 bytes 0", "", "\"", "", ";", "").Replace(text)
	return strings.Join(strings.Fields(text), "")
}

// An nftExpr is the expressions of one rule.
type nftExpr struct {
	reader  *nftReader
	program *firewall.Program
	match   *conditions
	rule    firewall.Rule
	known   []firewall.Match // of family and protocol, that are there already
	maps    []nftPair        // a map that the verdict, or the target of NAT, comes from
}

// An nftPair is an element of a map: the matches of its key, and what it stands for.
type nftPair struct {
	key   []firewall.Match
	value json.RawMessage
}

// rules returns the rules that the expressions amount to: one, or with a map one for
// each of its elements.
func (x *nftExpr) rules(list []map[string]json.RawMessage) ([]firewall.Rule, error) {
	ended := false
	for _, one := range list {
		for name, body := range one {
			if ended {
				return nil, fmt.Errorf("%s behind a verdict", name)
			}
			end, err := x.statement(name, body)
			if err != nil {
				return nil, err
			}
			ended = end
		}
	}
	var rules []firewall.Rule
	for _, matches := range x.match.all {
		x.rule.Matches = matches
		if x.maps == nil {
			rules = append(rules, x.rule)
			continue
		}
		if x.rule.Effects.Limit != nil || x.rule.Effects.Log != nil {
			return nil, errors.New("a limit or a log before a map")
		}
		more, err := x.fromMap()
		if err != nil {
			return nil, err
		}
		rules = append(rules, more...)
	}
	return rules, nil
}

// fromMap makes a rule of each element of the map.
func (x *nftExpr) fromMap() ([]firewall.Rule, error) {
	var rules []firewall.Rule
	for _, pair := range x.maps {
		one := x.rule
		one.Matches = append(slices.Clip(one.Matches), pair.key...)
		var err error
		if one.Effects.NAT != nil {
			nat := *one.Effects.NAT
			one.Effects.NAT = &nat
			err = natTarget(&nat, pair.value)
		} else {
			one.Verdict, err = verdictOf(pair.value)
		}
		if err != nil {
			return nil, err
		}
		rules = append(rules, one)
	}
	return rules, nil
}

// statement reads one expression, and reports whether it ends the rule.
func (x *nftExpr) statement(name string, body json.RawMessage) (end bool, err error) {
	switch name {
	case "match":
		if x.rule.Effects.Limit != nil {
			return false, errors.New("a match behind a limit")
		}
		return false, x.matchOf(body)
	case "counter":
		x.rule.Effects.Counter = true
		return false, nil
	case "comment":
		return false, nil
	case "accept", "drop", "return", "continue", "jump", "goto":
		x.rule.Verdict, err = verdictNamed(name, body)
		return true, err
	case "reject":
		x.rule.Verdict, err = rejectOf(body)
		return true, err
	case "vmap":
		x.maps, err = x.mapOf(body)
		return true, err
	case "limit":
		x.rule.Effects.Limit, err = limitOf(body)
		return false, err
	case "log":
		x.rule.Effects.Log, err = logOf(body)
		return false, err
	case "snat", "dnat", "masquerade", "redirect":
		return true, x.natOf(name, body)
	case "mangle":
		return false, x.mangle(body)
	case "set":
		return false, x.meter(body)
	}
	return false, fmt.Errorf("%s is not known here", name)
}

func verdictNamed(name string, body json.RawMessage) (firewall.Verdict, error) {
	kinds := map[string]firewall.VerdictKind{"accept": firewall.Accept, "drop": firewall.Drop, "return": firewall.Return, "continue": firewall.Continue, "jump": firewall.Jump, "goto": firewall.Goto}
	v := firewall.Verdict{Kind: kinds[name]}
	if v.Kind == firewall.Jump || v.Kind == firewall.Goto {
		var to struct{ Target string }
		if err := json.Unmarshal(body, &to); err != nil || to.Target == "" {
			return v, errors.New("a jump to nowhere")
		}
		v.Chain = to.Target
	}
	return v, nil
}

// verdictOf reads a verdict of a map.
func verdictOf(raw json.RawMessage) (firewall.Verdict, error) {
	var one map[string]json.RawMessage
	if err := json.Unmarshal(raw, &one); err != nil || len(one) != 1 {
		return firewall.Verdict{}, errors.New("a map of something else than verdicts")
	}
	for name, body := range one {
		switch name {
		case "accept", "drop", "return", "continue", "jump", "goto":
			return verdictNamed(name, body)
		}
	}
	return firewall.Verdict{}, errors.New("a verdict that is not known here")
}

func rejectOf(body json.RawMessage) (firewall.Verdict, error) {
	v := firewall.Verdict{Kind: firewall.Reject, Answer: firewall.Answer{Type: firewall.ICMPXAnswer, Code: firewall.ICMPXPortUnreachable}}
	var with struct{ Type, Expr string }
	if string(body) == "null" {
		return v, nil
	}
	if err := json.Unmarshal(body, &with); err != nil {
		return v, errors.New("an answer that is not known here")
	}
	names := map[string]string{
		"icmpx port-unreachable": "port-unreachable", "icmpx no-route": "no-route", "icmpx host-unreachable": "host-unreachable", "icmpx admin-prohibited": "admin-prohibited",
		"icmp net-unreachable": "icmp-net-unreachable", "icmp host-unreachable": "icmp-host-unreachable", "icmp prot-unreachable": "icmp-proto-unreachable", "icmp port-unreachable": "icmp-port-unreachable",
		"icmp net-prohibited": "icmp-net-prohibited", "icmp host-prohibited": "icmp-host-prohibited", "icmp admin-prohibited": "icmp-admin-prohibited",
		"icmpv6 no-route": "icmp6-no-route", "icmpv6 admin-prohibited": "icmp6-adm-prohibited", "icmpv6 addr-unreachable": "icmp6-addr-unreachable", "icmpv6 port-unreachable": "icmp6-port-unreachable",
		"icmpv6 policy-fail": "icmp6-policy-fail", "icmpv6 reject-route": "icmp6-reject-route", "tcp reset ": "tcp-reset", "tcp reset": "tcp-reset",
	}
	key := with.Type + " " + with.Expr
	if with.Type == "tcp reset" {
		key = with.Type
	}
	answer, ok := firewall.ParseAnswer(names[key])
	if !ok {
		return v, fmt.Errorf("the answer %s is not known here", key)
	}
	v.Answer = answer
	return v, nil
}

func limitOf(body json.RawMessage) (*firewall.Limit, error) {
	var l struct {
		Rate, Burst uint64
		Per         string
		Inv         bool
		RateUnit    string `json:"rate_unit"`
	}
	if err := json.Unmarshal(body, &l); err != nil || l.Rate == 0 {
		return nil, errors.New("a limit that is not known here")
	}
	per := map[string]time.Duration{"second": time.Second, "minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour, "week": 7 * 24 * time.Hour}[l.Per]
	if per == 0 || l.RateUnit != "" && l.RateUnit != "packets" {
		return nil, errors.New("a limit by bytes")
	}
	if l.Burst == 0 {
		l.Burst = 5
	}
	return &firewall.Limit{Rate: l.Rate, Per: per, Burst: uint32(l.Burst), Over: l.Inv}, nil
}

func logOf(body json.RawMessage) (*firewall.Log, error) {
	l := &firewall.Log{Level: 4}
	if string(body) == "null" {
		return l, nil
	}
	var from struct {
		Prefix, Level string
		Group         *uint16
		Snaplen       int
		Flags         json.RawMessage
	}
	if err := json.Unmarshal(body, &from); err != nil {
		return nil, errors.New("a log that is not known here")
	}
	l.Prefix = from.Prefix
	if from.Group != nil {
		l.Group, l.HasGroup = *from.Group, true
	}
	levels := []string{"emerg", "alert", "crit", "err", "warn", "notice", "info", "debug"}
	if at := slices.Index(levels, from.Level); at >= 0 {
		l.Level = uint8(at)
	} else if from.Level != "" {
		return nil, fmt.Errorf("the level %s of a log", from.Level)
	}
	return l, checkPrefix(l.Prefix)
}

// mangle reads the lowering of the MSS, the only change of a packet that a policy has.
func (x *nftExpr) mangle(body json.RawMessage) error {
	if !strings.Contains(strings.Join(strings.Fields(string(body)), ""), `"name":"maxseg","field":"size"}},"value":{"rt":{"key":"mtu"`) {
		return errors.New("a change of the packet that is not known here")
	}
	if !x.has(firewall.TransportProtocol, protocolTCP) {
		return errors.New("an option of TCP without tcp")
	}
	x.rule.Effects.ClampMSS = true
	return nil
}

// meter reads a limit for each source, kept in a dynamic set.
func (x *nftExpr) meter(body json.RawMessage) error {
	var m struct {
		Op   string
		Elem json.RawMessage
		Set  string
		Stmt []map[string]json.RawMessage
	}
	if err := json.Unmarshal(body, &m); err != nil || len(m.Stmt) != 1 || m.Stmt[0]["limit"] == nil {
		return errors.New("a set that rules fill")
	}
	l, err := limitOf(m.Stmt[0]["limit"])
	if err != nil {
		return err
	}
	fields, _, err := x.fields(unwrapElement(m.Elem))
	if err != nil || len(fields) != 1 || fields[0] != firewall.IPv4Source && fields[0] != firewall.IPv6Source {
		return errors.New("a limit for something else than the source")
	}
	l.Source = fields[0]
	x.rule.Effects.Limit = l
	return x.depend(fields[0])
}
