package packet

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"wirelab/internal/spell"
)

// parse reads a value of the field as people write it: a number, a name, an
// address, names of flags.
func (f *field) parse(text string) (wide, error) {
	if v, ok := f.byName(text); ok {
		return v, nil
	}
	switch f.kind {
	case addressIPv4, addressIPv6:
		return f.parseAddress(text)
	case addressMAC:
		return parseMAC(text)
	case flags:
		return f.parseFlags(text)
	}
	return f.parseNumber(text)
}

func (f *field) byName(text string) (wide, bool) {
	if f.kind == flags {
		return wide{}, false
	}
	for _, n := range f.named {
		if n.name == text {
			return wide{lo: n.value}, true
		}
	}
	return wide{}, false
}

func (f *field) parseNumber(text string) (wide, error) {
	n, ok := new(big.Int).SetString(text, 0)
	if !ok || n.Sign() < 0 || n.BitLen() > 128 || strings.Contains(text, "_") {
		return wide{}, f.expected(text)
	}
	var b [16]byte
	n.FillBytes(b[:])
	v := getBits(b[:], 0, 128)
	if most(f.bits).less(v) {
		return wide{}, &mistake{0, len(text), fmt.Sprintf("%s has %d bits: at most %s", f.name, f.bits, new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), uint(f.bits)), big.NewInt(1)))}
	}
	return v, nil
}

// expected says what a value of the field looks like.
func (f *field) expected(text string) error {
	var names []string
	for _, n := range f.named {
		names = append(names, n.name)
	}
	what := "a number"
	switch f.kind {
	case addressIPv4:
		what = "an IPv4 address"
	case addressIPv6:
		what = "an IPv6 address"
	case addressMAC:
		what = "an address such as 02:00:00:00:00:01"
	case flags:
		what = "flags"
	}
	if spell.Nearest(text, names) != "" {
		return unknown(text, "value of "+f.name, names)
	}
	if len(names) > 0 {
		what += " or one of " + strings.Join(names, ", ")
	}
	return &mistake{0, len(text), f.name + ": " + what + " is expected"}
}

func (f *field) parseAddress(text string) (wide, error) {
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" || a.Is4() != (f.kind == addressIPv4) {
		if v, err := f.parseHex(text); err == nil {
			return v, nil
		}
		return wide{}, f.expected(text)
	}
	return getBits(a.AsSlice(), 0, f.bits), nil
}

// parseHex takes a number with 0x for any field.
func (f *field) parseHex(text string) (wide, error) {
	if !strings.HasPrefix(text, "0x") {
		return wide{}, f.expected(text)
	}
	return f.parseNumber(text)
}

func parseMAC(text string) (wide, error) {
	mac, err := net.ParseMAC(text)
	if text == "broadcast" {
		return wide{lo: 1<<48 - 1}, nil
	}
	if err != nil || len(mac) != 6 {
		return wide{}, &mistake{0, len(text), "an address such as 02:00:00:00:00:01 is expected"}
	}
	return getBits(mac, 0, 48), nil
}

// parseFlags reads names separated by commas or bars, letters as tcpdump has them
// (SA), or a number.
func (f *field) parseFlags(text string) (wide, error) {
	if text == "" || text == "none" {
		return wide{}, nil
	}
	if text[0] >= '0' && text[0] <= '9' {
		return f.parseNumber(text)
	}
	if v, ok := f.letters(text); ok {
		return v, nil
	}
	var v wide
	at := 0
	for one := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == '|' }) {
		bit, ok := f.flag(one)
		if !ok {
			return wide{}, mistakeAt(unknown(one, "flag", f.flagNames()), at)
		}
		v.lo |= bit
		at += len(one) + 1
	}
	return v, nil
}

func (f *field) flag(name string) (uint64, bool) {
	for _, n := range f.named {
		if n.name == name {
			return n.value, true
		}
	}
	return 0, false
}

func (f *field) flagNames() []string {
	var names []string
	for _, n := range f.named {
		names = append(names, n.name)
	}
	return names
}

