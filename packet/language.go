package packet

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"wirelab/internal/setting"
)

// MaxPacket is how many bytes a described packet may have.
const MaxPacket = 1 << 20

// A token is one word of a packet in one line. Only a bare word, one without
// quotes, separates layers.
type token struct {
	text string
	at   int
	bare bool
}

// Parse reads a packet from the words of a command line: layers separated by a
// lone "/", in each the layer's name and then key=value.
//
//	ip dst=192.0.2.35 ttl=3 / udp dport=9 csum=bad / text hello
//
// One word that holds several is split as a shell would. The error is a
// *setting.Error with the position in the words joined by spaces.
func Parse(words []string) (*Spec, error) {
	if len(words) == 1 {
		return ParseLine(words[0])
	}
	line := strings.Join(words, " ")
	var tokens []token
	at := 0
	for _, w := range words {
		tokens = append(tokens, token{w, at, true})
		at += len(w) + 1
	}
	return parse(&line, tokens, where{line: &line})
}

// ParseLine reads a packet from one line. Quotes hold words together.
func ParseLine(line string) (*Spec, error) {
	w := where{line: &line}
	tokens, err := split(line, w)
	if err != nil {
		return nil, err
	}
	return parse(&line, tokens, w)
}

// split cuts a line into words. Within "quotes" and 'quotes' a space is no end.
func split(line string, w where) ([]token, error) {
	var tokens []token
	for i := 0; i < len(line); {
		if line[i] == ' ' || line[i] == '\t' || line[i] == '\n' {
			i++
			continue
		}
		t := token{at: i, bare: true}
		var text strings.Builder
		for i < len(line) && line[i] != ' ' && line[i] != '\t' && line[i] != '\n' {
			if quote := line[i]; quote == '"' || quote == '\'' {
				end := strings.IndexByte(line[i+1:], quote)
				if end < 0 {
					w.at, w.width = i, 1
					return nil, w.fail("the quote is not closed")
				}
				text.WriteString(line[i+1 : i+1+end])
				i, t.bare = i+end+2, false
				continue
			}
			text.WriteByte(line[i])
			i++
		}
		t.text = text.String()
		tokens = append(tokens, t)
	}
	return tokens, nil
}

// parse reads the layers of a line.
func parse(line *string, tokens []token, w where) (*Spec, error) {
	s := &Spec{}
	tokens, err := s.flags(tokens, w)
	if err != nil {
		return nil, err
	}
	slash := 0 // where the last one was
	for len(tokens) > 0 {
		end := slices.IndexFunc(tokens, func(t token) bool { return t.text == "/" && t.bare })
		rest := tokens
		if end < 0 {
			tokens = nil
		} else {
			rest, tokens, slash = tokens[:end], tokens[end+1:], tokens[end].at
		}
		if len(rest) == 0 || end >= 0 && len(tokens) == 0 {
			if w.at, w.width = slash, 1; len(rest) > 0 {
				w.at = len(*line)
			}
			return nil, w.fail("a layer is expected beside the /, such as %s", "tcp dport=80")
		}
		if err := s.addLayer(rest, w); err != nil {
			return nil, err
		}
	}
	return s, s.check(w)
}

// check refuses what cannot be a packet.
func (s *Spec) check(w where) error {
	if len(s.parts) == 0 {
		return w.fail("a packet is expected, such as ip dst=127.0.0.1 / udp dport=9 / text hello")
	}
	for i := range s.parts {
		if s.parts[i].layer == Trailer && i != len(s.parts)-1 {
			return s.parts[i].where.fail("a trailer is the last layer")
		}
	}
	return nil
}

