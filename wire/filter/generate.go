package filter

import "fmt"

// node writes the code of a condition: it jumps to yes if the frame meets it, else
// to no. Nodes are written in the order of the text, because words such as vlan move
// what comes after them.
type node func(c *compiler, yes, no label)

func both(a, b node) node {
	return func(c *compiler, yes, no label) {
		second := c.label()
		a(c, second, no)
		c.place(second)
		b(c, yes, no)
	}
}

func either(a, b node) node {
	return func(c *compiler, yes, no label) {
		second := c.label()
		a(c, yes, second)
		c.place(second)
		b(c, yes, no)
	}
}

func not(a node) node {
	return func(c *compiler, yes, no label) { a(c, no, yes) }
}

func always(holds bool) node {
	return func(c *compiler, yes, no label) {
		if holds {
			no = yes
		}
		c.jump(jumpAlways, 0, no, no)
	}
}

// label is a place in the code that jumps can name before it is known.
type label int

// pending is an instruction whose jumps name labels.
type pending struct {
	Instruction
	yes, no label
	far     [2]bool // the jump to yes, to no needs an instruction of its own
}

func (p *pending) jumps() bool { return p.Op&7 == classJump }

// size is how many instructions it becomes.
func (p *pending) size() int {
	n := 1
	for _, far := range p.far {
		if far {
			n++
		}
	}
	return n
}

type compiler struct {
	text   string
	link   link
	live   bool
	inTag  bool // the next vlan speaks of the tag that the kernel took out of the frame
	code   []pending
	places []int // of labels, as indexes into code
	slots  int   // cells of memory in use
	err    error
}

func (c *compiler) label() label {
	c.places = append(c.places, -1)
	return label(len(c.places) - 1)
}

func (c *compiler) place(l label) { c.places[l] = len(c.code) }

func (c *compiler) emit(op uint16, k uint32) {
	c.code = append(c.code, pending{Instruction: Instruction{Op: op, K: k}})
}

func (c *compiler) jump(op uint16, k uint32, yes, no label) {
	c.code = append(c.code, pending{Instruction: Instruction{Op: classJump | op, K: k}, yes: yes, no: no})
}

func (c *compiler) fail(t token, format string, args ...any) {
	if c.err == nil {
		c.err = &Error{c.text, t.offset, len(t.text), fmt.Sprintf(format, args...)}
	}
}

// What Linux knows of a frame besides its bytes (SKF_AD_…).
const (
	ancillary         = 0xfffff000
	ancillaryKind     = ancillary + 4 // 4: outgoing
	ancillaryTag      = ancillary + 44
	ancillaryIsTagged = ancillary + 48
	outgoing          = 4
)

// generate writes the program. One for the kernel that asks for VLANs comes in two
// halves: for frames whose tag the kernel took out, and for all others.
func generate(text string, root node, tagged bool, options Options) (Program, error) {
	c := &compiler{text: text, live: options.Live}
	accept, reject := c.label(), c.label()
	if options.Live && tagged {
		out, in := c.label(), c.label()
		c.emit(classLoad|sizeWord|modeAbsolute, ancillaryIsTagged)
		c.jump(jumpEqual, 0, in, out)
		c.place(out)
		c.link, c.inTag = newLink(options.Link), true
		root(c, accept, reject)
		c.place(in)
	}
	c.link, c.inTag = newLink(options.Link), false
	root(c, accept, reject)
	c.place(accept)
	c.emit(classReturn, accepted)
	c.place(reject)
	c.emit(classReturn, 0)
	if c.err != nil {
		return nil, c.err
	}
	program := c.assemble()
	if len(program) > maxInstructions {
		return nil, &Error{text[:min(len(text), 60)], 0, 0, fmt.Sprintf("needs %d instructions, more than the %d that a filter may have", len(program), maxInstructions)}
	}
	return program, nil
}

// assemble resolves the labels. A conditional jump reaches 255 instructions; one
// that goes further is led by an unconditional jump behind it.
func (c *compiler) assemble() Program {
	starts := make([]int, len(c.code)+1)
	for grown := true; grown; {
		for i := range c.code {
			starts[i+1] = starts[i] + c.code[i].size()
		}
		grown = c.stretch(starts)
	}
	program := make(Program, 0, starts[len(c.code)])
	for i := range c.code {
		program = c.code[i].appendTo(program, func(l label) int { return starts[c.places[l]] })
	}
	return program
}

// stretch marks the jumps that do not reach and reports whether there are new ones.
func (c *compiler) stretch(starts []int) bool {
	grown := false
	for i := range c.code {
		p := &c.code[i]
		if !p.jumps() || p.Op == classJump|jumpAlways {
			continue
		}
		for side, l := range [2]label{p.yes, p.no} {
			if !p.far[side] && starts[c.places[l]]-starts[i]-1 > 255 {
				p.far[side], grown = true, true
			}
		}
	}
	return grown
}

func (p *pending) appendTo(program Program, at func(label) int) Program {
	here := len(program)
	i := p.Instruction
	switch {
	case !p.jumps():
		return append(program, i)
	case i.Op == classJump|jumpAlways:
		i.K = uint32(at(p.yes) - here - 1)
		return append(program, i)
	}
	program = append(program, i)
	var distance [2]uint8
	for side, l := range [2]label{p.yes, p.no} {
		if !p.far[side] {
			distance[side] = uint8(at(l) - here - 1)
			continue
		}
		distance[side] = uint8(len(program) - here - 1)
		program = append(program, Instruction{Op: classJump | jumpAlways, K: uint32(at(l) - len(program) - 1)})
	}
	program[here].Jt, program[here].Jf = distance[0], distance[1]
	return program
}
