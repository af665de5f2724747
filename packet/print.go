package packet

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"wirelab/internal/setting"
)

// CLI returns the packet as words for a shell, with --patch, --mtu and --seed.
// What was filled in is left out: reading it again makes the same packet.
func (s *Spec) CLI() string {
	var words []string
	first := true
	for i := range s.parts {
		p := &s.parts[i]
		if p.origin == ByDefault && len(p.pairs()) == 0 {
			continue
		}
		if !first {
			words = append(words, "/")
		}
		first = false
		words = append(words, p.name)
		if text := p.text(); text != "" {
			words = append(words, shellQuote(text))
		}
		for _, pair := range p.pairs() {
			words = append(words, shellQuote(pair.key+"="+pair.value))
		}
	}
	for _, p := range s.patches {
		words = append(words, "--patch", shellQuote(p.String()))
	}
	if s.MTU != 0 {
		words = append(words, "--mtu", strconv.Itoa(s.MTU))
	}
	if s.Seed != 0 {
		words = append(words, "--seed", strconv.FormatUint(s.Seed, 10))
	}
	return strings.Join(words, " ")
}

func (p *patch) String() string {
	place := strconv.Itoa(p.offset)
	if p.layer != NoLayer {
		place = p.layer.String()
		if p.nth > 1 {
			place += "#" + strconv.Itoa(p.nth)
		}
		place += "+" + strconv.Itoa(p.offset)
	}
	return place + "=" + hex.EncodeToString(p.bytes)
}

// YAML returns the packet as a document that FromValue reads.
func (s *Spec) YAML() string {
	var y strings.Builder
	y.WriteString("layers:\n")
	for i := range s.parts {
		p := &s.parts[i]
		pairs := p.pairs()
		switch {
		case p.origin == ByDefault && len(pairs) == 0:
		case payload(p.layer) && p.layer != Struct:
			fmt.Fprintf(&y, "  - %s: %s\n", p.name, strconv.Quote(p.text()))
		case len(pairs) == 0:
			fmt.Fprintf(&y, "  - %s\n", p.name)
		default:
			var all []string
			for _, pair := range pairs {
				all = append(all, strconv.Quote(pair.key)+": "+strconv.Quote(pair.value))
			}
			fmt.Fprintf(&y, "  - %s: {%s}\n", p.name, strings.Join(all, ", "))
		}
	}
	if len(s.patches) > 0 {
		y.WriteString("patch:\n")
		for _, p := range s.patches {
			fmt.Fprintf(&y, "  - %s\n", p.String())
		}
	}
	if s.MTU != 0 {
		fmt.Fprintf(&y, "mtu: %d\n", s.MTU)
	}
	if s.Seed != 0 {
		fmt.Fprintf(&y, "seed: %d\n", s.Seed)
	}
	return y.String()
}

// text returns what a payload layer says behind its name.
func (p *part) text() string {
	switch p.layer {
	case Text:
		return escape(p.body)
	case Hex, Trailer:
		return hex.EncodeToString(p.body)
	case File:
		return p.file
	case Zero, Random, Counter, Time:
		return strconv.Itoa(p.size)
	}
	return ""
}

// pairs returns the keys that a layer sets with their values. What was filled in
// and what follows is left out.
func (p *part) pairs() []keyValue {
	var pairs []keyValue
	if payload(p.layer) && p.layer != Struct {
		return nil
	}
	for i := range p.set {
		if a := &p.set[i]; a.origin != ByDefault && a.origin != ByComputed {
			key := a.field.name
			if p.layer == Struct {
				key += ":" + strconv.Itoa(a.field.bits)
			}
			pairs = append(pairs, keyValue{key, a.format()})
		}
	}
	return append(pairs, p.tailPairs()...)
}

func (p *part) tailPairs() []keyValue {
	switch t := p.layout.tail; {
	case len(p.tail) == 0:
		return nil
	case t == dnsRecords:
		return p.recordPairs()
	case t == addresses && len(p.tail)%16 == 0:
		return []keyValue{{"addrs", formatAddresses(p.tail, 16, ",")}}
	case t == addresses:
		return []keyValue{{"addrs", "raw:" + hex.EncodeToString(p.tail)}}
	default:
		offset := p.layout.sizeOf(p)
		return []keyValue{{t.keys()[0], t.formatOptions(t.pad(p.tail[:len(p.tail):len(p.tail)], offset), offset)}}
	}
}

// sizeOf returns the length of the fields that the part has.
func (l *layout) sizeOf(p *part) int {
	header := make([]byte, p.room())
	p.fill(header)
	return l.size(header)
}

// recordPairs writes the records of a DNS message as they were counted.
func (p *part) recordPairs() []keyValue {
	message := make([]byte, 12, 12+len(p.tail))
	for i, n := range p.counts {
		message[4+2*i], message[5+2*i] = byte(n>>8), byte(n)
	}
	return describeRecords(append(message, p.tail...))
}

func (a *assignment) format() string {
	switch a.mode {
	case automatic:
		if a.delta != 0 {
			return fmt.Sprintf("auto%+d", a.delta)
		}
		return "auto"
	case bad:
		return "bad"
	case zero:
		return "zero"
	case varying:
		return a.vary.format(a.field)
	}
	return a.field.format(a.value)
}

