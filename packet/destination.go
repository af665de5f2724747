package packet

import (
	"encoding/binary"
	"net/netip"
)

// Destinations returns the ranges of addresses, with both ends, that the outermost IP
// header goes to in the first count packets; count is at least 1. Patches do not count.
func (s *Spec) Destinations(count uint64) [][2]netip.Addr {
	for i := range s.parts {
		p := &s.parts[i]
		if p.layer != IPv4 && p.layer != IPv6 {
			continue
		}
		f := p.layout.find("dst")
		address := func(v wide) netip.Addr { return v.address(f.bits) }
		a := p.find(f)
		if a == nil || a.mode != varying {
			v, _ := p.initial(f)
			return [][2]netip.Addr{{address(v), address(v)}}
		}
		var ranges [][2]netip.Addr
		for _, v := range a.vary.list {
			ranges = append(ranges, [2]netip.Addr{address(v), address(v)})
		}
		if len(ranges) > 0 {
			return ranges
		}
		from, to := a.vary.span(count)
		return [][2]netip.Addr{{address(from), address(to)}}
	}
	return nil
}

// span returns the least and the greatest value of the first count ones.
func (v *vary) span(count uint64) (from, to wide) {
	if v.count != 0 && count >= v.count || count-1 > (1<<62)/v.step {
		return v.from, v.to
	}
	reach := (count - 1) * v.step
	switch v.how {
	case inc:
		return v.from, v.from.add(reach)
	case dec:
		return v.to.sub(wide{lo: reach}), v.to
	}
	return v.from, v.to
}

// address returns a value as an address of so many bits.
func (a wide) address(bits int) netip.Addr {
	if bits == 32 {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(a.lo))
		return netip.AddrFrom4(b)
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], a.hi)
	binary.BigEndian.PutUint64(b[8:], a.lo)
	return netip.AddrFrom16(b)
}
