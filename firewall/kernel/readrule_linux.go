package kernel

import (
	"bytes"
	"encoding/binary"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"wirelab/firewall"
	"wirelab/internal/netlink"
)

// ruleReader turns the expressions of one rule after the other into matches and
// effects. It keeps what the registers hold, as the kernel does when it runs them.
type ruleReader struct {
	*reader
	table *State

	rule      *firewall.Rule
	registers [20]content
	family    firewall.Family // that the matches so far leave, 0 or AnyFamily: both
	protocol  uint8           // likewise; 0: any
	lower     *bound          // a comparison that may be the first half of a range
	stage     stage
	matches   []firewall.Match // room for those of the rules to come
}

// maxMatches is how many matches a rule has at most as a rule; more are no harm.
const maxMatches = 16

// stage is how far a rule has come in the order that a Program has.
type stage uint8

const (
	matching stage = iota
	limiting
	counting
	logging
	clamping
	translating
	deciding
)

var stageNames = [...]string{"match", "limit", "counter", "log", "clamp", "nat", "verdict"}

// content is what a register holds: a field, or bytes from an immediate.
type content struct {
	kind    contentKind
	load    firewall.Load
	key     uint32 // of meta and ct
	offset  uint32 // of a payload
	length  int
	mask    []byte
	swapped bool // in network order, though its field is in the machine's
	data    []byte
}

type contentKind uint8

const (
	nothing contentKind = iota
	loaded
	immediate
	pathMSS
)

// bound is a comparison by order that waits for its other half.
type bound struct {
	register int
	op       uint32
	data     []byte
}

func newRuleReader(r *reader, t *State) *ruleReader { return &ruleReader{reader: r, table: t} }

// read reads a listed rule, unless it is one that wirelab wrote: then what it does
// is left out if that is not wanted, and sealed is true.
func (r *ruleReader) read(l *listed) (rule firewall.Rule, sealed bool) {
	n := r.readNote(l.userData)
	rule.Place, rule.Text, rule.Hash, rule.Seen = n.place, n.text, n.hash, l.seen
	rule.Implicit = rule.Place.Line == 0 && rule.Hash != 0
	if r.sealed && n.seal != 0 && n.hash != 0 && n.seal == seal(l.expressions) {
		rule.Lookup.Set = lookedUp(l.expressions)
		return rule, true
	}
	r.rule = &rule
	r.registers = [20]content{}
	r.family, r.protocol, r.lower, r.stage = r.table.Program.Family, 0, nil, matching
	if cap(r.matches) < maxMatches {
		r.matches = make([]firewall.Match, 0, 64*maxMatches)
	}
	rule.Matches = r.matches[:0]
	for list := netlink.Decode(l.expressions); list.Next(); {
		r.expression(list.Nested())
	}
	r.flush()
	// What the rule has got is its own; the next rule's matches come behind.
	used := min(len(rule.Matches), cap(r.matches))
	if rule.Matches = slices.Clip(rule.Matches); used == 0 {
		rule.Matches = nil
	}
	r.matches = r.matches[used:used]
	return rule, false
}

// values are the attributes of an expression by their kind.
type values [16][]byte

// known reports whether there are no attributes but those of the given kinds.
func (v *values) known(kinds ...int) bool {
	for kind, value := range v {
		if value == nil {
			continue
		}
		found := false
		for _, k := range kinds {
			found = found || k == kind
		}
		if !found {
			return false
		}
	}
	return true
}

func (v *values) big32(kind int) uint32 {
	if len(v[kind]) != 4 {
		return 0
	}
	return binary.BigEndian.Uint32(v[kind])
}

func (v *values) big64(kind int) uint64 {
	if len(v[kind]) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(v[kind])
}

func (v *values) nested(kind int) netlink.Decoder { return netlink.Decode(v[kind]) }

// register returns the index in registers of a register that an attribute
// names, -1 for the verdict and for none.
func (v *values) register(kind int) int {
	switch n := int(v.big32(kind)); {
	case v[kind] == nil:
		return -1
	case n >= unix.NFT_REG_1 && n <= unix.NFT_REG_4:
		return (n - unix.NFT_REG_1) * 4
	case n >= unix.NFT_REG32_00 && n < unix.NFT_REG32_00+16:
		return n - unix.NFT_REG32_00
	}
	return -1
}

