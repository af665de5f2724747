package filter

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// primitive reads qualifiers and the identifiers that they qualify.
func (p *parser) primitive() (node, error) {
	t := p.peek()
	q := qualifiers{set: true}
	if t.kind == tokenWord && protocolWord(t.text) {
		p.take()
		q.protocol = t.text
		switch after := p.peek(); {
		case p.accept("broadcast"):
			return p.broadcast(after, q.protocol)
		case p.accept("multicast"):
			return p.multicast(after, q.protocol)
		}
	}
	q.direction = p.direction()
	if p.peek().is("host", "net", "port", "portrange", "proto") {
		q.kind = p.take().text
	}
	switch {
	case q.direction != "" || q.kind != "":
		p.last = q
		return p.identifiers(q)
	case q.protocol != "":
		p.last = qualifiers{}
		return p.protocolAlone(t, q.protocol)
	case p.last.set:
		return p.identifiers(p.last)
	}
	return p.identifiers(qualifiers{})
}

// direction reads src, dst, or both with "and" or "or" between them.
func (p *parser) direction() string {
	if !p.peek().is("src", "dst") {
		return ""
	}
	first := p.take().text
	join, second := p.peek(), p.peekAfter(1)
	if !join.is("and", "or", "&&", "||") || !second.is("src", "dst") || second.text == first {
		return first
	}
	if kind := p.peekAfter(2); kind.kind == tokenWord && !kind.is("host", "net", "port", "portrange") {
		return first
	}
	p.take()
	p.take()
	if join.is("and", "&&") {
		return "src and dst"
	}
	return ""
}

// identifiers reads one identifier, or several in parentheses, that may be negated.
func (p *parser) identifiers(q qualifiers) (node, error) {
	negated := false
	for p.accept("not", "!") {
		negated = !negated
	}
	n, err := p.identifierOrMore(q)
	if err == nil && negated {
		n = not(n)
	}
	return n, err
}

func (p *parser) identifierOrMore(q qualifiers) (node, error) {
	if !p.accept("(") {
		return p.identifier(q)
	}
	p.last = q
	n, err := p.expression()
	if err == nil && !p.accept(")") {
		err = p.fail(p.peek(), `expected ")"`)
	}
	return n, err
}

func (p *parser) identifier(q qualifiers) (node, error) {
	t := p.take()
	if t.kind == tokenEnd || t.kind == tokenSymbol {
		return nil, p.fail(t, "expected %s", expected(q.kind))
	}
	switch q.kind {
	case "port":
		return p.port(q, t)
	case "portrange":
		return p.portRange(q, t)
	case "proto":
		return p.protocol(q, t)
	}
	return p.address(q, t)
}

func expected(kind string) string {
	switch kind {
	case "port":
		return "a port"
	case "portrange":
		return "two ports as in 6000-6008"
	case "proto":
		return "a protocol"
	case "host", "net":
		return "an address"
	}
	return "a condition such as host, net, port or the name of a protocol"
}

// protocolAlone is a protocol without anything else: ip, tcp, arp.
func (p *parser) protocolAlone(t token, word string) (node, error) {
	if number, ok := etherTypes[word]; ok {
		return linkType(number), nil
	}
	if proto, ok := ipProtocols[word]; ok {
		return carries(proto.number, proto.four, proto.six), nil
	}
	if number, ok := isoProtocols[word]; ok {
		return isoProtocol(number), nil
	}
	return nil, p.fail(t, "expected host, proto, broadcast or multicast after it")
}

// carries holds for a packet with that protocol right in IPv4 or IPv6.
func carries(number uint32, four, six bool) node {
	n4 := both(linkType(etherIPv4), equal(fromPayload, 9, sizeByte, number))
	direct := equal(fromPayload, 6, sizeByte, number)
	fragment := both(equal(fromPayload, 6, sizeByte, 44), equal(fromPayload, 40, sizeByte, number))
	n6 := both(linkType(etherIPv6), either(direct, fragment))
	switch {
	case four && six:
		return either(n4, n6)
	case six:
		return n6
	}
	return n4
}

func isoProtocol(number uint32) node {
	return both(linkType(sapISO), equal(fromPayload, 3, sizeByte, number))
}

