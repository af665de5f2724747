package filter

import "strconv"

// value is a number that a frame determines.
type value struct {
	constant bool
	k        uint32
	guards   []node          // what a frame must be, so that the value means something
	load     func(*compiler) // computes it into A
}

func number(k uint32) value {
	return value{constant: true, k: k, load: func(c *compiler) { c.emit(classLoad|modeImmediate, k) }}
}

var relations = map[string]struct {
	op     uint16
	negate bool
}{
	"=": {jumpEqual, false}, "==": {jumpEqual, false}, "!=": {jumpEqual, true}, ">": {jumpGreater, false},
	"<=": {jumpGreater, true}, ">=": {jumpGreaterEqual, false}, "<": {jumpGreaterEqual, true},
}

// operators by precedence, the loosest first.
var operators = []map[string]uint16{
	{"|": aluOr}, {"^": aluXor}, {"&": aluAnd}, {"<<": aluLsh, ">>": aluRsh}, {"+": aluAdd, "-": aluSub},
	{"*": aluMul, "/": aluDiv, "%": aluMod},
}

// startsRelation reports whether what follows is a calculation: a field, a number
// with an operator after it, or the length.
func (p *parser) startsRelation() bool {
	t, after := p.peek(), p.peekAfter(1)
	if t.is("-", "len", "length") {
		return true
	}
	if _, ok := constants[t.text]; ok && t.kind == tokenWord {
		return true
	}
	if t.kind == tokenNumber && after.kind == tokenSymbol {
		_, relation := relations[after.text]
		return relation || precedence(after) >= 0
	}
	return t.kind == tokenWord && protocolWord(t.text) && after.is("[")
}

func precedence(t token) int {
	for level, ops := range operators {
		if _, ok := ops[t.text]; ok && t.kind == tokenSymbol {
			return level
		}
	}
	return -1
}

// relation reads two calculations and what relates them.
func (p *parser) relation() (node, error) {
	left, err := p.calculation(0)
	if err != nil {
		return nil, err
	}
	t := p.take()
	relation, ok := relations[t.text]
	if !ok || t.kind != tokenSymbol {
		return nil, p.fail(t, "expected one of = != < <= > >=")
	}
	right, err := p.calculation(0)
	if err != nil {
		return nil, err
	}
	n := compareValues(t, relation.op, left, right)
	if relation.negate {
		n = not(n)
	}
	guards := append(left.guards, right.guards...)
	for i := len(guards) - 1; i >= 0; i-- {
		n = both(guards[i], n)
	}
	return n, nil
}

func compareValues(t token, op uint16, left, right value) node {
	return func(c *compiler, yes, no label) {
		if right.constant {
			left.load(c)
			c.jump(op, right.k, yes, no)
			return
		}
		c.operands(t, left, right)
		c.jump(op|sourceX, 0, yes, no)
	}
}

// operands computes left into A and right into X.
func (c *compiler) operands(t token, left, right value) {
	left.load(c)
	slot := uint32(c.slots)
	if c.slots++; c.slots > 16 {
		c.fail(t, "a calculation with too many parts")
		slot = 0
	}
	c.emit(classStore, slot)
	right.load(c)
	c.emit(moveToX, 0)
	c.emit(classLoad|modeMemory, slot)
	c.slots--
}

// calculation reads operators of a precedence and tighter ones.
func (p *parser) calculation(level int) (value, error) {
	if level == len(operators) {
		return p.operand()
	}
	left, err := p.calculation(level + 1)
	for err == nil {
		t := p.peek()
		op, ok := operators[level][t.text]
		if !ok || t.kind != tokenSymbol {
			return left, nil
		}
		p.take()
		var right value
		if right, err = p.calculation(level + 1); err == nil {
			left, err = p.combine(t, op, left, right)
		}
	}
	return value{}, err
}

func (p *parser) combine(t token, op uint16, left, right value) (value, error) {
	if right.constant && right.k == 0 && (op == aluDiv || op == aluMod) {
		return value{}, p.fail(t, "division by zero")
	}
	if right.constant && right.k > 31 && (op == aluLsh || op == aluRsh) {
		return value{}, p.fail(t, "a shift by more than 31 bits")
	}
	if left.constant && right.constant {
		m := machine{a: left.k}
		m.compute(&Instruction{Op: classALU | op, K: right.k})
		return number(m.a), nil
	}
	guards := append(append([]node(nil), left.guards...), right.guards...)
	return value{guards: guards, load: func(c *compiler) {
		if right.constant {
			left.load(c)
			c.emit(classALU|op, right.k)
			return
		}
		c.operands(t, left, right)
		c.emit(classALU|op|sourceX, 0)
	}}, nil
}

