package packet

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// A tail is what a header has behind its fields.
type tail uint8

const (
	noTail tail = iota
	ipOptions
	tcpOptions
	ip6Options
	ndOptions
	addresses // of a routing header
	dnsRecords
)

// An option is a row of a table of options.
type option struct {
	kind byte
	name string
	form form
	help string
}

// A form is how the content of an option is written.
type form uint8

const (
	octets form = iota // hexadecimal
	single             // one byte, without a length
	empty              // a length, but no content
	uint8s             // whole numbers, separated by /
	uint16s
	uint32s
	ranges // pairs of 32 bits: 1-2/5-9
	route  // addresses, and a pointer behind @
	padding
	hardware // a MAC address
	address6
	prefix   // 2001:db8::/64/la/VALID/PREFERRED
	mtuValue // two reserved bytes and 32 bits
	servers  // lifetime and addresses
)

var optionTables = map[tail][]option{
	tcpOptions: {
		{0, "eol", single, "end of the list"}, {1, "nop", single, "no operation: padding"}, {2, "mss", uint16s, "largest segment the sender takes"},
		{3, "wscale", uint8s, "the window counts 2^n bytes"}, {4, "sackok", empty, "selective acknowledgment permitted"}, {5, "sack", ranges, "blocks that arrived"},
		{8, "ts", uint32s, "timestamp / echoed timestamp"}, {19, "md5", octets, "signature"}, {28, "uto", uint16s, "user timeout"}, {29, "ao", octets, "authentication"},
		{30, "mptcp", octets, "multipath TCP"}, {34, "fastopen", octets, "cookie"}, {253, "exp1", octets, "experiment"}, {254, "exp2", octets, "experiment"},
	},
	ipOptions: {
		{0, "eol", single, "end of the list"}, {1, "nop", single, "no operation: padding"}, {7, "rr", route, "record route"}, {68, "ts", octets, "timestamps"},
		{130, "security", octets, ""}, {131, "lsrr", route, "loose source route"}, {137, "ssrr", route, "strict source route"}, {148, "ra", uint16s, "router alert"},
	},
	ip6Options: {
		{0, "pad1", single, "one byte of padding"}, {1, "padn", padding, "padding"}, {4, "limit", uint8s, "tunnel encapsulation limit"}, {5, "ra", uint16s, "router alert"},
		{194, "jumbo", uint32s, "length of a jumbogram"}, {201, "home", address6, "home address"},
	},
	ndOptions: {
		{1, "slla", hardware, "source link-layer address"}, {2, "tlla", hardware, "target link-layer address"}, {3, "prefix", prefix, "prefix information"},
		{4, "redirected", octets, "the datagram that is redirected"}, {5, "mtu", mtuValue, "MTU of the link"}, {25, "rdnss", servers, "DNS servers: lifetime / addresses"},
	},
}

func (t tail) byName(name string) (option, bool) {
	for _, o := range optionTables[t] {
		if o.name == name {
			return o, true
		}
	}
	if n, err := strconv.ParseUint(name, 0, 8); err == nil {
		return option{kind: byte(n), name: name}, true
	}
	return option{}, false
}

func (t tail) byKind(kind byte) option {
	for _, o := range optionTables[t] {
		if o.kind == kind {
			return o
		}
	}
	return option{kind: kind, name: strconv.Itoa(int(kind))}
}

func (t tail) names() []string {
	var all []string
	for _, o := range optionTables[t] {
		all = append(all, o.name)
	}
	return append(all, "raw")
}

// unit is what the length of a whole tail is a multiple of.
func (t tail) unit() int {
	switch t {
	case ipOptions, tcpOptions:
		return 4
	case ip6Options, ndOptions, addresses:
		return 8
	}
	return 1
}

// pad completes a tail that begins at an offset of its header, visibly: with
// zeros, which end a list of options, or with IPv6's own padding options.
func (t tail) pad(b []byte, offset int) []byte {
	missing := 0
	if unit := t.unit(); (offset+len(b))%unit != 0 {
		missing = unit - (offset+len(b))%unit
	}
	switch {
	case missing == 0:
		return b
	case t == ip6Options && missing > 1:
		b = append(b, 1, byte(missing-2))
		missing -= 2
	}
	return append(b, make([]byte, missing)...)
}

// parseOptions reads a list such as "mss:1460,sackok,99:0102".
func (t tail) parseOptions(text string) ([]byte, error) {
	var all []byte
	at := 0
	for item := range strings.SplitSeq(text, ",") {
		one, err := t.parseOption(item)
		if err != nil {
			return nil, mistakeAt(err, at)
		}
		all = append(all, one...)
		at += len(item) + 1
	}
	return all, nil
}

