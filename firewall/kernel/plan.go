package kernel

import (
	"errors"
	"slices"

	"wirelab/firewall"
	"wirelab/internal/setting"
)

// ErrNoExpression reports a rule that this kernel cannot take, since it lacks a module.
var ErrNoExpression = errors.New("this kernel lacks the expression")

// An Action is what happens to a part of the table.
type Action byte

// The actions.
const (
	Add    Action = '+'
	Remove Action = '-'
	Modify Action = '~'
)

// A Kind is what a Change is about.
type Kind uint8

// The kinds.
const (
	Table Kind = iota
	Chain
	Set
	Rule
	Element
)

var kindNames = [...]string{Table: "table", Chain: "chain", Set: "set", Rule: "rule", Element: "element"}

// String returns the name of the kind.
func (k Kind) String() string { return kindNames[k] }

// A Change is one difference between the kernel and the Program.
type Change struct {
	Action Action
	Kind   Kind
	In     string // the chain of a rule, the set of an element, else the name itself
	Place  setting.Place
	Text   string            // as written in the policy; what the kernel knows of it where nobody wrote it
	Rule   *firewall.Rule    // of Rule
	Map    bool              // of Rule: it looks up a map whose elements are told one by one
	Item   *firewall.Element // of Element
	Count  int               // of elements of a plain set, which are told together
}

// A Plan is what has to change in the kernel for a table to become a Program.
type Plan struct {
	Changes []Change
	Kept    int // rules and elements of maps that stay as they are, with counters and limits
	Moved   int // those of them whose line in the file is another now

	want   *firewall.Program
	live   *State
	kernel *Kernel  // that live was read from; nil: Compare was given it
	sets   setIndex // of the Program
	going  priors
	ahead  steps // of a transaction before that of the others, which nothing in force depends on
	steps
}

// steps are the changes in the form in which they are carried out.
type steps struct {
	table        bool // there is none, or it is dormant
	dropRules    []ruleStep
	addRules     []ruleStep
	dropElements []elementStep
	addElements  []elementStep
	dropSets     []string
	addSets      []*firewall.Set
	dropChains   []string
	addChains    []*firewall.Chain
	policies     []*firewall.Chain // chains that stay, with another policy
}

type ruleStep struct {
	chain  string
	rule   *firewall.Rule
	handle uint64 // of the rule to drop, or of the one to add it before; 0: at the end
}

type elementStep struct {
	set      *firewall.Set
	elements []*firewall.Element
}

// Empty reports whether there is nothing to do.
func (p *Plan) Empty() bool { return len(p.Changes) == 0 }

// Applied returns the generation of the ruleset once the plan has been carried out, if
// nobody else changes it.
func (p *Plan) Applied() uint32 {
	if p.Atomic() {
		return p.live.Generation + 1
	}
	return p.live.Generation + 2
}

// Atomic reports whether Apply needs one transaction alone. A process that is killed between two leaves
// sets behind that no rule uses; the next plan has them go.
func (p *Plan) Atomic() bool { return len(p.ahead.addSets) == 0 }

// Program returns what the plan is for.
func (p *Plan) Program() *firewall.Program { return p.want }

// Compare finds what has to change. It keeps every rule that does the same, in
// the same order; what was read back in part only is never the same. The Program has its
// hashes (Compile and Rehash fill them in). The State and the Program must not change
// while the Plan is used.
func Compare(live *State, want *firewall.Program) *Plan {
	p := &Plan{want: want, live: live, sets: indexSets(want.Sets)}
	if !live.Exists {
		p.table = true
		p.change(Change{Action: Add, Kind: Table, In: want.Table, Text: want.Table})
	} else if live.Dormant {
		p.table = true
		p.change(Change{Action: Modify, Kind: Table, In: want.Table, Text: want.Table + ": not dormant"})
	}
	old, desired := p.compareSets()
	p.chains(old, desired)
	p.prepare()
	return p
}

