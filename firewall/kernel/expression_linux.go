package kernel

import (
	"bytes"
	"encoding/binary"
	"time"

	"golang.org/x/sys/unix"

	"wirelab/firewall"
	"wirelab/internal/netlink"
)

// Expressions are written in the very form in which the kernel lists them: the
// order of the attributes, the numbers of registers, no flag on what nests. So a rule
// that reads back byte by byte as it was written is known without being understood; see
// seal.

// expression opens an expression of a list; end closes it.
func (w *writer) expression(name string) (outer, inner netlink.Mark) {
	outer = w.NestRaw(unix.NFTA_LIST_ELEM)
	w.String(unix.NFTA_EXPR_NAME, name)
	return outer, w.NestRaw(unix.NFTA_EXPR_DATA)
}

// counter appends a counter that begins at what has been seen.
func (w *writer) counter(kind uint16, seen firewall.Traffic) {
	outer := w.NestRaw(kind)
	w.String(unix.NFTA_EXPR_NAME, "counter")
	inner := w.NestRaw(unix.NFTA_EXPR_DATA)
	w.Big64(unix.NFTA_COUNTER_BYTES, seen.Bytes)
	w.Big64(unix.NFTA_COUNTER_PACKETS, seen.Packets)
	w.end(outer, inner)
}

// registerNumber returns the kernel's number of a register of four bytes, counted
// from 0.
func registerNumber(index uint32) uint32 {
	if index%4 == 0 {
		return unix.NFT_REG_1 + index/4
	}
	return unix.NFT_REG32_00 + index
}

func (w *writer) end(outer, inner netlink.Mark) {
	w.End(inner)
	w.End(outer)
}

// value appends a nested data value.
func (w *writer) value(kind uint16, data []byte) {
	mark := w.NestRaw(kind)
	w.Bytes(unix.NFTA_DATA_VALUE, data)
	w.End(mark)
}

// rule appends the expressions of a rule.
func (w *writer) rule(r *firewall.Rule) {
	for i := range r.Matches {
		w.match(&r.Matches[i])
	}
	w.effects(&r.Effects)
	switch {
	case len(r.Lookup.Fields) > 0:
		w.loadKey(r.Lookup.Fields, w.set(r.Lookup.Set))
		w.lookup(r.Lookup.Set, true, false)
	case r.Verdict.Kind == firewall.Reject:
		w.reject(r.Verdict.Answer)
	case r.Verdict.Kind != firewall.Continue:
		outer, inner := w.expression("immediate")
		w.Big32(unix.NFTA_IMMEDIATE_DREG, verdictRegister)
		w.verdict(unix.NFTA_IMMEDIATE_DATA, r.Verdict)
		w.end(outer, inner)
	}
}

// set returns the set of that name in the program, which must be there.
func (w *writer) set(name string) *firewall.Set {
	s := w.sets.of(w.program.Sets, name)
	if s == nil {
		w.fail("set %q is not in the program", name)
		return &firewall.Set{}
	}
	return s
}

func (w *writer) match(m *firewall.Match) {
	switch f := m.Field.Info(); {
	case m.Unknown != "" || f.Width == 0:
		w.fail("match %q", m.Unknown)
	case m.Set != "":
		w.loadKey(append([]firewall.FieldID{m.Field}, m.Concat...), w.set(m.Set))
		w.lookup(m.Set, false, m.Not)
	case len(m.From) != f.Width || m.Mask != nil && len(m.Mask) != f.Width || m.To != nil && len(m.To) != f.Width:
		w.fail("match of %s with values of another width", f.Name)
	case m.To != nil:
		w.rangeMatch(f, m)
	default:
		w.compare(f, m)
	}
}