// letters reads capitals, each the first letter of a flag; C and E are cwr and ece.
func (f *field) letters(text string) (wide, bool) {
	var v wide
	for _, r := range text {
		found := false
		for _, n := range f.named {
			if r == rune(n.name[0])-'a'+'A' && !(n.name == "ae") {
				v.lo, found = v.lo|n.value, true
			}
		}
		if !found {
			return wide{}, false
		}
	}
	return v, true
}

// format writes v so that parse reads it.
func (f *field) format(v wide) string {
	switch f.kind {
	case addressIPv4, addressIPv6:
		return addressOf(v, f.bits).String()
	case addressMAC:
		return formatMAC(v)
	case flags:
		return f.formatFlags(v.lo)
	case hexadecimal, ntpTime, shortTime, trafficClass, reserved:
		if f.bits > 64 {
			return bigNumber(v)
		}
		return fmt.Sprintf("0x%0*x", (f.bits+3)/4, v.lo)
	}
	if v.hi != 0 {
		return bigNumber(v)
	}
	if name := nameIn(f.named, v.lo); name != "" && !strings.HasSuffix(f.name, "port") {
		return name
	}
	return strconv.FormatUint(v.lo, 10)
}

func bigNumber(v wide) string {
	n := new(big.Int).SetUint64(v.hi)
	return "0x" + n.Lsh(n, 64).Add(n, new(big.Int).SetUint64(v.lo)).Text(16)
}

func addressOf(v wide, bits int) netip.Addr {
	var b [16]byte
	putBits(b[:], 128-bits, bits, v)
	a, _ := netip.AddrFromSlice(b[16-bits/8:])
	return a
}

func formatMAC(v wide) string {
	var b [6]byte
	putBytes(b[:], v)
	return net.HardwareAddr(b[:]).String()
}

// formatFlags names the bits; a number stands for bits without a name.
func (f *field) formatFlags(v uint64) string {
	var set []string
	left := v
	for i := len(f.named) - 1; i >= 0; i-- {
		if n := f.named[i]; v&n.value != 0 {
			set, left = append(set, n.name), left&^n.value
		}
	}
	if left != 0 || len(set) == 0 {
		return fmt.Sprintf("0x%x", v)
	}
	return strings.Join(set, ",")
}

// show writes v for people who see its name beside it.
func (f *field) show(v wide) string {
	if f.kind == number && v.hi == 0 {
		return strconv.FormatUint(v.lo, 10)
	}
	return f.format(v)
}

// meaning says what a value means, "" where the value says it.
func (f *field) meaning(v wide) string {
	switch {
	case f.kind == flags:
		return f.flagsMeaning(v.lo)
	case f.kind == ntpTime:
		return ntpMeaning(v.lo)
	case f.kind == shortTime:
		return fmt.Sprintf("%.6f s", float64(v.lo)/65536)
	case f.kind == signedPower:
		return fmt.Sprintf("2^%d s = %.3g s", int8(v.lo), math.Pow(2, float64(int8(v.lo))))
	case f.kind == trafficClass:
		return fmt.Sprintf("DSCP %d, %s", v.lo>>2, [...]string{"no ECN", "ECN ECT(1)", "ECN ECT(0)", "congestion"}[v.lo&3])
	case f.unit > 1 && f.add != 0:
		return fmt.Sprintf("%d×%d+%d = %d bytes", v.lo, f.unit, f.add, int(v.lo)*f.unit+f.add)
	case f.unit > 1:
		return fmt.Sprintf("%d×%d = %d bytes", v.lo, f.unit, int(v.lo)*f.unit)
	case f.by == totalLength || f.by == payloadLength:
		return fmt.Sprintf("%d bytes", v.lo)
	}
	for _, n := range f.named {
		if n.value == v.lo && v.hi == 0 {
			if n.help != "" {
				return n.help
			}
			return n.name
		}
	}
	return ""
}

func (f *field) flagsMeaning(v uint64) string {
	var set []string
	for _, n := range f.named {
		if v&n.value != 0 {
			set = append(set, n.help)
		}
	}
	if len(set) == 0 {
		return "none set"
	}
	return strings.Join(set, "; ")
}