func (p *Plan) change(c Change) { p.Changes = append(p.Changes, c) }

// compareSets compares the sets and returns for both sides what their rules are signed with.
func (p *Plan) compareSets() (old, desired *signer) {
	old = &signer{program: &p.live.Program, sets: map[string]string{}}
	desired = &signer{program: p.want, sets: map[string]string{}, stays: map[string]bool{}}
	for i := range p.live.Program.Sets {
		s := &p.live.Program.Sets[i]
		if signature, ok := p.live.sets[i].signature(s); ok {
			old.sets[s.Name] = signature
		}
	}
	p.going = p.leaving()
	for i := range p.want.Sets {
		s := &p.want.Sets[i]
		d := define(s)
		signature, _ := d.signature(s)
		desired.sets[s.Name] = signature
		there := p.live.index.of(p.live.Program.Sets, s.Name)
		fits := there != nil && (s.Dynamic || there.Size == 0 || len(s.Elements) <= int(there.Size))
		if other := p.going[stem(s.Name)]; there == nil && d.twofold() && other != nil {
			p.replace(s, other)
			continue
		}
		desired.stays[s.Name] = p.set(s, there, fits && old.sets[s.Name] == signature)
	}
	for i := range p.live.Program.Sets {
		if s := &p.live.Program.Sets[i]; p.goes(i) {
			p.dropSets = append(p.dropSets, s.Name)
			if !p.going.told(p, s) {
				p.change(Change{Action: Remove, Kind: Set, In: s.Name, Text: s.Name, Count: len(s.Elements)})
			}
		}
	}
	return old, desired
}

// set compares one set with the kernel's of that name, nil if it has none. It
// reports whether that stays, with other elements or not.
func (p *Plan) set(want, live *firewall.Set, same bool) (stays bool) {
	if live != nil && same {
		p.elements(want, live)
		return true
	}
	action := Add
	if live != nil {
		action = Modify
		p.dropSets = append(p.dropSets, want.Name)
	}
	p.addSets = append(p.addSets, want)
	p.change(Change{Action: action, Kind: Set, In: want.Name, Text: want.Name, Count: len(want.Elements)})
	if want.Verdicts {
		for i := range want.Elements {
			p.elementChange(Add, want.Name, &want.Elements[i])
		}
	}
	p.addElements = append(p.addElements, elementStep{want, pointers(want.Elements)})
	return false
}

func pointers(elements []firewall.Element) []*firewall.Element {
	all := make([]*firewall.Element, len(elements))
	for i := range elements {
		all[i] = &elements[i]
	}
	return all
}

func (p *Plan) elementChange(a Action, set string, e *firewall.Element) {
	p.change(Change{Action: a, Kind: Element, In: set, Place: e.Place, Text: e.Text, Item: e})
}

// elements compares the elements of a set that stays.
func (p *Plan) elements(want, live *firewall.Set) {
	if want.Dynamic {
		return // the kernel's own
	}
	present := make(map[string]*firewall.Element, len(live.Elements))
	for i := range live.Elements {
		present[elementSignature(&live.Elements[i])] = &live.Elements[i]
	}
	var add, drop []*firewall.Element
	for i := range want.Elements {
		e := &want.Elements[i]
		signature := elementSignature(e)
		if kept := present[signature]; kept == nil {
			add = append(add, e)
		} else {
			delete(present, signature)
			p.keep(want.Verdicts, kept.Place, e.Place)
		}
	}
	for _, e := range present {
		drop = append(drop, e)
	}
	slices.SortFunc(drop, func(a, b *firewall.Element) int { return byFrom(*a, *b) })
	p.dropElements = appendStep(p.dropElements, want, drop)
	p.addElements = appendStep(p.addElements, want, add)
	p.tellElements(Remove, want, drop)
	p.tellElements(Add, want, add)
}

func appendStep(steps []elementStep, s *firewall.Set, elements []*firewall.Element) []elementStep {
	if len(elements) == 0 {
		return steps
	}
	return append(steps, elementStep{s, elements})
}