// compare appends the comparison with one value, under a mask where there is
// one. Of a prefix of whole bytes only those bytes are loaded or compared.
func (w *writer) compare(f *firewall.Field, m *firewall.Match) {
	length := f.Width
	short := prefixBytes(m.Mask)
	switch {
	case short == 0 || !bytes.Equal(m.From[short:], make([]byte, f.Width-short)):
		w.load(f, firstRegister, length)
		if m.Mask != nil {
			w.bitwise(m.Mask)
		}
	case f.Load == firewall.LoadNetwork || f.Load == firewall.LoadTransport:
		length = short
		w.load(f, firstRegister, length)
	case f.Load == firewall.LoadMeta && f.Width == unix.IFNAMSIZ:
		length = short
		w.load(f, firstRegister, f.Width)
	default:
		w.load(f, firstRegister, length)
		w.bitwise(m.Mask)
	}
	w.cmp(operator(m.Not), m.From[:length])
}

func operator(not bool) uint32 {
	if not {
		return unix.NFT_CMP_NEQ
	}
	return unix.NFT_CMP_EQ
}

// prefixBytes returns how many bytes of ones a mask begins with, if it is zero
// behind them, else 0.
func prefixBytes(mask []byte) int {
	ones := 0
	for ones < len(mask) && mask[ones] == 0xff {
		ones++
	}
	for _, b := range mask[ones:] {
		if b != 0 {
			return 0
		}
	}
	return ones
}

func (w *writer) rangeMatch(f *firewall.Field, m *firewall.Match) {
	w.load(f, firstRegister, f.Width)
	if m.Mask != nil {
		w.bitwise(m.Mask)
	}
	from, to := m.From, m.To
	if f.Host {
		w.byteorder(f.Width)
		from, to = reversed(from), reversed(to)
	}
	if !m.Not {
		w.cmp(unix.NFT_CMP_GTE, from)
		w.cmp(unix.NFT_CMP_LTE, to)
		return
	}
	outer, inner := w.expression("range")
	w.Big32(unix.NFTA_RANGE_SREG, firstRegister)
	w.Big32(unix.NFTA_RANGE_OP, unix.NFT_RANGE_NEQ)
	w.value(unix.NFTA_RANGE_FROM_DATA, from)
	w.value(unix.NFTA_RANGE_TO_DATA, to)
	w.end(outer, inner)
}

func (w *writer) cmp(op uint32, data []byte) {
	outer, inner := w.expression("cmp")
	w.Big32(unix.NFTA_CMP_SREG, firstRegister)
	w.Big32(unix.NFTA_CMP_OP, op)
	w.value(unix.NFTA_CMP_DATA, data)
	w.end(outer, inner)
}

func (w *writer) bitwise(mask []byte) {
	outer, inner := w.expression("bitwise")
	w.Big32(unix.NFTA_BITWISE_SREG, firstRegister)
	w.Big32(unix.NFTA_BITWISE_DREG, firstRegister)
	w.Big32(unix.NFTA_BITWISE_LEN, uint32(len(mask)))
	w.Big32(bitwiseOperation, 0)
	w.value(unix.NFTA_BITWISE_MASK, mask)
	w.value(unix.NFTA_BITWISE_XOR, make([]byte, len(mask)))
	w.end(outer, inner)
}

// byteorder turns the value in the first register into network order, in which
// the kernel can compare ranges.
func (w *writer) byteorder(width int) {
	outer, inner := w.expression("byteorder")
	w.Big32(unix.NFTA_BYTEORDER_SREG, firstRegister)
	w.Big32(unix.NFTA_BYTEORDER_DREG, firstRegister)
	w.Big32(unix.NFTA_BYTEORDER_OP, unix.NFT_BYTEORDER_HTON)
	w.Big32(unix.NFTA_BYTEORDER_LEN, uint32(width))
	w.Big32(unix.NFTA_BYTEORDER_SIZE, uint32(width))
	w.end(outer, inner)
}

// loadKey loads the fields of a key into registers one behind the other.
func (w *writer) loadKey(fields []firewall.FieldID, s *firewall.Set) {
	register := uint32(0)
	for _, id := range fields {
		f := id.Info()
		w.load(f, registerNumber(register), f.Width)
		if f.Host && s.Interval {
			if len(fields) > 1 {
				w.fail("ranges of %s in a concatenation", f.Name)
			}
			w.byteorder(f.Width)
		}
		register += uint32(padded(f.Width) / 4)
	}
}