func parseValues(d netlink.Decoder) (v values, ok bool) {
	for d.Next() {
		if int(d.Kind()) >= len(v) {
			return v, false
		}
		v[d.Kind()] = d.Bytes()[:len(d.Bytes()):len(d.Bytes())]
		if v[d.Kind()] == nil {
			v[d.Kind()] = []byte{}
		}
	}
	return v, d.Err() == nil
}

// expression reads one expression; what it does not know becomes an unknown
// part of the rule.
func (r *ruleReader) expression(d netlink.Decoder) {
	var name []byte
	var inner netlink.Decoder
	for d.Next() {
		switch d.Kind() {
		case unix.NFTA_EXPR_NAME:
			name = text(d.Bytes())
		case unix.NFTA_EXPR_DATA:
			inner = d.Nested()
		}
	}
	v, ok := parseValues(inner)
	if string(name) != "cmp" {
		r.flush()
	}
	if !ok || !r.known(string(name), &v) {
		r.unknown(string(name), &v)
	}
}

// unknown notes an expression that this package has no words for. Those that
// only do something cannot change what the rule matches.
func (r *ruleReader) unknown(name string, v *values) {
	switch name {
	case "log", "counter", "notrack", "dup", "objref", "flow_offload", "quota", "last":
		r.rule.Effects.Unknown = append(r.rule.Effects.Unknown, name)
	case "match", "target":
		name = "xt " + name + " " + string(text(v[1]))
		r.rule.Matches = append(r.rule.Matches, firewall.Match{Unknown: name})
	default:
		r.rule.Matches = append(r.rule.Matches, firewall.Match{Unknown: name})
	}
}

// known reads an expression and reports whether it could.
func (r *ruleReader) known(name string, v *values) bool {
	switch name {
	case "meta", "payload", "ct", "fib":
		return r.loads(name, v)
	case "bitwise":
		return r.masks(v)
	case "byteorder":
		return r.swaps(v)
	case "cmp":
		return v.known(1, 2, 3) && r.compares(v.register(unix.NFTA_CMP_SREG), v.big32(unix.NFTA_CMP_OP), dataValue(v.nested(unix.NFTA_CMP_DATA)))
	case "range":
		return r.ranges(v)
	case "lookup":
		return r.looksUp(v)
	case "immediate":
		return r.immediate(v)
	case "rt":
		return v.known(1, 2) && v.big32(unix.NFTA_RT_KEY) == unix.NFT_RT_TCPMSS && r.set(v.register(unix.NFTA_RT_DREG), content{kind: pathMSS})
	}
	return r.knownEffect(name, v)
}

// set puts content into a register; false if there is no such register.
func (r *ruleReader) set(register int, c content) bool {
	if register < 0 {
		return false
	}
	r.registers[register] = c
	return true
}

func (r *ruleReader) loads(name string, v *values) bool {
	c := content{kind: loaded}
	switch name {
	case "meta":
		c.load, c.key = firewall.LoadMeta, v.big32(unix.NFTA_META_KEY)
		return v.known(1, 2) && r.set(v.register(unix.NFTA_META_DREG), c)
	case "payload":
		c.load, c.offset, c.length = firewall.LoadNetwork, v.big32(unix.NFTA_PAYLOAD_OFFSET), int(v.big32(unix.NFTA_PAYLOAD_LEN))
		base := v.big32(unix.NFTA_PAYLOAD_BASE)
		if base == unix.NFT_PAYLOAD_TRANSPORT_HEADER {
			c.load = firewall.LoadTransport
		} else if base != unix.NFT_PAYLOAD_NETWORK_HEADER {
			return false
		}
		return v.known(1, 2, 3, 4) && r.set(v.register(unix.NFTA_PAYLOAD_DREG), c)
	case "ct":
		c.load, c.key = firewall.LoadConnection, v.big32(unix.NFTA_CT_KEY)
		if direction := v[unix.NFTA_CT_DIRECTION]; direction != nil {
			c.load = firewall.LoadConnectionOrigin
			if !bytes.Equal(direction, []byte{0}) {
				return false
			}
		}
		return v.known(1, 2, 3) && r.set(v.register(unix.NFTA_CT_DREG), c)
	}
	c.load = firewall.LoadDestinationAddress
	switch v.big32(unix.NFTA_FIB_FLAGS) {
	case unix.NFTA_FIB_F_SADDR:
		c.load = firewall.LoadSourceAddress
	case unix.NFTA_FIB_F_DADDR:
	default:
		return false
	}
	return v.big32(unix.NFTA_FIB_RESULT) == unix.NFT_FIB_RESULT_ADDRTYPE && v.known(1, 2, 3) && r.set(v.register(unix.NFTA_FIB_DREG), c)
}

