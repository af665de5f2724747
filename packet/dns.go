package packet

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// recordTypes are the types whose values are written as text.
var recordTypes = map[string]dnsmessage.Type{
	"A": dnsmessage.TypeA, "NS": dnsmessage.TypeNS, "CNAME": dnsmessage.TypeCNAME, "SOA": dnsmessage.TypeSOA, "PTR": dnsmessage.TypePTR,
	"MX": dnsmessage.TypeMX, "TXT": dnsmessage.TypeTXT, "AAAA": dnsmessage.TypeAAAA, "SRV": dnsmessage.TypeSRV, "OPT": dnsmessage.TypeOPT, "ANY": dnsmessage.TypeALL,
}

// recordSection returns which of the four sections a count is about.
func recordSection(f *field) int {
	return map[string]int{"qdcount": 0, "ancount": 1, "nscount": 2, "arcount": 3}[f.name]
}

// classNames are the classes that have names; IN is the one that is not written.
var classNames = []named{{1, "IN", ""}, {3, "CH", ""}, {4, "HS", ""}, {254, "NONE", ""}, {255, "ANY", ""}}

// assignRecords reads the records of a section: questions NAME[[/CLASS]/TYPE], others
// NAME[/CLASS]/TYPE/TTL/VALUE, separated by commas; raw takes bytes for all sections.
func (p *part) assignRecords(key, value string) error {
	if key == "raw" {
		b, err := hex.DecodeString(value)
		p.tail = append(p.tail, b...)
		return wrongIf(err, 0, value, "bytes in hexadecimal are expected")
	}
	section := map[string]int{"q": 0, "an": 1, "ns": 2, "ar": 3}[key]
	for _, later := range p.counts[section+1:] {
		if later > 0 {
			return &mistake{0, len(value), "the sections come in the order q, an, ns, ar"}
		}
	}
	at := 0
	for one := range strings.SplitSeq(value, ",") {
		b, err := record(section, one)
		if err != nil {
			return mistakeAt(err, at)
		}
		p.tail = append(p.tail, b...)
		p.counts[section]++
		at += len(one) + 1
	}
	return nil
}

// record packs one question or record, without compression.
func record(section int, text string) ([]byte, error) {
	words, class := recordWords(section, text)
	if section == 0 && len(words) == 1 {
		words = append(words, "A")
	}
	form := &mistake{0, len(text), "NAME/TYPE/TTL/VALUE is expected, such as example.com/A/300/192.0.2.1"}
	if section == 0 && len(words) != 2 || section > 0 && len(words) != 4 {
		if section == 0 {
			form.problem = "NAME/TYPE is expected, such as example.com/A"
		}
		return nil, form
	}
	name, err := dnsmessage.NewName(dotted(words[0]))
	kind, ok := recordType(words[1])
	if err != nil || !ok {
		return nil, form
	}
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{})
	if section == 0 {
		err = b.StartQuestions()
		if err == nil {
			err = b.Question(dnsmessage.Question{Name: name, Type: kind, Class: class})
		}
	} else {
		ttl, wrong := strconv.ParseUint(words[2], 10, 32)
		if wrong != nil {
			return nil, form
		}
		_ = b.StartAnswers()
		err = addRecord(&b, dnsmessage.ResourceHeader{Name: name, Class: class, TTL: uint32(ttl)}, kind, words[3])
	}
	message, wrong := b.Finish()
	if err != nil || wrong != nil {
		return nil, &mistake{0, len(text), fmt.Sprintf("%v", firstError(err, wrong))}
	}
	return message[12:], nil
}

// recordWords takes a record apart: its words without the class, and the class. What
// stands before a type is one, and a TTL is a number where a type is none.
func recordWords(section int, text string) ([]string, dnsmessage.Class) {
	words := strings.SplitN(text, "/", 5)
	if section == 0 && len(words) == 3 || section > 0 && len(words) == 5 {
		class, ok := recordClass(words[1])
		if _, isTTL := strconv.ParseUint(words[2], 10, 32); ok && (section == 0 || isTTL != nil) {
			return append(words[:1], words[2:]...), class
		}
	}
	return strings.SplitN(text, "/", 4), dnsmessage.ClassINET
}

// recordClass reads the name of a class, or CLASS and its number (RFC 3597, section 5).
func recordClass(name string) (dnsmessage.Class, bool) {
	name = strings.ToUpper(name)
	for _, c := range classNames {
		if c.name == name {
			return dnsmessage.Class(c.value), true
		}
	}
	digits, has := strings.CutPrefix(name, "CLASS")
	n, err := strconv.ParseUint(digits, 10, 16)
	return dnsmessage.Class(n), has && err == nil
}