// load appends what brings a field into a register.
func (w *writer) load(f *firewall.Field, register uint32, length int) {
	switch f.Load {
	case firewall.LoadMeta:
		outer, inner := w.expression("meta")
		w.Big32(unix.NFTA_META_KEY, f.Key)
		w.Big32(unix.NFTA_META_DREG, register)
		w.end(outer, inner)
	case firewall.LoadNetwork, firewall.LoadTransport:
		base := uint32(unix.NFT_PAYLOAD_NETWORK_HEADER)
		if f.Load == firewall.LoadTransport {
			base = unix.NFT_PAYLOAD_TRANSPORT_HEADER
		}
		outer, inner := w.expression("payload")
		w.Big32(unix.NFTA_PAYLOAD_DREG, register)
		w.Big32(unix.NFTA_PAYLOAD_BASE, base)
		w.Big32(unix.NFTA_PAYLOAD_OFFSET, f.Offset)
		w.Big32(unix.NFTA_PAYLOAD_LEN, uint32(length))
		w.end(outer, inner)
	case firewall.LoadConnection, firewall.LoadConnectionOrigin:
		outer, inner := w.expression("ct")
		w.Big32(unix.NFTA_CT_DREG, register)
		w.Big32(unix.NFTA_CT_KEY, f.Key)
		if f.Load == firewall.LoadConnectionOrigin {
			w.Uint8(unix.NFTA_CT_DIRECTION, 0)
		}
		w.end(outer, inner)
	default:
		w.loadAddressType(f, register)
	}
}

func (w *writer) loadAddressType(f *firewall.Field, register uint32) {
	flags := uint32(unix.NFTA_FIB_F_DADDR)
	if f.Load == firewall.LoadSourceAddress {
		flags = unix.NFTA_FIB_F_SADDR
	}
	outer, inner := w.expression("fib")
	w.Big32(unix.NFTA_FIB_DREG, register)
	w.Big32(unix.NFTA_FIB_RESULT, unix.NFT_FIB_RESULT_ADDRTYPE)
	w.Big32(unix.NFTA_FIB_FLAGS, flags)
	w.end(outer, inner)
}

func (w *writer) lookup(set string, verdicts, not bool) {
	outer, inner := w.expression("lookup")
	w.String(unix.NFTA_LOOKUP_SET, set)
	w.Big32(unix.NFTA_LOOKUP_SREG, firstRegister)
	if verdicts {
		w.Big32(unix.NFTA_LOOKUP_DREG, verdictRegister)
	}
	flags := uint32(0)
	if not {
		flags = unix.NFT_LOOKUP_F_INV
	}
	w.Big32(unix.NFTA_LOOKUP_FLAGS, flags)
	w.end(outer, inner)
}

// Codes of verdicts (linux/netfilter/nf_tables.h and linux/netfilter.h).
var verdictCodes = [...]int32{
	firewall.Continue: unix.NFT_CONTINUE, firewall.Accept: 1, firewall.Drop: 0,
	firewall.Jump: unix.NFT_JUMP, firewall.Goto: unix.NFT_GOTO, firewall.Return: unix.NFT_RETURN,
}

func (w *writer) verdict(kind uint16, v firewall.Verdict) {
	if v.Kind == firewall.Reject || int(v.Kind) >= len(verdictCodes) {
		w.fail("verdict %d in a map", v.Kind)
		return
	}
	outer := w.NestRaw(kind)
	inner := w.NestRaw(unix.NFTA_DATA_VERDICT)
	w.Big32(unix.NFTA_VERDICT_CODE, uint32(verdictCodes[v.Kind]))
	if v.Kind == firewall.Jump || v.Kind == firewall.Goto {
		w.String(unix.NFTA_VERDICT_CHAIN, v.Chain)
	}
	w.End(inner)
	w.End(outer)
}