func (p *parser) operand() (value, error) {
	if p.depth++; p.depth > maxDepth {
		return value{}, p.fail(p.peek(), "nested too deep")
	}
	defer func() { p.depth-- }()
	t := p.take()
	constant, named := constants[t.text]
	switch {
	case t.is("("):
		v, err := p.calculation(0)
		if err == nil && !p.accept(")") {
			err = p.fail(p.peek(), `expected ")"`)
		}
		return v, err
	case t.is("-"):
		return p.negated()
	case t.is("len", "length"):
		return value{load: func(c *compiler) { c.emit(classLoad|modeLength, 0) }}, nil
	case t.kind == tokenNumber:
		n, err := strconv.ParseUint(t.text, 0, 32)
		if err != nil {
			return value{}, p.fail(t, "a number of more than 32 bits")
		}
		return number(uint32(n)), nil
	case t.kind == tokenWord && named:
		return number(constant), nil
	case t.kind == tokenWord && protocolWord(t.text) && p.peek().is("["):
		return p.field(t)
	}
	return value{}, p.fail(t, "expected a number or a field such as tcp[13]")
}

func (p *parser) negated() (value, error) {
	v, err := p.operand()
	if err != nil || v.constant {
		return number(-v.k), err
	}
	load := v.load
	v.load = func(c *compiler) {
		load(c)
		c.emit(classALU|aluNeg, 0)
	}
	return v, nil
}

// field reads "[offset:size]" after a protocol.
func (p *parser) field(protocol token) (value, error) {
	p.take()
	index, err := p.calculation(0)
	if err != nil {
		return value{}, err
	}
	size := uint16(sizeByte)
	if p.accept(":") {
		switch t := p.take(); t.text {
		case "1":
		case "2":
			size = sizeHalf
		case "4":
			size = sizeWord
		default:
			return value{}, p.fail(t, "a field has 1, 2 or 4 bytes")
		}
	}
	if !p.accept("]") {
		return value{}, p.fail(p.peek(), `expected ":" or "]"`)
	}
	return fieldOf(protocol, index, size)
}

// fieldOf is a field of a protocol: counted from the frame, from behind the link
// layer, or from behind a header of IP.
func fieldOf(protocol token, index value, size uint16) (value, error) {
	at := place{base: fromPayload}
	guards := index.guards
	ip, isIP := ipProtocols[protocol.text]
	switch {
	case linkWords[protocol.text]:
		at.base = fromFrame
	case !isIP && isoProtocols[protocol.text] == 0:
		guards = append(guards, linkType(etherTypes[protocol.text]))
	case protocol.text == "icmp6":
		at.offset = 40
		guards = append(guards, both(linkType(etherIPv6), equal(fromPayload, 6, sizeByte, ip.number)))
	case isIP:
		at.behindIP = true
		guards = append(guards, both(carries(ip.number, true, false), firstFragment()))
	}
	return value{guards: guards, load: func(c *compiler) { c.loadField(at, index, size) }}, nil
}

// place is where the fields of a protocol are counted from.
type place struct {
	base     base
	offset   uint32
	behindIP bool // and the length of the IPv4 header
}

func (c *compiler) loadField(at place, index value, size uint16) {
	start := c.at(at.base, at.offset)
	header := c.at(fromPayload, 0)
	switch {
	case index.constant && !at.behindIP:
		c.emit(classLoad|size|modeAbsolute, start+index.k)
		return
	case index.constant:
		c.emit(classLoadX|sizeByte|modeHeader, header)
		c.emit(classLoad|size|modeIndirect, start+index.k)
		return
	}
	index.load(c)
	if at.behindIP {
		c.emit(classLoadX|sizeByte|modeHeader, header)
		c.emit(classALU|aluAdd|sourceX, 0)
	}
	c.emit(moveToX, 0)
	c.emit(classLoad|size|modeIndirect, start)
}