// flags takes --patch, --mtu and --seed out of the words.
func (s *Spec) flags(tokens []token, w where) ([]token, error) {
	var rest []token
	for i := 0; i < len(tokens); i++ {
		t := tokens[i]
		name, value, has := strings.Cut(t.text, "=")
		if !t.bare || name != "--patch" && name != "--mtu" && name != "--seed" {
			rest = append(rest, t)
			continue
		}
		at := t.at + len(name) + 1
		if !has {
			if i++; i == len(tokens) {
				w.at, w.width = t.at, len(t.text)
				return nil, w.fail("%s needs a value", name)
			}
			value, at = tokens[i].text, tokens[i].at
		}
		w.at, w.width = at, len(value)
		if err := s.flag(strings.TrimPrefix(name, "--"), value, w); err != nil {
			return nil, err
		}
	}
	return rest, nil
}

func (s *Spec) flag(name, value string, w where) error {
	if name == "patch" {
		return s.addPatch(value, w)
	}
	n, err := strconv.ParseUint(value, 0, 64)
	switch {
	case err != nil:
		return w.fail("%s is a number", name)
	case name == "seed":
		s.Seed = n
	case n < 68 || n > 65535:
		return w.fail("mtu is a number of bytes from 68 to 65535")
	default:
		s.MTU = int(n)
	}
	return nil
}

// AddPatch adds a patch as --patch takes it: LAYER+OFFSET=HEX, such as ip+6=2000.
// Patches overwrite bytes when all else is done, checksums too.
func (s *Spec) AddPatch(text string) error {
	return s.addPatch(text, where{line: &text, width: len(text)})
}

func (s *Spec) addPatch(text string, w where) error {
	place, content, _ := strings.Cut(text, "=")
	name, offset, has := strings.Cut(place, "+")
	p := patch{nth: 1, where: w}
	if !has {
		name, offset = "", place
	}
	name, nth, counted := strings.Cut(name, "#")
	if name != "" {
		l := layoutNamed(name)
		if l == nil {
			return w.within(unknown(name, "layer", layerNames()), 0)
		}
		p.layer = l.layer
	}
	n, err := strconv.ParseUint(offset, 0, 20)
	b, err2 := hex.DecodeString(strings.TrimPrefix(content, "0x"))
	if counted {
		var k uint64
		k, err = strconv.ParseUint(nth, 10, 8)
		p.nth = int(k)
	}
	if err != nil || err2 != nil || len(b) == 0 || p.nth == 0 {
		return w.fail("a patch is LAYER+OFFSET=HEX, such as ip+6=2000, or ip#2+6=2000 for the second ip")
	}
	p.offset, p.bytes = int(n), b
	s.patches = append(s.patches, p)
	return nil
}

func layoutNamed(name string) *layout {
	for _, l := range layouts[1:] {
		if l.name == name && l.layer != Data {
			return l
		}
	}
	return nil
}

// addLayer reads one layer.
func (s *Spec) addLayer(tokens []token, w where) error {
	name := tokens[0]
	w.at, w.width = name.at, len(name.text)
	l := layoutNamed(name.text)
	if l == nil {
		if strings.Contains(name.text, "=") {
			return w.fail("a layer's name is expected before %s; layers are separated by a lone /", setting.Quote(name.text))
		}
		return w.within(unknown(name.text, "layer", layerNames()), 0)
	}
	p := part{layout: l, origin: ByUser, where: w}
	var err error
	if payload(l.layer) {
		err = p.readPayload(tokens[1:], w)
	} else {
		err = p.readFields(tokens[1:], w)
	}
	s.parts = append(s.parts, p)
	return err
}

// readFields reads key=value of a header.
func (p *part) readFields(tokens []token, w where) error {
	for _, t := range tokens {
		w.at, w.width = t.at, len(t.text)
		key, value, has := strings.Cut(t.text, "=")
		if !has {
			if layoutNamed(key) != nil {
				return w.fail("%s is a layer: put a / before it", key)
			}
			if slices.Contains(p.keyNames(), key) || p.layout.find(key) != nil {
				return w.fail("a value is expected: %s=VALUE", key)
			}
			return w.within(mistakeAt(unknown(key, "field of "+p.name, p.keyNames()), 0), 0)
		}
		if err := p.assign(key, value, w); err != nil {
			return err
		}
	}
	return nil
}