// className writes a class as recordClass reads it, with what separates it from a type.
func className(class uint16) string {
	switch name := nameIn(classNames, uint64(class)); {
	case class == uint16(dnsmessage.ClassINET):
		return ""
	case name != "":
		return name + "/"
	}
	return fmt.Sprintf("CLASS%d/", class)
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func dotted(name string) string {
	if strings.HasSuffix(name, ".") {
		return name
	}
	return name + "."
}

// recordType reads the name of a type, or TYPE and its number (RFC 3597).
func recordType(name string) (dnsmessage.Type, bool) {
	if kind, ok := recordTypes[strings.ToUpper(name)]; ok {
		return kind, true
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(strings.ToUpper(name), "TYPE"), 10, 16)
	return dnsmessage.Type(n), err == nil
}

func typeName(kind dnsmessage.Type) string {
	for name, k := range recordTypes {
		if k == kind {
			return name
		}
	}
	return "TYPE" + strconv.Itoa(int(kind))
}

// addRecord packs a record with its value in text; bytes in hexadecimal stand for
// types whose values have no text here.
func addRecord(b *dnsmessage.Builder, h dnsmessage.ResourceHeader, kind dnsmessage.Type, value string) error {
	expected := func(what string) error { return fmt.Errorf("%s is expected, not %s", what, strconv.Quote(value)) }
	switch kind {
	case dnsmessage.TypeA, dnsmessage.TypeAAAA:
		a, err := netip.ParseAddr(value)
		switch {
		case err == nil && a.Is4() && kind == dnsmessage.TypeA:
			return b.AResource(h, dnsmessage.AResource{A: a.As4()})
		case err == nil && a.Is6() && kind == dnsmessage.TypeAAAA:
			return b.AAAAResource(h, dnsmessage.AAAAResource{AAAA: a.As16()})
		}
		return expected("an address")
	case dnsmessage.TypeTXT:
		return b.TXTResource(h, dnsmessage.TXTResource{TXT: []string{value}})
	case dnsmessage.TypeMX:
		preference, host, _ := strings.Cut(value, " ")
		n, err := strconv.ParseUint(preference, 10, 16)
		name, err2 := dnsmessage.NewName(dotted(host))
		if err != nil || err2 != nil || host == "" {
			return expected("a preference and a name")
		}
		return b.MXResource(h, dnsmessage.MXResource{Pref: uint16(n), MX: name})
	case dnsmessage.TypeNS, dnsmessage.TypeCNAME, dnsmessage.TypePTR:
		name, err := dnsmessage.NewName(dotted(value))
		if err != nil {
			return expected("a name")
		}
		return addName(b, h, kind, name)
	}
	data, err := hex.DecodeString(value)
	if err != nil {
		return expected("the value in hexadecimal")
	}
	return b.UnknownResource(h, dnsmessage.UnknownResource{Type: kind, Data: data})
}

func addName(b *dnsmessage.Builder, h dnsmessage.ResourceHeader, kind dnsmessage.Type, name dnsmessage.Name) error {
	switch kind {
	case dnsmessage.TypeNS:
		return b.NSResource(h, dnsmessage.NSResource{NS: name})
	case dnsmessage.TypeCNAME:
		return b.CNAMEResource(h, dnsmessage.CNAMEResource{CNAME: name})
	}
	return b.PTRResource(h, dnsmessage.PTRResource{PTR: name})
}

// A dnsRecord is where one record of a message is.
type dnsRecord struct {
	section    int
	at, length int
	text       string // NAME/TYPE or NAME/TYPE/TTL/VALUE
}

// records walks over a whole message. ok is false where it could not be read to
// its end.
func records(message []byte) (all []dnsRecord, ok bool) {
	at := 12
	for section := range 4 {
		for range int(word(message, 4+2*section)) {
			r := dnsRecord{section: section, at: at}
			if at, ok = r.read(message); !ok {
				return all, false
			}
			r.length = at - r.at
			all = append(all, r)
		}
	}
	return all, at == len(message)
}

// read takes the record at r.at and returns where the next begins.
func (r *dnsRecord) read(message []byte) (end int, ok bool) {
	if end, ok = endOfRecord(message, r.at, r.section == 0); !ok {
		return end, false
	}
	name, text, ok := readRecord(message, r.at, end, r.section == 0)
	r.text = name + text
	return end, ok
}

// endOfRecord returns where the record ends that begins at an offset.
func endOfRecord(message []byte, at int, question bool) (int, bool) {
	for {
		switch {
		case at >= len(message):
			return at, false
		case message[at] >= 0xc0:
			at += 2
		case message[at] == 0:
			at++
		default:
			at += 1 + int(message[at])
			continue
		}
		break
	}
	if question {
		return at + 4, at+4 <= len(message)
	}
	if at+10 > len(message) {
		return at, false
	}
	end := at + 10 + int(word(message, at+8))
	return end, end <= len(message)
}

// readRecord returns the name and the rest of a record, in the language's form.
func readRecord(message []byte, at, end int, question bool) (name, rest string, ok bool) {
	kindAt := end - 4
	if !question {
		kindAt = endOfName(message, at)
	}
	name, ok = readName(message, at)
	kind := dnsmessage.Type(word(message, kindAt))
	rest = "/" + className(word(message, kindAt+2)) + typeName(kind)
	if question || !ok {
		return name, rest, ok
	}
	ttl := binary.BigEndian.Uint32(message[kindAt+4:])
	return name, fmt.Sprintf("%s/%d/%s", rest, ttl, recordValue(message, kind, kindAt+10, end)), true
}

func endOfName(message []byte, at int) int {
	for message[at] != 0 && message[at] < 0xc0 {
		at += 1 + int(message[at])
	}
	if message[at] == 0 {
		return at + 1
	}
	return at + 2
}

// readName follows at most 126 pointers.
func readName(message []byte, at int) (string, bool) {
	var name strings.Builder
	for hops := 0; hops < 127; {
		switch {
		case at >= len(message):
			return name.String(), false
		case message[at] == 0:
			if name.Len() == 0 {
				return ".", true
			}
			return name.String(), true
		case message[at] >= 0xc0:
			if at+2 > len(message) {
				return name.String(), false
			}
			at = int(word(message, at) & 0x3fff)
			hops++
		default:
			label := message[at+1 : min(at+1+int(message[at]), len(message))]
			if bytes.ContainsAny(label, "./, \\") || name.Len()+len(label) > 254 {
				return name.String(), false
			}
			name.Write(label)
			name.WriteByte('.')
			at += 1 + int(message[at])
		}
	}
	return name.String(), false
}

// recordValue writes the value of a record so that addRecord reads it.
func recordValue(message []byte, kind dnsmessage.Type, at, end int) string {
	data := message[at:end]
	switch {
	case kind == dnsmessage.TypeA && len(data) == 4, kind == dnsmessage.TypeAAAA && len(data) == 16:
		a, _ := netip.AddrFromSlice(data)
		return a.String()
	case kind == dnsmessage.TypeTXT && len(data) > 0 && int(data[0]) == len(data)-1 && !bytes.ContainsAny(data[1:], ",\\\""):
		return string(data[1:])
	case kind == dnsmessage.TypeMX && len(data) > 2:
		if host, ok := readName(message, at+2); ok {
			return fmt.Sprintf("%d %s", word(data, 0), host)
		}
	case kind == dnsmessage.TypeNS || kind == dnsmessage.TypeCNAME || kind == dnsmessage.TypePTR:
		if host, ok := readName(message, at); ok {
			return host
		}
	}
	return hex.EncodeToString(data)
}

// describeRecords returns the keys that make the tail of a message, whose header
// is 12 bytes.
func describeRecords(message []byte) []keyValue {
	all, ok := records(message)
	raw := []keyValue{{"raw", hex.EncodeToString(message[12:])}}
	if !ok || len(message) == 12 {
		if len(message) == 12 {
			return nil
		}
		return raw
	}
	var sections [4][]string
	for _, r := range all {
		sections[r.section] = append(sections[r.section], r.text)
	}
	p := part{layout: layouts[DNS]}
	var keys []keyValue
	for i, key := range []string{"q", "an", "ns", "ar"} {
		if len(sections[i]) == 0 {
			continue
		}
		text := strings.Join(sections[i], ",")
		if p.assignRecords(key, text) != nil {
			return raw
		}
		keys = append(keys, keyValue{key, text})
	}
	if !bytes.Equal(p.tail, message[12:]) {
		return raw
	}
	return keys
}

type keyValue struct{ key, value string }