// tellElements tells of the elements of a map one by one, since they are rules,
// and of those of a plain set together.
func (p *Plan) tellElements(a Action, s *firewall.Set, elements []*firewall.Element) {
	if len(elements) == 0 {
		return
	}
	if !s.Verdicts {
		p.change(Change{Action: a, Kind: Element, In: s.Name, Place: elements[0].Place, Count: len(elements)})
		return
	}
	for _, e := range elements {
		p.elementChange(a, s.Name, e)
	}
}

// keep counts a rule or an element of a map that stays.
func (p *Plan) keep(counted bool, before, now setting.Place) {
	if !counted {
		return
	}
	p.Kept++
	if before != now {
		p.Moved++
	}
}

func (p *Plan) chains(old, desired *signer) {
	for i := range p.want.Chains {
		want := &p.want.Chains[i]
		index := slices.IndexFunc(p.live.Program.Chains, func(c firewall.Chain) bool { return c.Name == want.Name })
		if index < 0 {
			p.addChain(want, Add)
			continue
		}
		live := &p.live.Program.Chains[index]
		if live.Hook != want.Hook || live.Type != want.Type || live.Priority != want.Priority {
			p.dropChain(live, index)
			p.addChain(want, Modify)
			continue
		}
		if live.Hook != firewall.NoHook && live.Policy != want.Policy {
			p.policies = append(p.policies, want)
			p.change(Change{Action: Modify, Kind: Chain, In: want.Name, Place: want.Place, Text: want.Name + ": policy " + policyName(want.Policy)})
		}
		p.rules(want, live, index, old, desired)
	}
	for i := range p.live.Program.Chains {
		if live := &p.live.Program.Chains[i]; p.want.Chain(live.Name) == nil {
			p.dropChain(live, i)
			p.change(Change{Action: Remove, Kind: Chain, In: live.Name, Text: live.Name})
		}
	}
}

func policyName(v firewall.VerdictKind) string {
	if v == firewall.Drop {
		return "drop"
	}
	return "accept"
}

func (p *Plan) addChain(c *firewall.Chain, a Action) {
	text := c.Name
	if c.Hook != firewall.NoHook {
		text += ": policy " + policyName(c.Policy)
	}
	p.addChains = append(p.addChains, c)
	p.change(Change{Action: a, Kind: Chain, In: c.Name, Place: c.Place, Text: text})
	for i := range c.Rules {
		p.addRule(c.Name, &c.Rules[i], 0)
	}
}

func (p *Plan) dropChain(c *firewall.Chain, index int) {
	p.dropChains = append(p.dropChains, c.Name)
	for i := range c.Rules {
		p.dropRule(c.Name, &c.Rules[i], p.live.rules[index][i].handle)
	}
}

func (p *Plan) addRule(chain string, r *firewall.Rule, before uint64) {
	p.steps.addRules = append(p.steps.addRules, ruleStep{chain, r, before})
	p.change(Change{Action: Add, Kind: Rule, In: chain, Place: r.Place, Text: r.Text, Rule: r, Map: r.Lookup.Set != ""})
}

func (p *Plan) dropRule(chain string, r *firewall.Rule, handle uint64) {
	p.dropRules = append(p.dropRules, ruleStep{chain, r, handle})
	replaced := p.going.successor(r.Lookup.Set) != ""
	p.change(Change{Action: Remove, Kind: Rule, In: chain, Place: r.Place, Text: r.Text, Rule: r, Map: replaced})
}

