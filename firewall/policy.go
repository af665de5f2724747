package firewall

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"

	"wirelab/internal/setting"
	"wirelab/internal/spell"
)

// A Policy is the firewall section as it was written.
type Policy struct {
	In, Out, Forward VerdictKind // what happens at the end of the rules
	Family           Family      // AnyFamily, or the only one that the policy is about
	Implicit         []string    // names of the implicit rules that are wanted
	Counters         bool        // every rule counts
	Chains           []PolicyChain
	Protect          []Clause
	Expect           []Question
	Place            setting.Place
}

// A PolicyChain is a list of rules with where they stand.
type PolicyChain struct {
	Name  string // of the chain in the kernel
	Hook  Hook   // NoHook: a chain of the user's
	Type  ChainType
	Rules []Clause
	Place setting.Place
}

// Limits on what a policy may hold, for files that anyone may have written.
const (
	maxChains = 1000
	maxDepth  = 16 // of jumps: NFT_JUMP_STACK_SIZE
)

// A list is a key that holds rules.
type list struct {
	key   string
	chain string
	hook  Hook
	kind  ChainType
}

// lists are the keys that hold rules, with their chains. The order is that of
// the kernel's path.
var lists = []list{
	{"nat.prerouting", "prerouting", Prerouting, NATChain},
	{"in", "input", Input, FilterChain},
	{"forward", "forward", Forward, FilterChain},
	{"nat.output", "nat_output", Output, NATChain},
	{"out", "output", Output, FilterChain},
	{"nat.input", "nat_input", Input, NATChain},
	{"nat.postrouting", "postrouting", Postrouting, NATChain},
}

// A policyReader reads the section.
type policyReader struct {
	policy *Policy
	names  *dictionary
	errs   setting.Errors
	chains map[string]*PolicyChain // by their name in the kernel
	order  []*PolicyChain
}

// Parse reads the value of the firewall section. A net that is in a file is read
// from it, relative to the policy's own. All mistakes are returned; the policy is
// then of no use.
func Parse(v setting.Value) (*Policy, setting.Errors) {
	r := &policyReader{
		policy: &Policy{In: Drop, Out: Accept, Forward: Drop, Family: AnyFamily, Implicit: implicitNames(), Counters: true, Place: v.Place},
		names:  &dictionary{nets: map[string][]Range{}, services: map[string][]Service{}},
		chains: map[string]*PolicyChain{},
	}
	switch v.Kind {
	case setting.Null:
		return r.policy, nil
	case setting.Map:
	default:
		return nil, setting.Errors{v.Errorf("keys are expected, such as \"in:\", not %s", v.Describe())}
	}
	r.keys(v)
	r.readNets(v)
	r.readServices(v)
	r.readSettings(v)
	r.readChains(v)
	r.readNAT(v)
	r.readQuestions(v)
	if r.collect(); len(r.errs) == 0 {
		r.checkJumps()
	}
	return r.policy, r.errs
}

var policyKeys = []string{"policy", "family", "implicit", "counters", "nets", "services", "in", "out", "forward", "chains", "nat", "protect", "expect"}

func (r *policyReader) fail(err *setting.Error) {
	if err != nil {
		r.errs = append(r.errs, err)
	}
}

// keys refuses unknown keys of a map.
func (r *policyReader) keys(v setting.Value) { r.onlyKeys(v, policyKeys) }

func (r *policyReader) onlyKeys(v setting.Value, known []string) {
	for _, e := range v.Entries {
		if slices.Contains(known, e.Key) {
			continue
		}
		if nearest := spell.Nearest(e.Key, known); nearest != "" {
			r.fail(e.Errorf("%s is no key of %s; did you mean %s?", setting.Quote(e.Key), v.Path, nearest))
			continue
		}
		r.fail(e.Errorf("%s is no key of %s, which has %s", setting.Quote(e.Key), v.Path, strings.Join(known, ", ")))
	}
}

