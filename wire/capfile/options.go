package capfile

import (
	"encoding/binary"
	"iter"
)

// The options that a Reader looks at. Numbers from 2 on mean something else in each
// kind of block.
const (
	optionEnd     = 0
	optionComment = 1

	optionName        = 2 // of interfaces
	optionDescription = 3
	optionResolution  = 9
	optionFilter      = 11
	optionTimeOffset  = 14

	optionFlags   = 2 // of packets
	optionDropped = 4

	optionReceived       = 4 // of statistics
	optionInterfaceDrops = 5
	optionSystemDrops    = 7
)

// options are the options of a block, as they stand in the file.
type options struct {
	raw    []byte
	little bool
}

func (r *Reader) options(raw []byte) options { return options{raw, r.little} }

// all yields code and value of each option. A list that breaks off without an
// end, or with a length beyond the block, ends there: the frame before it is whole.
func (o options) all() iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		rest := o.raw
		for len(rest) >= 4 {
			code, length := o.uint16(rest), int(o.uint16(rest[2:]))
			if code == optionEnd || length > len(rest)-4 {
				return
			}
			if !yield(code, rest[4:4+length]) {
				return
			}
			rest = rest[min(len(rest), 4+(length+3)&^3):]
		}
	}
}

func (o options) uint16(b []byte) uint16 {
	if o.little {
		return binary.LittleEndian.Uint16(b)
	}
	return binary.BigEndian.Uint16(b)
}

// Comments yields the comments of the frame. They are valid as long as Data.
func (f *Frame) Comments() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for code, value := range f.options.all() {
			if code == optionComment && !yield(value) {
				return
			}
		}
	}
}