// assign gives the field or the tail of that name a value. w is the place of
// key=value.
func (p *part) assign(key, value string, w where) error {
	at := len(key) + 1
	if slices.Contains(p.layout.tail.keys(), key) {
		return p.assignTail(key, value, w, at)
	}
	f := p.layout.find(key)
	if f == nil {
		return w.within(unknown(key, "field of "+p.name, p.keyNames()), 0)
	}
	// Fields of different types may share a name; the last that was set wins nothing.
	if p.find(f) != nil {
		return w.fail("%s is set twice", key)
	}
	a, err := f.assign(value)
	if err != nil {
		return w.within(err, at)
	}
	a.where = w
	p.set = append(p.set, a)
	return nil
}

// assign reads a value with its mode.
func (f *field) assign(value string) (assignment, error) {
	a := assignment{field: f, origin: ByUser}
	switch {
	case value == "zero":
		a.mode = zero
	case value == "bad" && f.by == given:
		return a, &mistake{0, len(value), f.name + " is not computed: there is no wrong value of it"}
	case value == "bad":
		a.mode = bad
	case strings.HasPrefix(value, "auto"):
		a.mode = automatic
		if value == "auto" {
			break
		}
		n, err := strconv.ParseInt(strings.TrimPrefix(value, "auto"), 10, 64)
		if err != nil || value[4] != '+' && value[4] != '-' {
			return a, &mistake{0, len(value), "auto, auto+N or auto-N is expected"}
		}
		a.delta = n
	case isVary(value):
		v, err := f.parseVary(value)
		a.mode, a.vary = varying, v
		return a, err
	default:
		v, err := f.parse(value)
		a.value = v
		return a, err
	}
	return a, nil
}

func (p *part) assignTail(key, value string, w where, at int) error {
	var b []byte
	var err error
	switch {
	case p.layout.tail == dnsRecords:
		return w.within(p.assignRecords(key, value), at)
	case p.tail != nil:
		return w.fail("%s is set twice", key)
	case p.layout.tail == addresses && !strings.HasPrefix(value, "raw:"):
		b, err = appendAddresses(nil, value, ",", 0)
	case value != "":
		b, err = p.layout.tail.parseOptions(value)
	}
	if len(b) > 2048 {
		return w.fail("a header has at most 2048 bytes")
	}
	p.tail = append([]byte{}, b...)
	return w.within(err, at)
}

// readPayload reads what follows the name of a payload layer.
func (p *part) readPayload(tokens []token, w where) error {
	var words []string
	for _, t := range tokens {
		words = append(words, t.text)
	}
	if len(tokens) > 0 {
		last := tokens[len(tokens)-1]
		w.at, w.width = tokens[0].at, last.at+len(last.text)-tokens[0].at
	}
	if p.layer == Struct {
		return p.readStruct(tokens, w)
	}
	return p.setPayload(strings.Join(words, " "), w)
}

// setPayload reads the content of a payload layer.
func (p *part) setPayload(text string, w where) error {
	switch p.layer {
	case Text:
		b, err := unescape(text)
		p.body = b
		return w.within(err, 0)
	case Hex, Trailer:
		b, err := hex.DecodeString(strings.NewReplacer(" ", "", ":", "", "0x", "").Replace(text))
		if err != nil {
			return w.fail("bytes in hexadecimal are expected, two digits each")
		}
		p.body = b
		return nil
	case File:
		p.file = text
		if text == "" {
			return w.fail("the name of a file is expected")
		}
		return nil
	}
	return p.setSize(text, w)
}