// entries returns the entries of a map under a key.
func (r *policyReader) entries(v setting.Value, key string) []setting.Entry {
	value, _ := v.Get(key)
	if value.Kind != setting.Null && value.Kind != setting.Map {
		r.fail(value.Errorf("names with lists are expected, such as \"office: [10.0.0.0/8]\", not %s", value.Describe()))
	}
	return value.Entries
}

func (r *policyReader) readServices(v setting.Value) {
	for name, text := range wellKnown {
		for _, s := range strings.Fields(text) {
			one, _ := parseService(s)
			r.names.services[name] = append(r.names.services[name], one...)
		}
	}
	own := map[string][]Service{}
	for _, e := range r.entries(v, "services") {
		if !r.goodName(e) {
			continue
		}
		items, err := e.Value.Texts()
		r.fail(err)
		for _, item := range items {
			own[e.Key] = append(own[e.Key], r.serviceItem(item)...)
		}
	}
	maps.Copy(r.names.services, own)
	r.names.names = slices.Concat(slices.Sorted(maps.Keys(own)), serviceNames())
}

func (r *policyReader) serviceItem(item setting.Value) []Service {
	if known, ok := r.names.services[item.Text]; ok {
		return known
	}
	services, err := parseService(item.Text)
	if err != nil {
		r.fail(item.Errorf("%v; expected a service, such as tcp/80, udp/5000-5010 or ssh", err))
	}
	return services
}

// goodName refuses names of nets and services that a rule could not tell from its words.
func (r *policyReader) goodName(e setting.Entry) bool {
	_, isVerb := verbs[e.Key]
	bad := func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_'
	}
	switch {
	case e.Key == "" || len(e.Key) > 64 || strings.ContainsFunc(e.Key, bad) || digits(e.Key):
		r.fail(e.Errorf("%s is no name: a letter, then letters, digits, - and _", setting.Quote(e.Key)))
	case slices.Contains(partWords, e.Key) || isVerb || e.Key == "not" || e.Key == "any" || addressTypes[e.Key] != 0:
		r.fail(e.Errorf("%q is a word of the rules and cannot be a name", e.Key))
	default:
		return true
	}
	return false
}

func (r *policyReader) readSettings(v setting.Value) {
	if policy, _ := v.Get("policy"); policy.Kind == setting.Map {
		r.onlyKeys(policy, []string{"in", "out", "forward"})
		known := []string{"accept", "drop", "reject"}
		r.policy.In = verbs[r.word(policy, "in", "drop", known)]
		r.policy.Out = verbs[r.word(policy, "out", "accept", known)]
		r.policy.Forward = verbs[r.word(policy, "forward", "drop", known)]
	} else if policy.Kind != setting.Null {
		r.fail(policy.Errorf("keys are expected, such as {in: drop, out: accept}, not %s", policy.Describe()))
	}
	families := map[string]Family{"both": AnyFamily, "ipv4": IPv4, "ipv6": IPv6}
	r.policy.Family = families[r.word(v, "family", "both", []string{"both", "ipv4", "ipv6"})]
	r.policy.Counters = r.word(v, "counters", "true", []string{"true", "false"}) == "true"
	value, _ := v.Get("implicit")
	items, err := value.Texts()
	r.fail(err)
	if len(items) > 0 {
		r.policy.Implicit = nil
	}
	for _, item := range items {
		switch known := implicitNames(); {
		case slices.Contains(known, item.Text):
			r.policy.Implicit = append(r.policy.Implicit, item.Text)
		case item.Text == "all":
			r.policy.Implicit = known
		case item.Text != "none":
			r.fail(item.Errorf("%s is no implicit rule; expected: all, none or some of %s", setting.Quote(item.Text), strings.Join(known, ", ")))
		}
	}
}

