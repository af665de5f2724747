package kernel

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"wirelab/firewall"
	"wirelab/internal/netlink"
)

// ErrNotExpressible reports a part of a Program that nftables has no expression
// for, such as a part that was read back as unknown.
var ErrNotExpressible = errors.New("nftables cannot express this")

// object is what a message of a batch is about, for the error that names it.
type object struct {
	op, kind, name string
	rule           *firewall.Rule
}

func (o object) describe() (op, name string) {
	name = o.kind + " " + o.name
	if o.rule != nil {
		if place := o.rule.Place.String(); place != "" {
			name += " (" + place + ")"
		}
		if o.rule.Text != "" {
			name += " " + o.rule.Text
		}
	}
	return o.op, name
}

// writer appends the messages that change one table.
type writer struct {
	*netlink.Batch
	program *firewall.Program
	sets    setIndex
	objects []object
	err     error
}

func newWriter(p *firewall.Program) *writer {
	return &writer{Batch: netlink.NewBatch(), program: p, sets: indexSets(p.Sets)}
}

// message begins a message about an object of the table.
func (w *writer) message(kind, flags uint16, o object) {
	w.Netfilter(kind, flags, uint8(w.program.Family), 0)
	w.objects = append(w.objects, o)
}

func (w *writer) describe(index int) (op, name string) {
	if index < 0 || index >= len(w.objects) {
		return "change", "table " + w.program.Table
	}
	return w.objects[index].describe()
}

func (w *writer) fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf("%w: %s", ErrNotExpressible, fmt.Sprintf(format, args...))
	}
}

func (w *writer) addTable() {
	w.message(newTable, unix.NLM_F_CREATE, object{op: "add", kind: "table", name: w.program.Table})
	w.String(unix.NFTA_TABLE_NAME, w.program.Table)
	w.Big32(unix.NFTA_TABLE_FLAGS, 0)
}

func (w *writer) deleteTable() {
	w.message(delTable, 0, object{op: "delete", kind: "table", name: w.program.Table})
	w.String(unix.NFTA_TABLE_NAME, w.program.Table)
}

// addChain adds a chain, or gives an existing one its policy.
func (w *writer) addChain(c *firewall.Chain) {
	w.message(newChain, unix.NLM_F_CREATE, object{op: "add", kind: "chain", name: c.Name})
	w.String(unix.NFTA_CHAIN_TABLE, w.program.Table)
	w.String(unix.NFTA_CHAIN_NAME, c.Name)
	if c.Hook == firewall.NoHook {
		return
	}
	hook := w.Nest(unix.NFTA_CHAIN_HOOK)
	w.Big32(unix.NFTA_HOOK_HOOKNUM, uint32(c.Hook-1))
	w.Big32(unix.NFTA_HOOK_PRIORITY, uint32(c.Priority))
	w.End(hook)
	policy := uint32(1) // NF_ACCEPT
	if c.Policy == firewall.Drop {
		policy = 0
	}
	w.Big32(unix.NFTA_CHAIN_POLICY, policy)
	w.String(unix.NFTA_CHAIN_TYPE, chainTypes[c.Type])
}

var chainTypes = [...]string{firewall.FilterChain: "filter", firewall.NATChain: "nat", firewall.RouteChain: "route"}

func (w *writer) deleteChain(name string) {
	w.message(delChain, 0, object{op: "delete", kind: "chain", name: name})
	w.String(unix.NFTA_CHAIN_TABLE, w.program.Table)
	w.String(unix.NFTA_CHAIN_NAME, name)
}

// addRule adds a rule before the one with the handle, at the end for handle 0.
func (w *writer) addRule(chain string, r *firewall.Rule, before uint64) {
	flags := uint16(unix.NLM_F_CREATE)
	if before == 0 {
		flags |= unix.NLM_F_APPEND
	}
	w.message(newRule, flags, object{op: "add", kind: "rule of chain", name: chain, rule: r})
	w.String(unix.NFTA_RULE_TABLE, w.program.Table)
	w.String(unix.NFTA_RULE_CHAIN, chain)
	if before != 0 {
		w.Big64(unix.NFTA_RULE_POSITION, before)
	}
	list := w.Nest(unix.NFTA_RULE_EXPRESSIONS)
	w.rule(r)
	w.End(list)
	var buffer [maxUserData]byte
	if data := userData(buffer[:0], comment(r), r.Hash, r.Text); len(data) > 0 {
		w.Bytes(unix.NFTA_RULE_USERDATA, data)
	}
}

func (w *writer) deleteRule(chain string, r *firewall.Rule, handle uint64) {
	w.message(delRule, 0, object{op: "delete", kind: "rule of chain", name: chain, rule: r})
	w.String(unix.NFTA_RULE_TABLE, w.program.Table)
	w.String(unix.NFTA_RULE_CHAIN, chain)
	w.Big64(unix.NFTA_RULE_HANDLE, handle)
}

// comment returns what nft prints beside a rule: its place, or for an implicit
// rule what it is for.
func comment(r *firewall.Rule) string {
	if place := r.Place.String(); place != "" && !r.Implicit {
		return place
	}
	return r.Text
}

// userData appends what a rule or an element carries for whoever reads it back.
// The text is left out where it does not fit.
func userData(b []byte, comment string, hash uint64, text string) []byte {
	if comment != "" {
		if len(comment) >= maxComment {
			comment = comment[:maxComment-1]
		}
		b = append(b, dataComment, byte(len(comment)+1))
		b = append(append(b, comment...), 0)
	}
	if hash != 0 {
		b = append(b, dataHash, 8)
		for shift := 56; shift >= 0; shift -= 8 {
			b = append(b, byte(hash>>shift))
		}
	}
	if text != "" && text != comment && len(b)+2+len(text) <= maxUserData-1 {
		b = append(b, dataText, byte(len(text)))
		b = append(b, text...)
	}
	return b
}
