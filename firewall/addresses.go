package firewall

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"wirelab/internal/setting"
)

// A Range is the addresses from First to Last, both included and of one family.
type Range struct{ First, Last netip.Addr }

// ParseRange reads an address, a prefix ("10.0.0.0/8") or a range
// ("10.0.0.1-10.0.0.9"). Bits beyond the length of a prefix are cut off, as the
// kernel does.
func ParseRange(s string) (Range, error) {
	if first, last, is := strings.Cut(s, "-"); is {
		return parseFromTo(first, last)
	}
	if strings.Contains(s, "/") {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return parseNetmask(s)
		}
		return RangeOf(p), nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return Range{}, fmt.Errorf("%s is not an address", setting.Quote(s))
	}
	return Range{a.Unmap(), a.Unmap()}, nil
}

func parseFromTo(first, last string) (Range, error) {
	a, err := netip.ParseAddr(first)
	b, err2 := netip.ParseAddr(last)
	if err != nil || err2 != nil || a.BitLen() != b.BitLen() || a.Zone() != "" || b.Zone() != "" {
		return Range{}, fmt.Errorf("%s is not a range of addresses", setting.Quote(first+"-"+last))
	}
	if b.Less(a) {
		return Range{}, fmt.Errorf("the range %s-%s ends before it begins", first, last)
	}
	return Range{a, b}, nil
}

// parseNetmask reads "10.0.0.0/255.0.0.0".
func parseNetmask(s string) (Range, error) {
	address, mask, _ := strings.Cut(s, "/")
	a, err := netip.ParseAddr(address)
	m, err2 := netip.ParseAddr(mask)
	if err != nil || err2 != nil || !a.Is4() || !m.Is4() {
		return Range{}, fmt.Errorf("%s is not a prefix", setting.Quote(s))
	}
	bits := 0
	for _, b := range m.As4() {
		for ; b&0x80 != 0; b <<= 1 {
			bits++
		}
	}
	if want := RangeOf(netip.PrefixFrom(netip.AddrFrom4([4]byte{255, 255, 255, 255}), bits)).First; want != m {
		return Range{}, fmt.Errorf("the mask of %s has holes", setting.Quote(s))
	}
	return RangeOf(netip.PrefixFrom(a, bits)), nil
}

// RangeOf returns the addresses of a prefix.
func RangeOf(p netip.Prefix) Range {
	p = p.Masked()
	last := p.Addr().AsSlice()
	for i := range last {
		if free := (i+1)*8 - p.Bits(); free > 0 {
			last[i] |= byte(1<<min(free, 8) - 1)
		}
	}
	end, _ := netip.AddrFromSlice(last)
	return Range{p.Addr(), end}
}

// Family returns the family of the addresses.
func (r Range) Family() Family {
	if r.First.Is4() {
		return IPv4
	}
	return IPv6
}

// Contains reports whether the address is one of the range.
func (r Range) Contains(a netip.Addr) bool {
	return a.BitLen() == r.First.BitLen() && !a.Less(r.First) && !r.Last.Less(a)
}

// Prefix returns the prefix that is the range, if it is one.
func (r Range) Prefix() (netip.Prefix, bool) {
	for bits := r.First.BitLen(); bits >= 0; bits-- {
		p := netip.PrefixFrom(r.First, bits)
		if p.Masked().Addr() != r.First {
			return netip.Prefix{}, false
		}
		if RangeOf(p).Last == r.Last {
			return p, true
		}
		if r.Last.Less(RangeOf(p).Last) {
			return netip.Prefix{}, false
		}
	}
	return netip.Prefix{}, false
}

// String returns the shortest way to write the range.
func (r Range) String() string {
	if r.First == r.Last {
		return r.First.String()
	}
	if p, ok := r.Prefix(); ok {
		return p.String()
	}
	return r.First.String() + "-" + r.Last.String()
}

// join sorts ranges of one family and merges those that overlap: the kernel takes
// no overlapping elements.
func join(ranges []Range) []Range {
	slices.SortFunc(ranges, func(a, b Range) int {
		return cmp.Or(a.First.Compare(b.First), b.Last.Compare(a.Last))
	})
	merged := ranges[:0]
	for _, r := range ranges {
		if n := len(merged); n > 0 && !merged[n-1].Last.Less(r.First) {
			if merged[n-1].Last.Less(r.Last) {
				merged[n-1].Last = r.Last
			}
			continue
		}
		merged = append(merged, r)
	}
	return merged
}

// A PortRange is the ports, or other numbers, from First to Last, both included.
type PortRange struct{ First, Last uint16 }

// String returns "80" or "8000-8010".
func (p PortRange) String() string {
	if p.First == p.Last {
		return fmt.Sprint(p.First)
	}
	return fmt.Sprintf("%d-%d", p.First, p.Last)
}

// joinPorts sorts ports and merges those that overlap.
func joinPorts(ports []PortRange) []PortRange {
	if len(ports) < 2 {
		return slices.Clip(ports)
	}
	ports = slices.Clone(ports)
	slices.SortFunc(ports, func(a, b PortRange) int {
		return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(b.Last, a.Last))
	})
	merged := ports[:0]
	for _, p := range ports {
		if n := len(merged); n > 0 && p.First <= merged[n-1].Last {
			merged[n-1].Last = max(merged[n-1].Last, p.Last)
			continue
		}
		merged = append(merged, p)
	}
	return merged
}
