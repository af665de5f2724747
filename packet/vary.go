package packet

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// A vary makes the values of a field that changes from frame to frame.
type vary struct {
	how      progress
	from, to wide
	step     uint64
	list     []wide
	count    uint64 // of different values; 0: 2^64
}

// A progress says how a varying field gets from one value to the next.
type progress uint8

const (
	inc progress = iota
	dec
	random
	list
	wallTime // when it is built
)

func (p progress) String() string { return [...]string{"inc", "dec", "rand", "list", "time"}[p] }

// isVary reports whether a value says that the field varies.
func isVary(text string) bool {
	for _, how := range []string{"inc:", "dec:", "rand:", "list:"} {
		if strings.HasPrefix(text, how) {
			return true
		}
	}
	return text == "rand"
}

// parseVary reads inc:A-B, inc:A, inc:A-B+STEP, dec: alike, rand:A-B, rand, and
// list:A,B,C. A and B are values of the field, or an IP prefix stands for both.
func (f *field) parseVary(text string) (*vary, error) {
	how, rest, _ := strings.Cut(text, ":")
	v := &vary{how: map[string]progress{"inc": inc, "dec": dec, "rand": random, "list": list}[how], to: most(f.bits), step: 1}
	at := len(how) + 1
	switch {
	case v.how == list:
		for one := range strings.SplitSeq(rest, ",") {
			value, err := f.parse(one)
			if err != nil {
				return nil, mistakeAt(err, at)
			}
			v.list = append(v.list, value)
			at += len(one) + 1
		}
		v.count = uint64(len(v.list))
		return v, nil
	case v.how == random && rest == "":
	default:
		if err := f.parseRange(v, rest); err != nil {
			return nil, mistakeAt(err, at)
		}
	}
	span := v.to.sub(v.from)
	v.count = span.lo/v.step + 1
	if span.hi != 0 {
		v.count = 0
	}
	return v, nil
}

func (f *field) parseRange(v *vary, text string) error {
	body, step, has := strings.Cut(text, "+")
	if has {
		n, err := strconv.ParseUint(step, 0, 64)
		if err != nil || n == 0 || v.how == random {
			return &mistake{len(body) + 1, len(step), "a step is a number from 1 on, of inc and dec"}
		}
		v.step = n
	}
	if from, to, ok := f.parsePrefix(body); ok {
		v.from, v.to = from, to
		return nil
	}
	first, last, two := strings.Cut(body, "-")
	from, err := f.parse(first)
	if err != nil {
		return err
	}
	v.from = from
	switch {
	case two:
		to, err := f.parse(last)
		if err != nil {
			return mistakeAt(err, len(first)+1)
		}
		v.to = to
	case v.how == dec:
		v.from, v.to = wide{}, from
	}
	if v.to.less(v.from) {
		if v.how != dec {
			return &mistake{0, len(body), "the range ends before it begins"}
		}
		v.from, v.to = v.to, v.from
	}
	return nil
}

// parsePrefix reads 192.0.2.0/24 as the range of its addresses.
func (f *field) parsePrefix(text string) (from, to wide, ok bool) {
	address, length, has := strings.Cut(text, "/")
	n, err := strconv.Atoi(length)
	if !has || err != nil || n < 0 || n > f.bits || f.kind != addressIPv4 && f.kind != addressIPv6 {
		return from, to, false
	}
	base, err := f.parse(address)
	if err != nil {
		return from, to, false
	}
	host := most(f.bits - n)
	from = wide{base.hi &^ host.hi, base.lo &^ host.lo}
	return from, wide{from.hi | host.hi, from.lo | host.lo}, true
}

// at returns the nth value, n from 0. key tells the random values of one field
// and one seed from those of others.
func (v *vary) at(n, key uint64, now int64) wide {
	switch v.how {
	case inc:
		return v.from.add(v.index(n) * v.step)
	case dec:
		return v.to.sub(wide{lo: v.index(n) * v.step})
	case list:
		return v.list[v.index(n)]
	case wallTime:
		return wide{lo: uint64(now)}
	}
	r := mix(key + n)
	if v.count == 0 {
		if v.to.sub(v.from) == most(128) {
			return wide{mix(r), r}
		}
		return v.from.add(r)
	}
	hi, _ := bits.Mul64(r, v.count)
	return v.from.add(hi)
}

// series writes the lowest 64 bits of the values n, n+1 … into dst.
func (v *vary) series(dst []uint64, n, key uint64, now int64) {
	switch v.how {
	case random:
		v.randoms(dst, n+key)
	case wallTime:
		for i := range dst {
			dst[i] = uint64(now)
		}
	default:
		index, value, step := v.index(n), v.at(n, key, now).lo, v.step
		if v.how == dec {
			step = -step
		}
		for i := range dst {
			if dst[i] = value; v.how == list {
				dst[i] = v.list[index].lo
			}
			if index, value = index+1, value+step; index == v.count {
				index, value = 0, v.at(0, key, now).lo
			}
		}
	}
}

func (v *vary) randoms(dst []uint64, n uint64) {
	from, count := v.from.lo, v.count
	if count == 0 {
		for i := range dst {
			dst[i] = from + mix(n+uint64(i))
		}
		return
	}
	for i := range dst {
		hi, _ := bits.Mul64(mix(n+uint64(i)), count)
		dst[i] = from + hi
	}
}

func (v *vary) index(n uint64) uint64 {
	if n < v.count || v.count == 0 {
		return n
	}
	return n % v.count
}

// mix is the finalizer of SplitMix64: every bit of x changes half of the result.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// format writes v so that parseVary reads it.
func (v *vary) format(f *field) string {
	switch {
	case v.how == list:
		var all []string
		for _, one := range v.list {
			all = append(all, f.format(one))
		}
		return "list:" + strings.Join(all, ",")
	case v.how == random && v.from == (wide{}) && v.to == most(f.bits):
		return "rand"
	}
	text := fmt.Sprintf("%v:%s-%s", v.how, f.format(v.from), f.format(v.to))
	if v.step != 1 {
		text += fmt.Sprintf("+%d", v.step)
	}
	return text
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