// shellQuote quotes a word where a shell would read it otherwise.
func shellQuote(word string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789=.,:+-_/@%#"
	if word != "" && word != "/" && strings.Trim(word, plain) == "" && word[0] != '#' {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'"'"'`) + "'"
}

// FromValue reads a packet from YAML: a line as ParseLine takes it, a list of
// layers, or keys layers, patch, mtu and seed.
//
//	layers:
//	  - ip: {src: 192.0.2.1, dst: 192.0.2.35}
//	  - udp: {dport: 9}
//	  - text: hello
//	patch: [ip+6=2000]
//
// The error is a *setting.Error with the place in the file.
func FromValue(v setting.Value) (*Spec, error) {
	s := &Spec{}
	switch v.Kind {
	case setting.Scalar:
		w := where{value: &v}
		line := v.Text
		tokens, err := split(line, w)
		if err != nil {
			return nil, err
		}
		return parse(&line, tokens, w)
	case setting.List:
		return s, s.readLayers(v)
	case setting.Map:
		for _, e := range v.Entries {
			if err := s.readKey(e); err != nil {
				return nil, err
			}
		}
		return s, s.check(whole(&v))
	}
	return nil, v.Errorf("a packet is expected: a line, or a list of layers, not %s", v.Describe())
}

// whole is the place of a value as a whole.
func whole(v *setting.Value) where { return where{value: v, width: len(v.Text)} }

func (s *Spec) readKey(e setting.Entry) error {
	v := e.Value
	switch e.Key {
	case "layers":
		return s.readLayers(v)
	case "patch":
		texts, err := v.Texts()
		if err != nil {
			return err
		}
		for i := range texts {
			if err := s.addPatch(texts[i].Text, whole(&texts[i])); err != nil {
				return err
			}
		}
		return nil
	case "mtu", "seed":
		if v.Kind != setting.Scalar {
			return v.Errorf("a number is expected, not %s", v.Describe())
		}
		return s.flag(e.Key, v.Text, whole(&v))
	}
	m := unknown(e.Key, "key", []string{"layers", "patch", "mtu", "seed"})
	return e.Errorf("%s", m.Error())
}

func (s *Spec) readLayers(v setting.Value) error {
	if v.Kind == setting.Scalar {
		line, err := FromValue(v)
		if err == nil {
			s.parts, s.patches = line.parts, append(s.patches, line.patches...)
		}
		return err
	}
	if v.Kind != setting.List {
		return v.Errorf("a list of layers is expected, not %s", v.Describe())
	}
	for i := range v.Items {
		if err := s.readItem(v.Items[i]); err != nil {
			return err
		}
	}
	return s.check(whole(&v))
}

// readItem reads one layer: its name, or its name with what it has.
func (s *Spec) readItem(item setting.Value) error {
	name, content, place := item.Text, setting.Value{}, whole(&item)
	switch {
	case item.Kind == setting.Map && len(item.Entries) == 1:
		name, content = item.Entries[0].Key, item.Entries[0].Value
	case item.Kind != setting.Scalar:
		return item.Errorf("a layer is expected, such as tcp: {dport: 80}, not %s", item.Describe())
	}
	l := layoutNamed(name)
	if l == nil {
		err := unknown(name, "layer", layerNames())
		if item.Kind == setting.Map {
			return item.Entries[0].Errorf("%s", err.Error())
		}
		return place.within(err, 0)
	}
	p := part{layout: l, origin: ByUser, where: place}
	err := p.readContent(content, place)
	s.parts = append(s.parts, p)
	return err
}

// readContent reads what stands behind the name of a layer.
func (p *part) readContent(content setting.Value, place where) error {
	switch {
	case p.layer == Struct && content.Kind == setting.Map:
		return p.readStructMap(content)
	case payload(p.layer) && content.Kind != setting.Map && content.Kind != setting.List:
		if content.Kind == setting.Scalar {
			place = whole(&content)
		}
		if p.layer == Struct {
			return place.fail("the fields of the structure are expected, such as {seq:32: 7}")
		}
		return p.setPayload(content.Text, place)
	case content.Kind == setting.Null:
		return nil
	case content.Kind != setting.Map || payload(p.layer):
		return content.Errorf("%s does not take %s", p.name, content.Describe())
	}
	for i := range content.Entries {
		e := &content.Entries[i]
		texts, err := e.Value.Texts()
		if err != nil {
			return err
		}
		var all []string
		for _, t := range texts {
			all = append(all, t.Text)
		}
		if err := p.assignEntry(e, strings.Join(all, ",")); err != nil {
			return err
		}
	}
	return nil
}

// assignEntry sets a field from a file, where key and value have their own places.
func (p *part) assignEntry(e *setting.Entry, value string) error {
	if p.layout.find(e.Key) == nil {
		known := p.keyNames()
		if !contains(known, e.Key) {
			return e.Errorf("%s", unknown(e.Key, "field of "+p.name, known).Error())
		}
	}
	w := whole(&e.Value)
	w.at -= len(e.Key) + 1 // assign counts from the key
	return p.assign(e.Key, value, w)
}

func contains(all []string, one string) bool {
	for _, a := range all {
		if a == one {
			return true
		}
	}
	return false
}

func (p *part) readStructMap(content setting.Value) error {
	var tokens []token
	for _, e := range content.Entries {
		tokens = append(tokens, token{text: e.Key + "=" + e.Value.Text, bare: true})
	}
	return p.readStruct(tokens, whole(&content))
}