// ntpMeaning reads a timestamp of RFC 5905 in the era that began in 1900.
func ntpMeaning(v uint64) string {
	const from1900 = 2208988800
	if v == 0 {
		return "unknown"
	}
	seconds, fraction := int64(v>>32)-from1900, (v&(1<<32-1))*1e9>>32
	return time.Unix(seconds, int64(fraction)).UTC().Format("2006-01-02T15:04:05.000000000Z")
}

// allowed says which values the field takes.
func (f *field) allowed() string {
	switch f.kind {
	case addressIPv4:
		return "an IPv4 address"
	case addressIPv6:
		return "an IPv6 address"
	case addressMAC:
		return "a 48-bit address"
	case flags:
		return strings.Join(f.flagNames(), ", ")
	case reserved:
		return "0"
	}
	if f.bits > 64 {
		return fmt.Sprintf("%d bits", f.bits)
	}
	if f.kind == hexadecimal {
		return fmt.Sprintf("0–%x", most(f.bits).lo)
	}
	text := fmt.Sprintf("0–%d", most(f.bits).lo)
	if len(f.named) > 0 && len(f.named) < 10 {
		text += ", such as " + strings.Join(f.flagNames(), " ")
	}
	return text
}

func appendMAC(dst, b []byte) []byte {
	const digits = "0123456789abcdef"
	for i, octet := range b {
		if i > 0 {
			dst = append(dst, ':')
		}
		dst = append(dst, digits[octet>>4], digits[octet&15])
	}
	return dst
}

// word reads a 16-bit number of a header.
func word(h []byte, at int) uint16 { return binary.BigEndian.Uint16(h[at:]) }

// A wide is the value of a field: up to 128 bits, right-aligned.
type wide struct{ hi, lo uint64 }

func (a wide) add(b uint64) wide {
	lo, carry := bits.Add64(a.lo, b, 0)
	return wide{a.hi + carry, lo}
}

func (a wide) sub(b wide) wide {
	lo, borrow := bits.Sub64(a.lo, b.lo, 0)
	hi, _ := bits.Sub64(a.hi, b.hi, borrow)
	return wide{hi, lo}
}

func (a wide) less(b wide) bool { return a.hi < b.hi || a.hi == b.hi && a.lo < b.lo }

// cut keeps the lowest n bits.
func (a wide) cut(n int) wide {
	switch {
	case n >= 128:
		return a
	case n > 64:
		return wide{a.hi & (1<<(n-64) - 1), a.lo}
	case n == 64:
		return wide{0, a.lo}
	}
	return wide{0, a.lo & (1<<n - 1)}
}

// most is the largest value of n bits.
func most(n int) wide { return wide{^uint64(0), ^uint64(0)}.cut(n) }

// getBits reads n bits, at most 128, at a bit offset of b. Bits behind the end are 0.
func getBits(b []byte, bit, n int) wide {
	var v wide
	for n > 0 {
		index, inside := bit/8, bit%8
		take := min(8-inside, n)
		var octet byte
		if index < len(b) {
			octet = b[index]
		}
		octet = octet << inside >> (8 - take)
		v.hi = v.hi<<take | v.lo>>(64-take)
		v.lo = v.lo<<take | uint64(octet)
		bit, n = bit+take, n-take
	}
	return v
}

// putBits writes the lowest n bits of v at a bit offset of b and leaves the bits
// around them. Bits behind the end are dropped.
func putBits(b []byte, bit, n int, v wide) {
	if bit%8 == 0 && n%8 == 0 && bit/8+n/8 <= len(b) {
		putBytes(b[bit/8:bit/8+n/8], v)
		return
	}
	for n > 0 {
		last := bit + n - 1
		index, inside := last/8, last%8
		take := min(inside+1, n)
		if index < len(b) {
			shift := 7 - inside
			mask := byte(1<<take-1) << shift
			b[index] = b[index]&^mask | byte(v.lo)<<shift&mask
		}
		v.lo = v.lo>>take | v.hi<<(64-take)
		v.hi >>= take
		n -= take
	}
}

func putBytes(b []byte, v wide) {
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = byte(v.lo)
		v.lo = v.lo>>8 | v.hi<<56
		v.hi >>= 8
	}
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
