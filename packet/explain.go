package packet

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// An Explanation says of every byte of a frame what it is.
type Explanation struct {
	Link      LinkType    `json:"link_type"`
	Length    int         `json:"length_bytes"`
	Captured  int         `json:"captured_bytes"`
	Hex       string      `json:"hex"`
	Summary   string      `json:"summary"`
	Malformed string      `json:"malformed,omitempty"`
	Layers    []Explained `json:"layers"`
}

// Explained is one layer of an Explanation.
type Explained struct {
	Layer    Layer          `json:"layer"`
	Title    string         `json:"title"`
	Source   string         `json:"source,omitempty"`
	Offset   int            `json:"offset"`
	Length   int            `json:"length_bytes"`
	Quoted   bool           `json:"quoted,omitempty"` // inside an ICMP error
	Added    bool           `json:"added,omitempty"`  // nobody asked for it: what was asked for needs it
	Fault    string         `json:"fault,omitempty"`
	Fields   []FieldText    `json:"fields"`
	Checksum *ChecksumSteps `json:"checksum,omitempty"`
}

// FieldText is one field, one option, or up to 16 bytes of content.
type FieldText struct {
	Name    string `json:"name"`
	Offset  int    `json:"offset"` // of its first byte in the frame
	Bit     int    `json:"bit"`    // of its first bit in that byte, from the left
	Bits    int    `json:"bits"`
	Hex     string `json:"hex"` // of the bytes that it is in
	Value   string `json:"value"`
	Meaning string `json:"meaning,omitempty"`
	Allowed string `json:"allowed,omitempty"`
	Help    string `json:"help,omitempty"`
	SetBy   Origin `json:"set_by,omitempty"`
}

// ChecksumSteps works a checksum out.
type ChecksumSteps struct {
	Verdict    Verdict `json:"verdict"`
	Offset     int     `json:"offset"`
	Found      string  `json:"found"`
	Right      string  `json:"right,omitempty"`
	Why        string  `json:"why,omitempty"`
	Terms      []Term  `json:"terms,omitempty"`
	Sum        string  `json:"sum,omitempty"`        // of all terms
	Folded     string  `json:"folded,omitempty"`     // carries added until 16 bits are left
	Complement string  `json:"complement,omitempty"` // every bit turned over
}

// A Term is one part of a checksum's sum.
type Term struct {
	Name  string `json:"name"`
	Words string `json:"words"` // the first of its 16-bit words
	Sum   string `json:"sum"`

	sum uint64
}

// Explain explains a frame that was scanned. made is the Template that built it,
// which knows who set what, or nil.
func Explain(frame []byte, h *Headers, known Offload, made *Template) *Explanation {
	e := &Explanation{
		Link: h.Link, Length: h.Original, Captured: h.Captured,
		Hex: hex.EncodeToString(frame), Summary: string(AppendSummary(nil, frame, h)),
	}
	if bad, ok := h.Malformed(); ok {
		e.Malformed = bad.Layer.String() + " " + bad.Fault.String()
	}
	for i, one := range h.All() {
		l := explainer{frame: frame, header: one, layout: layouts[one.Layer], made: made}
		layer := l.layer()
		if !one.Quoted && l.layout.sum != noSum {
			layer.Checksum = workOut(frame, h.All(), i, known)
		}
		e.Layers = append(e.Layers, layer)
	}
	return e
}

type explainer struct {
	frame  []byte
	header Header
	layout *layout
	made   *Template
	fields []FieldText
}

func (e *explainer) layer() Explained {
	h := &e.header
	b := e.frame[h.Offset : h.Offset+h.Length]
	x := Explained{
		Layer: h.Layer, Title: e.layout.title, Source: e.layout.source, Offset: int(h.Offset), Length: int(h.Length),
		Quoted: h.Quoted, Fault: h.Fault.String(), Added: e.added(),
	}
	switch {
	case payload(h.Layer):
		e.content(0, b)
	default:
		e.header1(b)
	}
	x.Fields = e.fields
	return x
}

// added reports whether the layer was filled in below what was asked for.
func (e *explainer) added() bool {
	if e.made == nil {
		return false
	}
	for i, h := range e.made.headers {
		if h.Offset == e.header.Offset && h.Layer == e.header.Layer {
			return e.made.parts[i].origin == ByDefault
		}
	}
	return false
}

