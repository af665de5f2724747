package filter

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// maxDepth bounds how deep parentheses and negations nest.
const maxDepth = 200

type parser struct {
	text   string
	tokens []token
	pos    int
	depth  int
	last   qualifiers // what an identifier without qualifiers takes over
	tagged bool       // the filter asks for VLANs
}

// qualifiers are the words in front of an identifier: ip src host …
type qualifiers struct {
	protocol  string // "" is any
	direction string // "", src, dst, "src and dst"
	kind      string // "", host, net, port, portrange, proto
	set       bool
}

func (p *parser) peek() token { return p.tokens[p.pos] }

func (p *parser) peekAfter(n int) token { return p.tokens[min(p.pos+n, len(p.tokens)-1)] }

func (p *parser) take() token {
	t := p.peek()
	if t.kind != tokenEnd {
		p.pos++
	}
	return t
}

// is reports whether a token is one of these words or symbols.
func (t token) is(texts ...string) bool {
	return (t.kind == tokenWord || t.kind == tokenSymbol) && slices.Contains(texts, t.text)
}

func (p *parser) accept(texts ...string) bool {
	if p.peek().is(texts...) {
		p.pos++
		return true
	}
	return false
}

func (p *parser) fail(t token, format string, args ...any) error {
	return &Error{p.text, t.offset, len(t.text), fmt.Sprintf(format, args...)}
}

func (p *parser) parse() (node, error) {
	if p.peek().kind == tokenEnd {
		return always(true), nil
	}
	n, err := p.expression()
	if err == nil && p.peek().kind != tokenEnd {
		err = p.fail(p.peek(), `expected "and", "or" or the end`)
	}
	return n, err
}

// expression reads terms with "and" and "or", which bind equally tight, to the left.
func (p *parser) expression() (node, error) {
	left, err := p.term()
	for err == nil {
		join := either
		switch {
		case p.accept("and", "&&"):
			join = both
		case p.accept("or", "||"):
		default:
			return left, nil
		}
		var right node
		if right, err = p.term(); err == nil {
			left = join(left, right)
		}
	}
	return nil, err
}

func (p *parser) term() (node, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, p.fail(p.peek(), "nested too deep")
	}
	defer func() { p.depth-- }()
	t := p.peek()
	switch {
	case p.accept("not", "!"):
		n, err := p.term()
		if err != nil {
			return nil, err
		}
		return not(n), nil
	case t.is("("):
		return p.parenthesis()
	case p.startsRelation():
		return p.relation()
	}
	if special, ok := specials[t.text]; ok && t.kind == tokenWord {
		p.take()
		return special(p, t)
	}
	return p.primitive()
}

// parenthesis reads what begins with "(": a calculation, or a condition.
func (p *parser) parenthesis() (node, error) {
	begin := p.pos
	n, calculation := p.relation()
	if calculation == nil {
		return n, nil
	}
	p.pos = begin
	p.take()
	n, err := p.expression()
	if err == nil && !p.accept(")") {
		err = p.fail(p.peek(), `expected ")"`)
	}
	if further(calculation, err) {
		return nil, calculation
	}
	return n, err
}

// further reports whether a is an error further on in the text than the error b.
func further(a, b error) bool {
	var first, second *Error
	return errors.As(a, &first) && errors.As(b, &second) && first.Offset > second.Offset
}

