package kernel

import (
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"

	"wirelab/firewall"
	"wirelab/internal/netlink"
	"wirelab/internal/setting"
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
	echo    bool   // the kernel is to tell the handles of new rules
	comment []byte // scratch
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
	if w.echo {
		flags |= unix.NLM_F_ECHO
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
	written := w.Since(list)
	place := r.Place
	if r.Implicit {
		place = setting.Place{}
	}
	w.userData(unix.NFTA_RULE_USERDATA, place, r.Hash, seal(written), r.Text)
}

func (w *writer) deleteRule(chain string, r *firewall.Rule, handle uint64) {
	w.message(delRule, 0, object{op: "delete", kind: "rule of chain", name: chain, rule: r})
	w.String(unix.NFTA_RULE_TABLE, w.program.Table)
	w.String(unix.NFTA_RULE_CHAIN, chain)
	w.Big64(unix.NFTA_RULE_HANDLE, handle)
}

// userData appends what a rule or an element carries for whoever reads it back:
// its place as the comment that nft prints, or what an implicit one is for; its
// hash; its text, where it fits.
func (w *writer) userData(kind uint16, place setting.Place, hash uint64, seal uint32, text string) {
	w.comment = w.comment[:0]
	if place.Line > 0 {
		w.comment = append(append(w.comment, place.File...), ':')
		w.comment = append(strconv.AppendInt(w.comment, int64(place.Line), 10), ':')
		w.comment = strconv.AppendInt(w.comment, int64(place.Column), 10)
	} else {
		w.comment = append(w.comment, text...)
		text = ""
	}
	var buffer [maxUserData]byte
	if data := appendUserData(buffer[:0], w.comment, hash, seal, text); len(data) > 0 {
		w.Bytes(kind, data)
	}
}

func appendUserData(b, comment []byte, hash uint64, seal uint32, text string) []byte {
	if len(comment) > 0 {
		comment = comment[max(0, len(comment)-maxComment+1):] // the end of a path says more
		b = append(b, dataComment, byte(len(comment)+1))
		b = append(append(b, comment...), 0)
	}
	if hash != 0 {
		b = append(b, dataHash, 8)
		for shift := 56; shift >= 0; shift -= 8 {
			b = append(b, byte(hash>>shift))
		}
	}
	if seal != 0 {
		b = append(b, dataSeal, 4, byte(seal>>24), byte(seal>>16), byte(seal>>8), byte(seal))
	}
	if text != "" && len(b)+2+len(text) <= maxUserData-1 {
		b = append(b, dataText, byte(len(text)))
		b = append(b, text...)
	}
	return b
}