// word returns the value of a key, which is one of known.
func (r *policyReader) word(v setting.Value, key, byDefault string, known []string) string {
	value, _ := v.Get(key)
	switch {
	case value.Kind == setting.Null:
		return byDefault
	case value.Kind == setting.Scalar && slices.Contains(known, value.Text):
		return value.Text
	}
	r.fail(value.Errorf("%s is not possible here; expected: %s", value.Describe(), strings.Join(known, ", ")))
	return byDefault
}

// readChains reads the lists of rules.
func (r *policyReader) readChains(v setting.Value) {
	for _, l := range lists {
		if value, _ := v.Get(l.key); l.kind == FilterChain {
			r.rules(r.chain(l.chain, value), value, false)
		}
	}
	for _, e := range r.entries(v, "chains") {
		if r.goodChain(e) {
			r.rules(r.chain(e.Key, e.Value), e.Value, false)
		}
	}
}

// chain returns the chain of that name, new if there is none.
func (r *policyReader) chain(name string, at setting.Value) *PolicyChain {
	if c := r.chains[name]; c != nil {
		return c
	}
	c := &PolicyChain{Name: name, Place: at.Place}
	for _, l := range lists {
		if l.chain == name {
			c.Hook, c.Type = l.hook, l.kind
		}
	}
	r.chains[name] = c
	r.order = append(r.order, c)
	return c
}

func (r *policyReader) goodChain(e setting.Entry) bool {
	bad := func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("_-.", c)
	}
	taken := slices.ContainsFunc(lists, func(l list) bool { return l.chain == e.Key })
	switch {
	case e.Key == "" || len(e.Key) > 64 || strings.ContainsFunc(e.Key, bad) || strings.ContainsRune("0123456789-.", rune(e.Key[0])):
		r.fail(e.Errorf("%s is no name of a chain: a letter, then letters, digits, -, . and _", setting.Quote(e.Key)))
	case taken || IsReserved(e.Key):
		r.fail(e.Errorf("%q is a word of nft and cannot be the name of a chain", e.Key))
	case len(r.chains) > maxChains:
		r.fail(e.Errorf("more than %d chains; is it the right file?", maxChains))
	default:
		return true
	}
	return false
}

// rules adds the rules of a list to a chain.
func (r *policyReader) rules(c *PolicyChain, list setting.Value, nat bool) {
	if list.Kind == setting.Null {
		return
	}
	items, err := list.Texts()
	if r.fail(err); err != nil {
		return
	}
	parsed := make([]Clause, len(items))
	errs := make([]*setting.Error, len(items))
	eachProcessor(len(items), func(from, to int) {
		for i := from; i < to; i++ {
			if parsed[i], errs[i] = parseRule(items[i], r.names, nat || c.Type == NATChain || c.Hook == NoHook); errs[i] == nil {
				errs[i] = allowedIn(&parsed[i], c)
			}
		}
	})
	good := parsed[:0]
	for i, err := range errs {
		if r.fail(err); err == nil {
			good = append(good, parsed[i])
		}
	}
	if c.Rules == nil {
		c.Rules = good
	} else {
		c.Rules = append(c.Rules, good...)
	}
}

// eachProcessor has each processor do a part of count things.
func eachProcessor(count int, do func(from, to int)) {
	const few = 500 // not worth a goroutine
	size := max(few, (count+runtime.GOMAXPROCS(0)-1)/runtime.GOMAXPROCS(0))
	var parts sync.WaitGroup
	for from := 0; from < count; from += size {
		parts.Go(func() { do(from, min(from+size, count)) })
	}
	parts.Wait()
}