// rules compares the rules of a chain that stays: what is not among the rules
// kept is dropped, and added before the next one that is.
func (p *Plan) rules(want, live *firewall.Chain, index int, old, desired *signer) {
	kept := keep(p.keys(live, index, want, old, desired))
	next := 0
	for _, pair := range append(kept, pair{len(live.Rules), len(want.Rules)}) {
		for ; next < pair.old; next++ {
			p.dropRule(live.Name, &live.Rules[next], p.live.rules[index][next].handle)
		}
		next++
	}
	next = 0
	for _, pair := range append(kept, pair{len(live.Rules), len(want.Rules)}) {
		before := uint64(0)
		if pair.old < len(live.Rules) {
			before = p.live.rules[index][pair.old].handle
			p.keep(true, live.Rules[pair.old].Place, want.Rules[pair.new].Place)
		}
		for ; next < pair.new; next++ {
			p.addRule(want.Name, &want.Rules[next], before)
		}
		next++
	}
}

// keys returns a number for each rule on both sides, so that equal numbers do the
// same; 0 is equal to nothing. It is the hash of a rule: of one in the kernel whose
// seal holds its own, of another that of the wanted rule which reads like it.
func (p *Plan) keys(live *firewall.Chain, index int, want *firewall.Chain, old, desired *signer) (was, is []uint64) {
	is = make([]uint64, len(want.Rules))
	for i := range want.Rules {
		if desired.settled(&want.Rules[i]) {
			is[i] = want.Rules[i].Hash
		}
	}
	var byText map[string]uint64 // of the wanted rules; made when a seal does not hold
	was = make([]uint64, len(live.Rules))
	for i := range live.Rules {
		if p.live.rules[index][i].sealed {
			was[i] = live.Rules[i].Hash
			continue
		}
		if byText == nil {
			byText = make(map[string]uint64, len(want.Rules))
			for k := range want.Rules {
				if text, ok := desired.signature(&want.Rules[k]); ok {
					byText[text] = is[k]
				}
			}
		}
		if text, ok := old.signature(&live.Rules[i]); ok {
			was[i] = byText[text]
		}
	}
	return was, is
}

// pair is a rule that stays: its index before and now.
type pair struct{ old, new int }

// keep returns the longest run of numbers that both lists have in the same order.
// Of a number that stands several times the first goes with the first, so that the
// work is that of sorting.
func keep(old, desired []uint64) []pair {
	var kept []pair
	front := 0
	for front < min(len(old), len(desired)) && old[front] == desired[front] && old[front] != 0 {
		kept = append(kept, pair{front, front})
		front++
	}
	back := 0
	for back < min(len(old), len(desired))-front && old[len(old)-1-back] == desired[len(desired)-1-back] && old[len(old)-1-back] != 0 {
		back++
	}
	places := make(map[uint64][]int)
	for i := front; i < len(old)-back; i++ {
		if old[i] != 0 {
			places[old[i]] = append(places[old[i]], i)
		}
	}
	var candidates []pair
	for i := front; i < len(desired)-back; i++ {
		if at := places[desired[i]]; len(at) > 0 && desired[i] != 0 {
			candidates = append(candidates, pair{at[0], i})
			places[desired[i]] = at[1:]
		}
	}
	kept = append(kept, increasing(candidates)...)
	for i := back; i > 0; i-- {
		kept = append(kept, pair{len(old) - i, len(desired) - i})
	}
	return kept
}

// increasing returns the longest subsequence in which the old indices grow
// (patience sorting).
func increasing(pairs []pair) []pair {
	var tops []int // of each pile, its last pair
	previous := make([]int, len(pairs))
	for i, p := range pairs {
		pile, _ := slices.BinarySearchFunc(tops, p.old, func(top, old int) int { return pairs[top].old - old })
		previous[i] = -1
		if pile > 0 {
			previous[i] = tops[pile-1]
		}
		if pile == len(tops) {
			tops = append(tops, i)
		} else {
			tops[pile] = i
		}
	}
	chosen := make([]pair, len(tops))
	at := -1
	if len(tops) > 0 {
		at = tops[len(tops)-1]
	}
	for i := len(tops) - 1; i >= 0; i-- {
		chosen[i] = pairs[at]
		at = previous[at]
	}
	return chosen
}
