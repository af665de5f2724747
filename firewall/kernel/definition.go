package kernel

import (
	"encoding/binary"

	"wirelab/firewall"
)

// Flags of sets, NFT_SET_* of linux/netfilter/nf_tables.h.
const (
	setAnonymous     = 0x1
	setConstant      = 0x2
	setInterval      = 0x4
	setMap           = 0x8
	setTimeout       = 0x10
	setDynamic       = 0x20
	setConcatenation = 0x80
)

// concatenationBits is the room of each type in the type of a concatenation,
// nft's TYPE_BITS.
const concatenationBits = 6

// definition is a set as the kernel defines it.
type definition struct {
	flags, kind, length uint32
	fields              []uint32 // widths of the fields of a concatenation with ranges
	host                bool     // the values are in the machine's order
	unknown             bool     // it holds what this package has no words for
}

// define returns how the kernel will see a set of a Program.
func define(s *firewall.Set) (d definition) {
	d.kind, d.length = keyType(s.Key)
	d.host = len(s.Key) == 1 && s.Key[0].Info().Host
	if s.Interval {
		d.flags |= setInterval
	}
	if s.Interval && len(s.Key) > 1 {
		d.flags |= setConcatenation
		for _, id := range s.Key {
			d.fields = append(d.fields, uint32(id.Info().Width))
		}
	}
	if s.Verdicts {
		d.flags |= setMap
	}
	if s.Dynamic {
		d.flags |= setDynamic
		if s.Timeout > 0 {
			d.flags |= setTimeout
		}
	}
	return d
}

// twofold reports whether the kernel keeps two copies of the elements, and exchanges them after
// it has put all rules of a change in force: where they are ranges.
func (d *definition) twofold() bool { return d.flags&setInterval != 0 }

// room returns the size that a set is defined with, 0 for none. Of many single keys
// the kernel makes a hash table of that size at once, instead of one that grows while
// it is filled. The set has room to grow by half before it must be defined anew.
func room(s *firewall.Set) uint32 {
	const many = 512
	switch {
	case s.Dynamic:
		return s.Size
	case s.Interval || len(s.Elements) < many:
		return 0
	}
	return uint32(len(s.Elements) + len(s.Elements)/2)
}

// keyType returns nft's number for the type of a key, and the key's length.
func keyType(key []firewall.FieldID) (number, length uint32) {
	if len(key) == 1 {
		f := key[0].Info()
		return f.Type, uint32(f.Width)
	}
	for _, id := range key {
		f := id.Info()
		number = number<<concatenationBits | f.Type
		length += uint32(padded(f.Width))
	}
	return number, length
}

func padded(width int) int { return (width + 3) &^ 3 }

// signature returns what makes two sets the same, apart from their elements. A
// set with unknown parts has none.
func (d *definition) signature(s *firewall.Set) (string, bool) {
	b := make([]byte, 0, 64)
	for _, n := range []uint32{d.flags, d.kind, d.length} {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	for _, width := range d.fields {
		b = append(b, byte(width))
	}
	b = append(b, 0, bit(s.Counters))
	if s.Dynamic {
		b = binary.BigEndian.AppendUint32(b, s.Size)
		b = binary.BigEndian.AppendUint64(b, uint64(s.Timeout))
	}
	return string(b), !d.unknown
}

func bit(on bool) byte {
	if on {
		return 1
	}
	return 0
}

// setIndex finds the sets of a Program by their names.
type setIndex map[string]int

func indexSets(sets []firewall.Set) setIndex {
	index := make(setIndex, len(sets))
	for i := range sets {
		index[sets[i].Name] = i
	}
	return index
}

// of returns the set of that name, or nil.
func (x setIndex) of(sets []firewall.Set, name string) *firewall.Set {
	if i, ok := x[name]; ok {
		return &sets[i]
	}
	return nil
}