// masks reads a bitwise AND in place.
func (r *ruleReader) masks(v *values) bool {
	from, to := v.register(unix.NFTA_BITWISE_SREG), v.register(unix.NFTA_BITWISE_DREG)
	mask, xor := dataValue(v.nested(unix.NFTA_BITWISE_MASK)), dataValue(v.nested(unix.NFTA_BITWISE_XOR))
	if from < 0 || to < 0 || mask == nil || v.big32(bitwiseOperation) != 0 || !v.known(1, 2, 3, 4, 5, 6) {
		return false
	}
	c := r.registers[from]
	if c.kind != loaded || c.mask != nil || c.swapped || len(bytes.Trim(xor, "\x00")) > 0 {
		return false
	}
	c.mask = mask
	return r.set(to, c)
}

// swaps reads the change of a value to network order.
func (r *ruleReader) swaps(v *values) bool {
	from, to := v.register(unix.NFTA_BYTEORDER_SREG), v.register(unix.NFTA_BYTEORDER_DREG)
	if from < 0 || v.big32(unix.NFTA_BYTEORDER_OP) != unix.NFT_BYTEORDER_HTON {
		return false
	}
	c := r.registers[from]
	if c.kind == pathMSS {
		return r.set(to, c)
	}
	c.swapped = true
	return c.kind == loaded && v.big32(unix.NFTA_BYTEORDER_LEN) == v.big32(unix.NFTA_BYTEORDER_SIZE) && r.set(to, c)
}

func (r *ruleReader) immediate(v *values) bool {
	if !v.known(1, 2) {
		return false
	}
	if v.big32(unix.NFTA_IMMEDIATE_DREG) == verdictRegister {
		verdict, ok := readVerdict(v.nested(unix.NFTA_IMMEDIATE_DATA))
		r.rule.Verdict = verdict
		r.reach(deciding)
		return ok
	}
	data := dataValue(v.nested(unix.NFTA_IMMEDIATE_DATA))
	return data != nil && r.set(v.register(unix.NFTA_IMMEDIATE_DREG), content{kind: immediate, data: data})
}

// reach notes that the rule has come to a stage. One that comes late is noted as
// unknown: the same parts in another order are another rule.
func (r *ruleReader) reach(s stage) {
	if s < r.stage || s == r.stage && s != matching {
		r.rule.Effects.Unknown = append(r.rule.Effects.Unknown, stageNames[s]+" behind "+stageNames[r.stage])
	}
	r.stage = max(r.stage, s)
}