func (w *writer) reject(a firewall.Answer) {
	outer, inner := w.expression("reject")
	w.Big32(unix.NFTA_REJECT_TYPE, uint32(a.Type))
	if a.Type != firewall.ResetAnswer {
		w.Uint8(unix.NFTA_REJECT_ICMP_CODE, a.Code)
	}
	w.end(outer, inner)
}

func (w *writer) effects(e *firewall.Effects) {
	if len(e.Unknown) > 0 {
		w.fail("effect %q", e.Unknown[0])
	}
	if e.Limit != nil {
		w.limitEffect(e.Limit)
	}
	if e.Counter {
		w.counter(unix.NFTA_LIST_ELEM, firewall.Traffic{})
	}
	if e.Log != nil {
		w.log(e.Log)
	}
	if e.ClampMSS {
		w.clampMSS()
	}
	if e.NAT != nil {
		w.nat(e.NAT)
	}
}

// limitEffect appends a limit for all, or one for each source: an element of the
// dynamic set that holds the limit and lives on as long as packets come.
func (w *writer) limitEffect(l *firewall.Limit) {
	if l.Set == "" {
		w.limit(unix.NFTA_LIST_ELEM, l)
		return
	}
	f := l.Source.Info()
	w.load(f, firstRegister, f.Width)
	outer, inner := w.expression("dynset")
	w.Big32(unix.NFTA_DYNSET_SREG_KEY, firstRegister)
	w.Big32(unix.NFTA_DYNSET_OP, unix.NFT_DYNSET_OP_UPDATE)
	w.String(unix.NFTA_DYNSET_SET_NAME, l.Set)
	if w.set(l.Set).Timeout > 0 {
		w.Big64(unix.NFTA_DYNSET_TIMEOUT, 0) // that of the set
	}
	w.limit(unix.NFTA_DYNSET_EXPR, l)
	w.Big32(dynsetFlags, 0)
	w.end(outer, inner)
}

func (w *writer) limit(kind uint16, l *firewall.Limit) {
	outer := w.NestRaw(kind)
	w.String(unix.NFTA_EXPR_NAME, "limit")
	inner := w.NestRaw(unix.NFTA_EXPR_DATA)
	w.Big64(unix.NFTA_LIMIT_RATE, l.Rate)
	w.Big64(unix.NFTA_LIMIT_UNIT, uint64(l.Per/time.Second))
	burst, flags := l.Burst, uint32(0)
	if burst == 0 {
		burst = defaultBurst
	}
	if l.Over {
		flags = limitInverted
	}
	w.Big32(unix.NFTA_LIMIT_BURST, burst)
	w.Big32(unix.NFTA_LIMIT_TYPE, unix.NFT_LIMIT_PKTS)
	w.Big32(unix.NFTA_LIMIT_FLAGS, flags)
	w.end(outer, inner)
}

func (w *writer) log(l *firewall.Log) {
	outer, inner := w.expression("log")
	if l.Prefix != "" {
		w.String(unix.NFTA_LOG_PREFIX, l.Prefix)
	}
	if l.HasGroup {
		w.Big16(unix.NFTA_LOG_GROUP, l.Group)
	} else {
		w.Big32(unix.NFTA_LOG_LEVEL, uint32(l.Level))
	}
	w.end(outer, inner)
}

// clampMSS writes the path's largest segment into the option of a TCP SYN.
func (w *writer) clampMSS() {
	outer, inner := w.expression("rt")
	w.Big32(unix.NFTA_RT_KEY, unix.NFT_RT_TCPMSS)
	w.Big32(unix.NFTA_RT_DREG, firstRegister)
	w.end(outer, inner)
	w.byteorder(2)
	outer, inner = w.expression("exthdr")
	w.Big32(unix.NFTA_EXTHDR_SREG, firstRegister)
	w.Uint8(unix.NFTA_EXTHDR_TYPE, maxSegmentOption)
	w.Big32(unix.NFTA_EXTHDR_OFFSET, 2)
	w.Big32(unix.NFTA_EXTHDR_LEN, 2)
	w.Big32(unix.NFTA_EXTHDR_OP, unix.NFT_EXTHDR_OP_TCPOPT)
	w.end(outer, inner)
}