func (t tail) parseOption(item string) ([]byte, error) {
	name, content, has := strings.Cut(item, ":")
	if name == "raw" {
		b, err := hex.DecodeString(content)
		return b, wrongIf(err, len(name)+1, content, "bytes in hexadecimal are expected")
	}
	o, ok := t.byName(name)
	if !ok {
		return nil, unknown(name, "option", t.names())
	}
	if o.form == single || o.form == empty {
		if has {
			return nil, &mistake{len(name), len(item) - len(name), o.name + " takes no value"}
		}
		return t.frame(o, nil), nil
	}
	b, err := parseForm(o.form, content)
	if err != nil {
		return nil, mistakeAt(err, len(name)+1)
	}
	b = t.frame(o, b)
	if len(b) > 255*t.lengthUnit() {
		return nil, &mistake{0, len(item), "an option has at most 255 bytes"}
	}
	return b, nil
}

func (t tail) lengthUnit() int {
	if t == ndOptions {
		return 8
	}
	return 1
}

// frame puts kind and length before the content.
func (t tail) frame(o option, content []byte) []byte {
	switch {
	case o.form == single:
		return []byte{o.kind}
	case t == ip6Options:
		return append([]byte{o.kind, byte(len(content))}, content...)
	case t == ndOptions:
		for (len(content)+2)%8 != 0 {
			content = append(content, 0)
		}
		return append([]byte{o.kind, byte((len(content) + 2) / 8)}, content...)
	}
	return append([]byte{o.kind, byte(len(content) + 2)}, content...)
}

// next splits off the first option. It returns nil where the list ends or its
// length is absurd.
func (t tail) next(b []byte) (o option, whole, content []byte) {
	o = t.byKind(b[0])
	if o.form == single {
		return o, b[:1], nil
	}
	if len(b) < 2 {
		return o, nil, nil
	}
	length := int(b[1]) * t.lengthUnit()
	if t == ip6Options {
		length += 2
	}
	if length < 2 || length > len(b) {
		return o, nil, nil
	}
	return o, b[:length], b[2:length]
}

// formatOptions writes b so that parseOptions and pad, at the same offset, make
// the same of it.
func (t tail) formatOptions(b []byte, offset int) string {
	var items []string
	for rest := b; len(rest) > 0; {
		if text := strings.Join(items, ","); len(items) > 0 && t.makes(text, b, offset) {
			return text
		}
		o, whole, content := t.next(rest)
		if whole == nil {
			break
		}
		items = append(items, t.formatOption(o, whole, content))
		rest = rest[len(whole):]
	}
	if text := strings.Join(items, ","); t.makes(text, b, offset) {
		return text
	}
	return "raw:" + hex.EncodeToString(b)
}

func (t tail) makes(text string, b []byte, offset int) bool {
	made, err := t.parseOptions(text)
	return err == nil && bytes.Equal(t.pad(made, offset), b)
}

func (t tail) formatOption(o option, whole, content []byte) string {
	text := o.name
	if o.form != single && o.form != empty {
		text += ":" + formatForm(o.form, content)
	}
	if made, err := t.parseOption(text); err == nil && bytes.Equal(made, whole) {
		return text
	}
	text = fmt.Sprintf("%d:%x", o.kind, content)
	if made, err := t.parseOption(text); err == nil && bytes.Equal(made, whole) {
		return text
	}
	return fmt.Sprintf("raw:%x", whole)
}

// parseForm reads the content of an option.
func parseForm(f form, text string) ([]byte, error) {
	var b []byte
	switch f {
	case octets:
		b, err := hex.DecodeString(text)
		return b, wrongIf(err, 0, text, "bytes in hexadecimal are expected")
	case uint8s, uint16s, uint32s:
		return parseNumbers(text, 1<<(f-uint8s))
	case ranges:
		return parseNumbers(strings.ReplaceAll(text, "-", "/"), 4)
	case padding:
		n, err := strconv.ParseUint(text, 10, 8)
		return make([]byte, n), wrongIf(err, 0, text, "a number of bytes is expected")
	case hardware:
		v, err := parseMAC(text)
		b = make([]byte, 6)
		putBytes(b, v)
		return b, err
	case mtuValue:
		b, err := parseNumbers(text, 4)
		return append([]byte{0, 0}, b...), err
	case prefix:
		return parsePrefix(text)
	case servers:
		lifetime, rest, _ := strings.Cut(text, "/")
		b, err := parseNumbers(lifetime, 4)
		if err != nil {
			return nil, err
		}
		return appendAddresses(append([]byte{0, 0}, b...), rest, "/", len(lifetime)+1)
	case address6:
		return appendAddresses(nil, text, "/", 0)
	}
	return parseRoute(text)
}

func parseNumbers(text string, size int) ([]byte, error) {
	var b []byte
	at := 0
	for one := range strings.SplitSeq(text, "/") {
		n, err := strconv.ParseUint(one, 0, 8*size)
		if err != nil {
			return nil, &mistake{at, len(one), fmt.Sprintf("a number up to %d is expected", most(8*size).lo)}
		}
		var word [8]byte
		binary.BigEndian.PutUint64(word[:], n)
		b = append(b, word[8-size:]...)
		at += len(one) + 1
	}
	return b, nil
}