// knownEffect reads what a rule does beside its matches.
func (r *ruleReader) knownEffect(name string, v *values) bool {
	e := &r.rule.Effects
	switch name {
	case "counter":
		r.reach(counting)
		e.Counter = true
		return v.known(unix.NFTA_COUNTER_BYTES, unix.NFTA_COUNTER_PACKETS, unix.NFTA_COUNTER_PAD)
	case "limit":
		r.reach(limiting)
		limit, ok := readLimit(v)
		e.Limit = limit
		return ok
	case "dynset":
		return r.sourceLimit(v)
	case "log":
		return r.log(v)
	case "exthdr":
		r.reach(clamping)
		e.ClampMSS = true
		from := v.register(unix.NFTA_EXTHDR_SREG)
		return from >= 0 && r.registers[from].kind == pathMSS && v.big32(unix.NFTA_EXTHDR_OP) == unix.NFT_EXTHDR_OP_TCPOPT &&
			bytes.Equal(v[unix.NFTA_EXTHDR_TYPE], []byte{maxSegmentOption}) && v.big32(unix.NFTA_EXTHDR_OFFSET) == 2 && v.big32(unix.NFTA_EXTHDR_LEN) == 2
	case "nat", "masq", "redir":
		r.reach(translating)
		n, ok := r.readNAT(name, v)
		e.NAT = n
		return ok
	case "reject":
		r.reach(deciding)
		r.rule.Verdict = firewall.Verdict{Kind: firewall.Reject, Answer: r.answer(v)}
		return v.known(1, 2)
	}
	return false
}

func (r *ruleReader) answer(v *values) firewall.Answer {
	a := firewall.Answer{Type: firewall.AnswerType(v.big32(unix.NFTA_REJECT_TYPE))}
	if code := v[unix.NFTA_REJECT_ICMP_CODE]; len(code) == 1 && a.Type != firewall.ResetAnswer {
		a.Code = code[0]
	}
	if a.Type == firewall.ICMPAnswer {
		a.Family = r.family
	}
	return a
}

func readLimit(v *values) (*firewall.Limit, bool) {
	l := &firewall.Limit{
		Rate:  v.big64(unix.NFTA_LIMIT_RATE),
		Per:   time.Duration(v.big64(unix.NFTA_LIMIT_UNIT)) * time.Second,
		Burst: v.big32(unix.NFTA_LIMIT_BURST),
		Over:  v.big32(unix.NFTA_LIMIT_FLAGS)&limitInverted != 0,
	}
	return l, v.big32(unix.NFTA_LIMIT_TYPE) == unix.NFT_LIMIT_PKTS && v.known(1, 2, 3, 4, 5, 6)
}

// sourceLimit reads a limit for each address, kept in a dynamic set.
func (r *ruleReader) sourceLimit(v *values) bool {
	r.reach(limiting)
	register := v.register(unix.NFTA_DYNSET_SREG_KEY)
	if register < 0 || v.big32(unix.NFTA_DYNSET_OP) != unix.NFT_DYNSET_OP_UPDATE || !v.known(1, 3, 4, 6, 7, 8, 9) || v.big32(dynsetFlags) != 0 || v.big64(unix.NFTA_DYNSET_TIMEOUT) != 0 {
		return false
	}
	fields := r.resolve(register, -1)
	inner := v.nested(unix.NFTA_DYNSET_EXPR)
	if len(fields) != 1 || nameOf(inner) != "limit" {
		return false
	}
	for inner.Next() {
		if inner.Kind() != unix.NFTA_EXPR_DATA {
			continue
		}
		data, ok := parseValues(inner.Nested())
		limit, known := readLimit(&data)
		limit.Source, limit.Set = fields[0].id, string(text(v[unix.NFTA_DYNSET_SET_NAME]))
		r.rule.Effects.Limit = limit
		r.keyOf(limit.Set, []firewall.FieldID{limit.Source})
		return ok && known
	}
	return false
}

func (r *ruleReader) log(v *values) bool {
	r.reach(logging)
	l := &firewall.Log{Prefix: string(text(v[unix.NFTA_LOG_PREFIX])), Level: uint8(v.big32(unix.NFTA_LOG_LEVEL))}
	if group := v[unix.NFTA_LOG_GROUP]; len(group) == 2 {
		l.Group, l.HasGroup, l.Level = binary.BigEndian.Uint16(group), true, 0
	}
	r.rule.Effects.Log = l
	plain := v.big32(unix.NFTA_LOG_FLAGS) == 0 && v.big32(unix.NFTA_LOG_SNAPLEN) == 0
	threshold := v[unix.NFTA_LOG_QTHRESHOLD]
	return plain && (threshold == nil || bytes.Equal(threshold, []byte{0, 0})) && v.known(1, 2, 3, 4, 5, 6)
}
