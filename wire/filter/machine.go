package filter

import "encoding/binary"

// Instruction is one instruction of classic BPF, laid out as struct sock_filter.
type Instruction struct {
	Op     uint16
	Jt, Jf uint8 // how many instructions a jump skips if true, if false
	K      uint32
}

// Program is a filter in machine code. It ends with a return on every path.
type Program []Instruction

// The parts of an opcode (linux/bpf_common.h, linux/filter.h).
const (
	classLoad   = 0x00 // into A
	classLoadX  = 0x01
	classStore  = 0x02
	classStoreX = 0x03
	classALU    = 0x04
	classJump   = 0x05
	classReturn = 0x06
	classMisc   = 0x07

	sizeWord = 0x00
	sizeHalf = 0x08
	sizeByte = 0x10

	modeImmediate = 0x00
	modeAbsolute  = 0x20
	modeIndirect  = 0x40
	modeMemory    = 0x60
	modeLength    = 0x80
	modeHeader    = 0xa0 // 4*([k]&0xf)

	sourceX = 0x08

	aluAdd = 0x00
	aluSub = 0x10
	aluMul = 0x20
	aluDiv = 0x30
	aluOr  = 0x40
	aluAnd = 0x50
	aluLsh = 0x60
	aluRsh = 0x70
	aluNeg = 0x80
	aluMod = 0x90
	aluXor = 0xa0

	jumpAlways       = 0x00
	jumpEqual        = 0x10
	jumpGreater      = 0x20
	jumpGreaterEqual = 0x30
	jumpSet          = 0x40

	moveToX = classMisc
	moveToA = classMisc | 0x80
)

// accepted is what a program returns for a frame that matches: how much of it is wanted.
const accepted = 0x40000

// Match reports whether the program accepts a frame: what was captured of it, and
// its length on the wire.
func (p Program) Match(frame []byte, length int) bool {
	m := machine{frame: frame, length: uint32(length)}
	return m.run(p)
}

type machine struct {
	frame  []byte
	length uint32
	a, x   uint32
	memory [16]uint32
}

// run interprets a program. Jumps only go forward, so that it ends.
func (m *machine) run(p Program) bool {
	for pc := 0; pc < len(p); pc++ {
		i := &p[pc]
		switch i.Op & 7 {
		case classLoad:
			if !m.load(i) {
				return false
			}
		case classLoadX:
			if !m.loadX(i) {
				return false
			}
		case classStore:
			m.memory[i.K&15] = m.a
		case classStoreX:
			m.memory[i.K&15] = m.x
		case classALU:
			if !m.compute(i) {
				return false
			}
		case classJump:
			pc += m.jump(i)
		case classReturn:
			return i.K != 0
		case classMisc:
			m.move(i)
		}
	}
	return false
}

func (m *machine) move(i *Instruction) {
	if i.Op == moveToX {
		m.x = m.a
	} else {
		m.a = m.x
	}
}

// load loads A and reports whether what it loads is there.
func (m *machine) load(i *Instruction) bool {
	at := uint64(i.K)
	switch i.Op & 0xe0 {
	case modeImmediate:
		m.a = i.K
		return true
	case modeMemory:
		m.a = m.memory[i.K&15]
		return true
	case modeLength:
		m.a = m.length
		return true
	case modeIndirect:
		at += uint64(m.x)
	}
	if at >= uint64(len(m.frame)) {
		return false
	}
	switch rest := m.frame[at:]; {
	case i.Op&0x18 == sizeByte:
		m.a = uint32(rest[0])
	case i.Op&0x18 == sizeHalf && len(rest) >= 2:
		m.a = uint32(binary.BigEndian.Uint16(rest))
	case i.Op&0x18 == sizeWord && len(rest) >= 4:
		m.a = binary.BigEndian.Uint32(rest)
	default:
		return false
	}
	return true
}

func (m *machine) loadX(i *Instruction) bool {
	switch i.Op & 0xe0 {
	case modeImmediate:
		m.x = i.K
	case modeMemory:
		m.x = m.memory[i.K&15]
	case modeHeader:
		if uint64(i.K) >= uint64(len(m.frame)) {
			return false
		}
		m.x = uint32(m.frame[i.K]&0xf) * 4
	}
	return true
}

// compute changes A and reports false for a division by zero.
func (m *machine) compute(i *Instruction) bool {
	v := i.K
	if i.Op&sourceX != 0 {
		v = m.x
	}
	switch i.Op & 0xf0 {
	case aluAdd:
		m.a += v
	case aluSub:
		m.a -= v
	case aluMul:
		m.a *= v
	case aluDiv, aluMod:
		return m.divide(i.Op&0xf0, v)
	case aluOr:
		m.a |= v
	case aluAnd:
		m.a &= v
	case aluXor:
		m.a ^= v
	case aluLsh:
		m.a <<= v
	case aluRsh:
		m.a >>= v
	case aluNeg:
		m.a = -m.a
	}
	return true
}

func (m *machine) divide(op uint16, v uint32) bool {
	if v == 0 {
		return false
	}
	if op == aluDiv {
		m.a /= v
	} else {
		m.a %= v
	}
	return true
}

// jump returns how many instructions to skip.
func (m *machine) jump(i *Instruction) int {
	v, holds := i.K, false
	if i.Op&sourceX != 0 {
		v = m.x
	}
	switch i.Op & 0xf0 {
	case jumpAlways:
		return int(i.K)
	case jumpEqual:
		holds = m.a == v
	case jumpGreater:
		holds = m.a > v
	case jumpGreaterEqual:
		holds = m.a >= v
	case jumpSet:
		holds = m.a&v != 0
	}
	if holds {
		return int(i.Jt)
	}
	return int(i.Jf)
}