// parseRoute reads addresses separated by /, and the pointer behind @, else 4.
func parseRoute(text string) ([]byte, error) {
	list, pointer, has := strings.Cut(text, "@")
	at := uint64(4)
	if has {
		n, err := strconv.ParseUint(pointer, 0, 8)
		if err != nil {
			return nil, &mistake{len(list) + 1, len(pointer), "a pointer is a number up to 255, 4 at the first address"}
		}
		at = n
	}
	return appendAddresses([]byte{byte(at)}, list, "/", 0)
}

// appendAddresses appends the addresses of a list to b.
func appendAddresses(b []byte, text, separator string, at int) ([]byte, error) {
	for one := range strings.SplitSeq(text, separator) {
		a, err := netip.ParseAddr(one)
		if err != nil || a.Zone() != "" {
			return nil, &mistake{at, len(one), "an address is expected, such as 192.0.2.1 or 2001:db8::1"}
		}
		b = append(b, a.AsSlice()...)
		at += len(one) + len(separator)
	}
	return b, nil
}

// parsePrefix reads 2001:db8::/64[/FLAGS[/VALID[/PREFERRED]]], flags of l and a.
func parsePrefix(text string) ([]byte, error) {
	parts := strings.Split(text, "/")
	for i, fallback := range []string{"::", "64", "la", "86400", "14400"} {
		if i >= len(parts) {
			parts = append(parts, fallback)
		}
	}
	b := make([]byte, 14, 30)
	bits, err := strconv.ParseUint(parts[1], 10, 8)
	valid, err2 := strconv.ParseUint(parts[3], 10, 32)
	preferred, err3 := strconv.ParseUint(parts[4], 10, 32)
	if err != nil || err2 != nil || err3 != nil || strings.Trim(parts[2], "la") != "" || len(parts) > 5 {
		return nil, &mistake{0, len(text), "a prefix is expected, such as 2001:db8::/64/la/86400/14400"}
	}
	b[0] = byte(bits)
	for _, c := range parts[2] {
		b[1] |= map[rune]byte{'l': 0x80, 'a': 0x40}[c]
	}
	binary.BigEndian.PutUint32(b[2:], uint32(valid))
	binary.BigEndian.PutUint32(b[6:], uint32(preferred))
	return appendAddresses(b, parts[0], "/", 0)
}

// formatForm writes the content of an option so that parseForm reads it, if it
// can be.
func formatForm(f form, b []byte) string {
	switch {
	case f >= uint8s && f <= uint32s:
		return formatNumbers(b, 1<<(f-uint8s), "/", "/")
	case f == ranges:
		return formatNumbers(b, 4, "-", "/")
	case f == padding:
		return strconv.Itoa(len(b))
	case f == hardware && len(b) == 6:
		return formatMAC(getBits(b, 0, 48))
	case f == mtuValue && len(b) == 6:
		return formatNumbers(b[2:], 4, "/", "/")
	case f == servers && len(b) > 6:
		return formatNumbers(b[2:6], 4, "", "") + "/" + formatAddresses(b[6:], 16, "/")
	case f == prefix && len(b) == 30:
		return formatPrefix(b)
	case f == address6:
		return formatAddresses(b, 16, "/")
	case f == route && len(b) > 4:
		text := formatAddresses(b[1:], 4, "/")
		if b[0] != 4 {
			text += "@" + strconv.Itoa(int(b[0]))
		}
		return text
	}
	return hex.EncodeToString(b)
}

// formatNumbers separates the numbers of a pair, and pairs.
func formatNumbers(b []byte, size int, inside, between string) string {
	var text strings.Builder
	for i := 0; i+size <= len(b); i += size {
		switch {
		case i == 0:
		case i/size%2 == 1:
			text.WriteString(inside)
		default:
			text.WriteString(between)
		}
		text.WriteString(strconv.FormatUint(getBits(b[i:], 0, 8*size).lo, 10))
	}
	return text.String()
}

func formatAddresses(b []byte, size int, separator string) string {
	var all []string
	for ; len(b) >= size; b = b[size:] {
		a, _ := netip.AddrFromSlice(b[:size])
		all = append(all, a.String())
	}
	return strings.Join(all, separator)
}

func formatPrefix(b []byte) string {
	set := ""
	if b[1]&0x80 != 0 {
		set += "l"
	}
	if b[1]&0x40 != 0 {
		set += "a"
	}
	return fmt.Sprintf("%s/%d/%s/%d/%d", formatAddresses(b[14:], 16, "/"), b[0], set,
		binary.BigEndian.Uint32(b[2:]), binary.BigEndian.Uint32(b[6:]))
}