// protocol is what stands after proto, by number or by name.
func (p *parser) protocol(q qualifiers, t token) (node, error) {
	if q.direction != "" {
		return nil, p.fail(t, "a protocol has no direction")
	}
	number, err := strconv.ParseUint(t.text, 0, 32)
	numeric := err == nil && t.kind == tokenNumber
	named := uint32(number)
	known := numeric
	switch q.protocol {
	case "ether", "link":
		if !numeric {
			named, known = etherTypes[t.text], etherTypes[t.text] != 0
		}
		if known {
			return linkType(named), nil
		}
	case "iso":
		if !numeric {
			named, known = isoProtocols[t.text], isoProtocols[t.text] != 0
		}
		if known {
			return isoProtocol(named), nil
		}
	case "", "ip", "ip6":
		if proto, ok := ipProtocols[t.text]; ok {
			named, known = proto.number, true
		} else if number, ok := otherProtocols[t.text]; ok {
			named, known = number, true
		}
		if known {
			return carries(named, q.protocol != "ip6", q.protocol != "ip"), nil
		}
	default:
		return nil, p.fail(t, "proto goes after ether, ip, ip6 or iso, not after %s", q.protocol)
	}
	return nil, p.fail(t, "no known protocol of %s", firstOf(q.protocol, "ip"))
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// port is what stands after port, by number or by the name of a service.
func (p *parser) port(q qualifiers, t token) (node, error) {
	if t.kind == tokenNumber {
		number, err := strconv.ParseUint(t.text, 0, 16)
		if err != nil {
			return nil, p.fail(t, "a port is at most 65535")
		}
		return p.ports(q, t, uint32(number), uint32(number))
	}
	protocols := []string{"tcp", "udp"}
	if q.protocol != "" {
		protocols = []string{q.protocol}
	}
	var number int
	var found []string
	for _, protocol := range protocols {
		if n, err := net.LookupPort(protocol, t.text); err == nil && t.kind != tokenDotted {
			number, found = n, append(found, protocol)
		}
	}
	switch {
	case len(found) == 0:
		return nil, p.fail(t, "no known service of %s", strings.Join(protocols, " or "))
	case len(found) == 1:
		q.protocol = found[0] // a service of one protocol means that protocol
	}
	return p.ports(q, t, uint32(number), uint32(number))
}

func (p *parser) portRange(q qualifiers, t token) (node, error) {
	first, second, ok := strings.Cut(t.text, "-")
	if !ok {
		second = first
	}
	low, err := strconv.ParseUint(first, 0, 16)
	high, err2 := strconv.ParseUint(second, 0, 16)
	if err != nil || err2 != nil || t.kind != tokenRange && t.kind != tokenNumber {
		return nil, p.fail(t, "expected two ports as in 6000-6008")
	}
	return p.ports(q, t, uint32(min(low, high)), uint32(max(low, high)))
}

// ports holds for TCP, UDP and SCTP with ports from low to high.
func (p *parser) ports(q qualifiers, t token, low, high uint32) (node, error) {
	var numbers []uint32
	switch q.protocol {
	case "":
		numbers = []uint32{ipProtocols["sctp"].number, ipProtocols["tcp"].number, ipProtocols["udp"].number}
	case "tcp", "udp", "sctp":
		numbers = []uint32{ipProtocols[q.protocol].number}
	default:
		return nil, p.fail(t, "%s has no ports", q.protocol)
	}
	carried := func(offset uint32) node {
		n := equal(fromPayload, offset, sizeByte, numbers[0])
		for _, number := range numbers[1:] {
			n = either(n, equal(fromPayload, offset, sizeByte, number))
		}
		return n
	}
	six := both(linkType(etherIPv6), both(carried(6), directed(q.direction, portIn6(0, low, high), portIn6(2, low, high))))
	four := both(both(linkType(etherIPv4), carried(9)), both(firstFragment(), directed(q.direction, portIn4(0, low, high), portIn4(2, low, high))))
	return either(six, four), nil
}

func directed(direction string, src, dst node) node {
	switch direction {
	case "src":
		return src
	case "dst":
		return dst
	case "src and dst":
		return both(src, dst)
	}
	return either(src, dst)
}

// firstFragment holds for IPv4 packets that hold the beginning of their payload.
func firstFragment() node {
	return not(compare(fromPayload, 6, sizeHalf, ^uint32(0), jumpSet, 0x1fff))
}

func portIn6(offset, low, high uint32) node {
	return within(func(c *compiler) { c.emit(classLoad|sizeHalf|modeAbsolute, c.at(fromPayload, 40+offset)) }, low, high)
}

func portIn4(offset, low, high uint32) node {
	return within(func(c *compiler) {
		c.emit(classLoadX|sizeByte|modeHeader, c.at(fromPayload, 0))
		c.emit(classLoad|sizeHalf|modeIndirect, c.at(fromPayload, offset))
	}, low, high)
}

// within holds if what load loads is from low to high.
func within(load func(*compiler), low, high uint32) node {
	return func(c *compiler, yes, no label) {
		load(c)
		if low == high {
			c.jump(jumpEqual, low, yes, no)
			return
		}
		above := c.label()
		c.jump(jumpGreaterEqual, low, above, no)
		c.place(above)
		c.jump(jumpGreater, high, no, yes)
	}
}

// unknown is the error for a word that means nothing where it stands.
func (p *parser) unknown(t token) error {
	if why, ok := unsupported[t.text]; ok {
		return p.fail(t, "%q %s", t.text, why)
	}
	return p.fail(t, "no known word; names of hosts are not looked up, %s", fmt.Sprintf("write the address of %s", t.text))
}