// setSize reads the length of zeros, random bytes, a counter, a time.
func (p *part) setSize(text string, w where) error {
	least, most, fallback := 0, MaxPacket, ""
	switch p.layer {
	case Counter:
		least, most, fallback = 1, 8, "4"
	case Time:
		least, most, fallback = 8, 8, "8"
	}
	if text == "" && fallback != "" {
		text = fallback
	}
	n, err := setting.ParseSize(text)
	if err != nil || n < int64(least) || n > int64(most) {
		return w.fail("a length in bytes is expected, from %d to %d", least, most)
	}
	p.size = int(n)
	if p.layer == Counter || p.layer == Time {
		p.countUp()
	}
	return nil
}

// countUp gives a counter or a time its one field.
func (p *part) countUp() {
	l := *p.layout
	f := field{name: p.name, bits: 8 * p.size, help: "counts frames from 0"}
	v := &vary{how: inc, to: most(f.bits), step: 1}
	if v.count = v.to.lo + 1; p.layer == Time {
		v.how, f.help = wallTime, "when it was built, in ns since 1970"
	}
	l.fields = []field{f}
	p.layout = lay(l)
	p.set = []assignment{{field: &p.layout.fields[0], mode: varying, vary: v, origin: ByComputed}}
}

// readStruct reads NAME:BITS=VALUE for each field of a binary structure.
func (p *part) readStruct(tokens []token, w where) error {
	l := *p.layout
	l.fields = nil
	var values []string
	total := 0
	for _, t := range tokens {
		w.at, w.width = t.at, len(t.text)
		declared, value, has := strings.Cut(t.text, "=")
		name, width, _ := strings.Cut(declared, ":")
		n, err := strconv.Atoi(width)
		if err != nil || n < 1 || n > 128 || name == "" || len(l.fields) == 1000 {
			return w.fail("a field NAME:BITS=VALUE is expected, of 1 to 128 bits, such as seq:32=inc:0")
		}
		if !has {
			value = "0"
		}
		l.fields = append(l.fields, field{name: name, bits: n, help: fmt.Sprintf("%d bits", n)})
		values = append(values, value)
		total += n
	}
	if total%8 != 0 || total == 0 {
		return w.fail("the fields of a structure fill whole bytes; these have %d bits", total)
	}
	p.layout = lay(l)
	for i, value := range values {
		w.at, w.width = tokens[i].at, len(tokens[i].text)
		a, err := p.layout.fields[i].assign(value)
		if err != nil {
			return w.within(err, strings.IndexByte(tokens[i].text, '=')+1)
		}
		a.where = w
		p.set = append(p.set, a)
	}
	return nil
}

// unescape reads \n, \r, \t, \\ and \xHH.
func unescape(text string) ([]byte, error) {
	if !strings.Contains(text, `\`) {
		return []byte(text), nil
	}
	var b []byte
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			b = append(b, text[i])
			continue
		}
		i++
		c, ok := map[string]byte{"n": '\n', "r": '\r', "t": '\t', `\`: '\\', "0": 0}[text[i:min(i+1, len(text))]]
		if !ok && i+3 <= len(text) && text[i] == 'x' {
			n, err := strconv.ParseUint(text[i+1:i+3], 16, 8)
			c, ok, i = byte(n), err == nil, i+2
		}
		if !ok {
			return nil, &mistake{min(i, len(text)) - 1, 2, `\n, \r, \t, \0, \\ or \xHH is expected`}
		}
		b = append(b, c)
	}
	return b, nil
}

// escape writes b as unescape reads it.
func escape(b []byte) string {
	var text strings.Builder
	for _, c := range b {
		switch {
		case c == '\n':
			text.WriteString(`\n`)
		case c == '\r':
			text.WriteString(`\r`)
		case c == '\t':
			text.WriteString(`\t`)
		case c == '\\':
			text.WriteString(`\\`)
		case c < ' ' || c >= 0x7f:
			fmt.Fprintf(&text, `\x%02x`, c)
		default:
			text.WriteByte(c)
		}
	}
	return text.String()
}