// header1 explains the fields of a header and what follows them in it.
func (e *explainer) header1(b []byte) {
	at := 0
	for _, f := range e.layout.place(b, make([]placed, 0, 32)) {
		end := (f.bit + f.bits + 7) / 8
		if end > len(b) {
			break
		}
		v := getBits(b, f.bit, f.bits)
		row := e.row(f.name, f.bit, f.bits)
		row.Value, row.Meaning, row.Allowed, row.Help = f.show(v), f.meaning(v), f.allowed(), f.help
		if e.header.FromFrame && (f.by == totalLength || f.by == payloadLength) {
			row.Meaning = "not said: the length is taken from the frame"
		}
		e.fields = append(e.fields, row)
		at = end
	}
	rest := b[at:]
	switch t := e.layout.tail; {
	case len(rest) == 0:
	case at < e.layout.size(b) || t == noTail:
		row := e.row("cut", at*8, len(rest)*8)
		row.Value, row.Meaning = hex.EncodeToString(rest), "the rest of the header is missing"
		e.fields = append(e.fields, row)
	case t == dnsRecords:
		e.records(b)
	case t == addresses:
		e.addresses(at, rest)
	default:
		e.options(t, at, rest)
	}
}

// row begins a row for bits of the header.
func (e *explainer) row(name string, bit, bits int) FieldText {
	at := int(e.header.Offset) + bit/8
	end := int(e.header.Offset) + (bit+bits+7)/8
	return FieldText{
		Name: name, Offset: at, Bit: bit % 8, Bits: bits, Hex: hex.EncodeToString(e.frame[at:end]),
		SetBy: e.origin(int(e.header.Offset)*8+bit, bits),
	}
}

// origin returns who set the bits. A patch counts before all others.
func (e *explainer) origin(bit, bits int) Origin {
	if e.made == nil {
		return Unknown
	}
	origin := Unknown
	for _, s := range e.made.spans {
		if bit < s.bit+s.bits && s.bit < bit+bits && (origin == Unknown || s.origin == ByPatch) {
			origin = s.origin
		}
	}
	return origin
}

// options explains options one by one, and what is no option as bytes.
func (e *explainer) options(t tail, at int, b []byte) {
	for len(b) > 0 {
		o, whole, content := t.next(b)
		if whole == nil {
			row := e.row("opts", at*8, len(b)*8)
			row.Value, row.Meaning = hex.EncodeToString(b), "no option: its length is absurd"
			e.fields = append(e.fields, row)
			return
		}
		if o.kind == 0 && (t == tcpOptions || t == ipOptions) {
			whole = b // the list ends here
		}
		row := e.row(o.name, at*8, len(whole)*8)
		row.Value, row.Meaning, row.Allowed = "", o.help, "option"
		if o.form != single && o.form != empty {
			row.Value = formatForm(o.form, content)
		}
		if o.kind == 0 && len(whole) > 1 {
			row.Meaning = "end of the list, and padding"
		}
		e.fields = append(e.fields, row)
		at, b = at+len(whole), b[len(whole):]
	}
}

func (e *explainer) addresses(at int, b []byte) {
	for i := 0; len(b) > 0; i++ {
		length := min(16, len(b))
		row := e.row(fmt.Sprintf("addrs[%d]", i), at*8, length*8)
		row.Value, row.Meaning = hex.EncodeToString(b[:length]), "less than an address"
		if length == 16 {
			row.Value, row.Meaning = formatAddresses(b[:16], 16, ""), "a stop on the way"
		}
		e.fields = append(e.fields, row)
		at, b = at+length, b[length:]
	}
}

func (e *explainer) records(b []byte) {
	all, _ := records(b)
	at := 12
	for _, r := range all {
		row := e.row([...]string{"q", "an", "ns", "ar"}[r.section], r.at*8, r.length*8)
		row.Value = strings.Map(printable, r.text)
		row.Meaning = [...]string{"question", "answer", "authority", "additional"}[r.section]
		e.fields = append(e.fields, row)
		at = r.at + r.length
	}
	if at < len(b) {
		e.content(at, b[at:])
	}
}

func printable(r rune) rune {
	if r < ' ' || r >= 0x7f {
		return '.'
	}
	return r
}

// content explains bytes 16 at a time, and the fields of a structure that was
// described as one.
func (e *explainer) content(at int, b []byte) {
	for len(b) > 0 {
		if n := e.described(at); n > 0 && n <= len(b) {
			at, b = at+n, b[n:]
			continue
		}
		n := min(16, len(b))
		for k := 1; k < n; k++ {
			if e.describedAt(at+k) != nil {
				n = k
			}
		}
		row := e.row("data", at*8, n*8)
		row.Value = strings.Map(printable, string(latin(b[:n])))
		e.fields = append(e.fields, row)
		at, b = at+n, b[n:]
	}
}

// latin makes one rune of each byte.
func latin(b []byte) []rune {
	runes := make([]rune, len(b))
	for i, c := range b {
		runes[i] = rune(c)
	}
	return runes
}

// describedAt returns the part with fields of its own that begins at a byte of
// the content.
func (e *explainer) describedAt(at int) *part {
	if e.made == nil {
		return nil
	}
	for i, h := range e.made.headers {
		if p := &e.made.parts[i]; int(h.Offset) == int(e.header.Offset)+at && (p.layer == Struct || p.layer == Counter || p.layer == Time) {
			return p
		}
	}
	return nil
}