// specials are the words that stand for a condition by themselves, or with a number.
// The table is never written.
var specials = map[string]func(*parser, token) (node, error){
	"less":      func(p *parser, _ token) (node, error) { return p.lengthIs(jumpGreater, true) },
	"greater":   func(p *parser, _ token) (node, error) { return p.lengthIs(jumpGreaterEqual, false) },
	"inbound":   func(_ *parser, t token) (node, error) { return direction(t, false), nil },
	"outbound":  func(_ *parser, t token) (node, error) { return direction(t, true), nil },
	"broadcast": func(p *parser, t token) (node, error) { return p.broadcast(t, "") },
	"multicast": func(p *parser, t token) (node, error) { return p.multicast(t, "") },
	"pppoed":    func(*parser, token) (node, error) { return linkType(0x8863), nil },
	"pppoes": func(p *parser, _ token) (node, error) {
		id, err := p.optionalNumber(0xffff)
		return pppoe(id), err
	},
	"vlan": func(p *parser, t token) (node, error) {
		p.tagged = true
		id, err := p.optionalNumber(0xfff)
		return vlan(t, id), err
	},
	"mpls": func(p *parser, t token) (node, error) {
		id, err := p.optionalNumber(0xfffff)
		return mpls(t, id), err
	},
	"ifindex": func(p *parser, t token) (node, error) {
		n, err := p.number(1<<32 - 1)
		return interfaceIndex(t, n), err
	},
}

func interfaceIndex(at token, n uint32) node {
	return func(c *compiler, yes, no label) {
		if c.link.kind != linkSLL2 {
			c.fail(at, "only Linux cooked frames of the second form hold the index of an interface")
			return
		}
		equal(fromFrame, 4, sizeWord, n)(c, yes, no)
	}
}

func (p *parser) lengthIs(op uint16, negate bool) (node, error) {
	k, err := p.number(1<<32 - 1)
	if err != nil {
		return nil, err
	}
	n := func(c *compiler, yes, no label) {
		c.emit(classLoad|modeLength, 0)
		c.jump(op, k, yes, no)
	}
	if negate {
		return not(n), nil
	}
	return n, nil
}

// number reads a number up to most.
func (p *parser) number(most uint32) (uint32, error) {
	t := p.take()
	if t.kind != tokenNumber {
		return 0, p.fail(t, "expected a number")
	}
	n, err := strconv.ParseUint(t.text, 0, 64)
	if err != nil || n > uint64(most) {
		return 0, p.fail(t, "expected a number up to %d", most)
	}
	return uint32(n), nil
}

// optionalNumber reads a number if there is one that is not part of a calculation;
// without it is -1.
func (p *parser) optionalNumber(most uint32) (int64, error) {
	if p.peek().kind != tokenNumber || p.startsRelation() {
		return -1, nil
	}
	n, err := p.number(most)
	return int64(n), err
}

// broadcast and multicast read nothing more; protocol is the word before them.
func (p *parser) broadcast(t token, protocol string) (node, error) {
	switch protocol {
	case "", "ether", "link":
		return ethernetOnly(t, etherAddress(0, [6]byte{255, 255, 255, 255, 255, 255})), nil
	case "ip":
		return nil, p.fail(t, `the netmask is not known; write "ip dst host" with the broadcast address`)
	}
	return nil, p.fail(t, "%s has no broadcast", protocol)
}

func (p *parser) multicast(t token, protocol string) (node, error) {
	switch protocol {
	case "", "ether", "link":
		return ethernetOnly(t, compare(fromFrame, 0, sizeByte, ^uint32(0), jumpSet, 1)), nil
	case "ip":
		return both(linkType(etherIPv4), compare(fromPayload, 16, sizeByte, ^uint32(0), jumpGreaterEqual, 224)), nil
	case "ip6":
		return both(linkType(etherIPv6), equal(fromPayload, 24, sizeByte, 255)), nil
	}
	return nil, p.fail(t, "%s has no multicast", protocol)
}

// ethernetOnly refuses a condition for frames without Ethernet addresses.
func ethernetOnly(t token, n node) node {
	return func(c *compiler, yes, no label) {
		if c.link.kind != linkEthernet {
			c.fail(t, "frames of this link type have no Ethernet addresses")
			return
		}
		n(c, yes, no)
	}
}

// etherAddress compares six bytes, the last four first as tcpdump does.
func etherAddress(offset uint32, a [6]byte) node {
	low := uint32(a[2])<<24 | uint32(a[3])<<16 | uint32(a[4])<<8 | uint32(a[5])
	return both(equal(fromFrame, offset+2, sizeWord, low), equal(fromFrame, offset, sizeHalf, uint32(a[0])<<8|uint32(a[1])))
}