func (w *writer) nat(n *firewall.NAT) {
	register := uint32(0)
	immediate := func(data []byte) uint32 {
		outer, inner := w.expression("immediate")
		w.Big32(unix.NFTA_IMMEDIATE_DREG, registerNumber(register))
		w.value(unix.NFTA_IMMEDIATE_DATA, data)
		w.end(outer, inner)
		register += 4
		return registerNumber(register - 4)
	}
	var at natPlaces
	if n.From != nil {
		at.addressMin = immediate(n.From)
		at.addressMax = at.addressMin
		if n.To != nil {
			at.addressMax = immediate(n.To)
		}
	}
	if n.MinPort != 0 {
		at.portMin = immediate(binary.BigEndian.AppendUint16(nil, n.MinPort))
		at.portMax = at.portMin
		if n.MaxPort > n.MinPort {
			at.portMax = immediate(binary.BigEndian.AppendUint16(nil, n.MaxPort))
		}
	}
	w.natExpression(n, at)
}

// natPlaces are registers, 0 for none.
type natPlaces struct{ addressMin, addressMax, portMin, portMax uint32 }

// natNames has the expression of each kind, and its attributes for ports and flags.
var natNames = [...]struct {
	name             string
	minPort, maxPort uint16
	flags            uint16
}{
	firewall.DestinationNAT: {"nat", unix.NFTA_NAT_REG_PROTO_MIN, unix.NFTA_NAT_REG_PROTO_MAX, unix.NFTA_NAT_FLAGS},
	firewall.SourceNAT:      {"nat", unix.NFTA_NAT_REG_PROTO_MIN, unix.NFTA_NAT_REG_PROTO_MAX, unix.NFTA_NAT_FLAGS},
	firewall.Masquerade:     {"masq", unix.NFTA_MASQ_REG_PROTO_MIN, unix.NFTA_MASQ_REG_PROTO_MAX, unix.NFTA_MASQ_FLAGS},
	firewall.Redirect:       {"redir", unix.NFTA_REDIR_REG_PROTO_MIN, unix.NFTA_REDIR_REG_PROTO_MAX, unix.NFTA_REDIR_FLAGS},
}

func (w *writer) natExpression(n *firewall.NAT, at natPlaces) {
	names := natNames[n.Kind]
	outer, inner := w.expression(names.name)
	if names.name == "nat" {
		kind := uint32(unix.NFT_NAT_DNAT)
		if n.Kind == firewall.SourceNAT {
			kind = unix.NFT_NAT_SNAT
		}
		w.Big32(unix.NFTA_NAT_TYPE, kind)
		w.Big32(unix.NFTA_NAT_FAMILY, uint32(natFamily(n, w.program)))
		w.register(unix.NFTA_NAT_REG_ADDR_MIN, at.addressMin)
		w.register(unix.NFTA_NAT_REG_ADDR_MAX, at.addressMax)
	}
	w.register(names.minPort, at.portMin)
	w.register(names.maxPort, at.portMax)
	if flags := natFlags(n, at); flags != 0 {
		w.Big32(names.flags, flags)
	}
	w.end(outer, inner)
}

func (w *writer) register(kind uint16, register uint32) {
	if register != 0 {
		w.Big32(kind, register)
	}
}

// natFlags returns the flags, with those that the kernel adds by itself.
func natFlags(n *firewall.NAT, at natPlaces) (flags uint32) {
	if at.addressMin != 0 {
		flags |= natAddresses
	}
	if at.portMin != 0 && n.Kind != firewall.Masquerade {
		flags |= natPorts
	}
	if n.Random {
		flags |= natRandom
	}
	if n.Persistent {
		flags |= natPersistent
	}
	return flags
}

// reversed returns the bytes of a number in the other order.
func reversed(b []byte) []byte {
	swapped := make([]byte, len(b))
	for i, v := range b {
		swapped[len(b)-1-i] = v
	}
	return swapped
}