// readNAT reads nat: a list in which the verb of each rule says where it belongs,
// or a list for each hook.
func (r *policyReader) readNAT(v setting.Value) {
	nat, _ := v.Get("nat")
	if nat.Kind == setting.Map {
		r.onlyKeys(nat, []string{"prerouting", "input", "output", "postrouting"})
		for _, l := range lists {
			if key, is := strings.CutPrefix(l.key, "nat."); is {
				value, _ := nat.Get(key)
				r.rules(r.chain(l.chain, value), value, true)
			}
		}
		return
	}
	items, err := nat.Texts()
	r.fail(err)
	for _, item := range items {
		rule, err := parseRule(item, r.names, true)
		if r.fail(err); err != nil {
			continue
		}
		name := "prerouting"
		switch {
		case rule.NAT == nil:
			r.fail(item.Errorf("expected masquerade, snat, dnat, forward or redirect; other rules stand under nat: {prerouting: …, postrouting: …}%s", inRule(item)))
			continue
		case rule.NAT.Kind == SourceNAT || rule.NAT.Kind == Masquerade:
			name = "postrouting"
		}
		c := r.chain(name, nat)
		if err := allowedIn(&rule, c); err != nil {
			r.fail(err)
			continue
		}
		c.Rules = append(c.Rules, rule)
	}
}

// allowedIn refuses what the kernel does not do at a hook.
func allowedIn(rule *Clause, c *PolicyChain) *setting.Error {
	at := rule.Value
	wrong := ""
	switch {
	case c.Type == NATChain && (rule.Verdict.Kind == Reject || rule.Verdict.Kind == Drop):
		wrong = "a chain of nat sees the first packet of a connection alone; drop and reject belong to in, out or forward"
	case rule.NAT != nil && (rule.NAT.Kind == DestinationNAT || rule.NAT.Kind == Redirect) && (c.Hook == Postrouting || c.Hook == Input):
		wrong = "a destination is changed before routing: in prerouting or output"
	case rule.NAT != nil && (rule.NAT.Kind == SourceNAT || rule.NAT.Kind == Masquerade) && (c.Hook == Prerouting || c.Hook == Output || c.Hook == Input && rule.NAT.Kind == Masquerade):
		wrong = "a source is changed after routing: in postrouting"
	}
	if rule.on && (c.Hook == Output || c.Hook == Postrouting) && len(rule.Out.Names) == 0 {
		rule.In, rule.Out = Interfaces{}, rule.In // "on" is the interface that the packet leaves by
	}
	switch {
	case c.Hook == Output && len(rule.In.Names) > 0:
		wrong = "what this host sends has come in by no interface"
	case (c.Hook == Input || c.Hook == Prerouting) && len(rule.Out.Names) > 0:
		wrong = fmt.Sprintf("at %s it is not known by which interface a packet leaves", c.Name)
	}
	if wrong == "" {
		return nil
	}
	return at.Errorf("%s%s", wrong, inRule(at))
}

// collect puts the chains in the order of the kernel's path, those of the user
// behind them.
func (r *policyReader) collect() {
	for _, l := range lists {
		if c := r.chains[l.chain]; c != nil {
			r.policy.Chains = append(r.policy.Chains, *c)
		}
	}
	for _, c := range r.order {
		if c.Hook == NoHook {
			r.policy.Chains = append(r.policy.Chains, *c)
		}
	}
}

// readQuestions reads protect and expect.
func (r *policyReader) readQuestions(v setting.Value) {
	value, _ := v.Get("protect")
	items, err := value.Texts()
	r.fail(err)
	for _, item := range items {
		rule, err := parseProtect(item, r.names)
		if r.fail(err); err == nil {
			r.policy.Protect = append(r.policy.Protect, rule)
		}
	}
	value, _ = v.Get("expect")
	items, err = value.Texts()
	r.fail(err)
	for _, item := range items {
		question, err := parseQuestion(item, r.names)
		if err == nil && question.Expected == Continue {
			err = item.ErrorAt(0, len(item.Text), "expected accept, drop or reject in front, such as \"accept tcp 10.0.0.1 -> :22\"%s", inRule(item))
		}
		if r.fail(err); err == nil {
			r.policy.Expect = append(r.policy.Expect, question)
		}
	}
}