// described explains the structure at a byte of the content and returns its
// length, 0 if there is none.
func (e *explainer) described(at int) int {
	p := e.describedAt(at)
	if p == nil || int(e.header.Offset)+at+p.layout.fixed > len(e.frame) {
		return 0
	}
	for i := range p.layout.fields {
		f := &p.layout.fields[i]
		v := getBits(e.frame[int(e.header.Offset)+at:], f.bit, f.bits)
		row := e.row(f.name, at*8+f.bit, f.bits)
		row.Value, row.Allowed, row.Help = f.show(v), f.allowed(), f.help
		e.fields = append(e.fields, row)
	}
	return p.layout.fixed
}

// workOut works the checksum of all[i] out, step by step; nil where it has none.
func workOut(frame []byte, all []Header, i int, known Offload) *ChecksumSteps {
	h := &all[i]
	at, ok := checksumOf(frame, h)
	if !ok {
		return nil
	}
	check := Check{Layer: h.Layer, Offset: at, Found: word(frame, at)}
	check.Verdict, check.Right = judge(frame, all, i, known, check.Found)
	s := &ChecksumSteps{Verdict: check.Verdict, Offset: check.Offset, Found: hex16(check.Found), Why: why(frame, all, i, check)}
	var c coverage
	if !c.find(frame, all, i) || !verifiable(frame, h, &c) {
		return s
	}
	s.Right = hex16(check.Right)
	s.pseudo(frame, &c)
	total := uint64(0)
	for at := c.from; at < c.to; {
		end := min(c.to, int(h.Offset+h.Length))
		name := "header, the checksum as 0000"
		if at >= int(h.Offset+h.Length) {
			end, name = c.to, "content"
		}
		b := append([]byte{}, frame[at:end]...)
		if at <= c.at && c.at < end {
			b[c.at-at], b[c.at-at+1] = 0, 0
		}
		s.term(name, b)
		at = end
	}
	for _, t := range s.Terms {
		total += t.sum
	}
	s.Sum = fmt.Sprintf("%x", total)
	s.Folded = hex16(fold(total))
	s.Complement = hex16(^fold(total))
	return s
}

func hex16(v uint16) string { return fmt.Sprintf("%04x", v) }

// pseudo adds the terms of the pseudo header.
func (s *ChecksumSteps) pseudo(frame []byte, c *coverage) {
	if !c.pseudo {
		return
	}
	s.term("pseudo header: source address", frame[c.src:c.src+c.address])
	s.term("pseudo header: destination address", frame[c.dst:c.dst+c.address])
	s.term("pseudo header: protocol", []byte{0, c.protocol})
	if c.length > 0xffff {
		s.term("pseudo header: length", []byte{byte(c.length >> 24), byte(c.length >> 16), byte(c.length >> 8), byte(c.length)})
	} else {
		s.term("pseudo header: length", []byte{byte(c.length >> 8), byte(c.length)})
	}
}

// term adds the sum of b, not folded.
func (s *ChecksumSteps) term(name string, b []byte) {
	const shown = 32 // words
	var words strings.Builder
	var n uint64
	for i := 0; i < len(b); i += 2 {
		pair := [2]byte{b[i]}
		if i+1 < len(b) {
			pair[1] = b[i+1]
		}
		n += uint64(pair[0])<<8 | uint64(pair[1])
		if i/2 < shown {
			if i > 0 {
				words.WriteByte(' ')
			}
			words.WriteString(hex.EncodeToString(pair[:]))
		}
	}
	if len(b) > 2*shown {
		fmt.Fprintf(&words, " and %d more", (len(b)+1)/2-shown)
	}
	s.Terms = append(s.Terms, Term{name, words.String(), fmt.Sprintf("%x", n), n})
}

// why says what a verdict is based on, where the numbers do not say it.
func why(frame []byte, all []Header, i int, c Check) string {
	h := &all[i]
	switch c.Verdict {
	case Absent:
		return "0 says that there is no checksum (RFC 768)"
	case Partial:
		return "the sum of the pseudo header: a device computes the rest when the frame leaves"
	case Unverified:
		switch {
		case h.Partial:
			return "only a fragment of what it covers is here"
		case int(h.End) > len(frame):
			return "the capture cut what it covers"
		}
		return "the headers are not sound"
	case Bad:
		switch {
		case h.Fault == LongContent || h.Fault == ShortContent || h.Fault == LongHeader || h.Fault == ShortLength:
			return "it " + h.Fault.String()
		case h.Layer == UDP && c.Found == 0:
			return "over IPv6 a checksum is required (RFC 8200, section 8.1)"
		case h.Layer == UDP && c.Right == 0xffff:
			return "a checksum of 0 is sent as ffff"
		}
	case Good:
		if c.Found^c.Right != 0 && c.Found^c.Right != 0xffff {
			return "the device that received it has verified it"
		}
		if c.Found != c.Right {
			return "0 and ffff are the same number in ones' complement"
		}
	}
	return ""
}
