package packet

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"wirelab/internal/setting"
	"wirelab/internal/spell"
)

// A Spec is a packet as it is described: layers, outer first, each with the
// fields that were set. What is missing is filled in when it is built.
type Spec struct {
	// Seed makes the random values; the same seed makes the same ones.
	Seed uint64
	// MTU is the largest datagram that Frames makes, in bytes, with the IP
	// header; 0: as large as it is.
	MTU int

	parts   []part
	patches []patch
}

// An Origin says who set a value.
type Origin uint8

// The origins.
const (
	ByUser     Origin = iota + 1
	ByDefault         // of the field table
	ByComputed        // follows from the rest of the packet
	ByDevice          // the address of a device, a route or a neighbour
	ByPatch           // overwritten at last
	Unknown    Origin = 0
)

// String returns "user", "default", "computed", "device", "patch", or "" where
// nobody knows, as in a frame that was captured.
func (o Origin) String() string {
	return [...]string{"", "user", "default", "computed", "device", "patch"}[o]
}

// MarshalText returns the same as String.
func (o Origin) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// A part is one layer of a Spec.
type part struct {
	*layout
	set    []assignment
	tail   []byte // options without padding
	counts [4]int // DNS records by section
	body   []byte // of text, hex, zeros and the like
	size   int    // of zero, random, counter
	file   string // name of a file whose content is to be the body
	origin Origin // ByDefault: it was filled in
	where  where
}

// An assignment gives a field its value.
type assignment struct {
	*field
	mode   mode
	value  wide
	delta  int64 // of automatic values
	vary   *vary
	origin Origin
	where  where
}

// A mode says how a field comes to its value.
type mode uint8

const (
	exact     mode = iota
	automatic      // as it should be, plus delta
	bad            // anything but what it should be
	zero
	varying
)

// A patch overwrites bytes when all else is done.
type patch struct {
	layer  Layer // NoLayer: counted from the start of the frame
	nth    int   // of the layers of that kind, from 1
	offset int
	bytes  []byte
	where  where
}

// where is the place of something that was written: in a line, or in a file.
type where struct {
	value     *setting.Value // nil: in line
	line      *string
	at, width int
}

func (w where) fail(format string, args ...any) error {
	problem := fmt.Sprintf(format, args...)
	switch {
	case w.value != nil:
		return w.value.ErrorAt(w.at, w.width, "%s", problem)
	case w.line != nil:
		return setting.LineError(fmt.Sprintf("position %d", w.at+1), *w.line, w.at, w.width, problem)
	}
	return fmt.Errorf("packet: %s", problem)
}

// within returns a place inside w, where a mistake was found.
func (w where) within(err error, at int) error {
	var m *mistake
	if !errors.As(err, &m) {
		return err
	}
	w.at, w.width = w.at+at+m.at, m.width
	return w.fail("%s", m.problem)
}

// A mistake is wrong at an offset of the text that was being read.
type mistake struct {
	at, width int
	problem   string
}

func (m *mistake) Error() string { return m.problem }

// mistakeAt moves a mistake to where the text begins that it was found in.
func mistakeAt(err error, at int) error {
	var m *mistake
	if !errors.As(err, &m) {
		return err
	}
	return &mistake{m.at + at, m.width, m.problem}
}

// wrongIf returns a mistake about text if there is an err.
func wrongIf(err error, at int, text, problem string) error {
	if err == nil {
		return nil
	}
	return &mistake{at, len(text), problem}
}

// unknown says that a name is none of those known, and which is nearest.
func unknown(name, what string, known []string) error {
	problem := fmt.Sprintf("there is no %s %s", what, setting.Quote(name))
	if near := spell.Nearest(name, known); near != "" {
		return &mistake{0, len(name), fmt.Sprintf("%s; did you mean %s?", problem, near)}
	}
	return &mistake{0, len(name), problem + "; expected is one of " + strings.Join(known, ", ")}
}

func (p *part) find(f *field) *assignment {
	for i := range p.set {
		if p.set[i].field == f {
			return &p.set[i]
		}
	}
	return nil
}

// payload reports whether the layer is content, not a header.
func payload(l Layer) bool { return l >= Data }

// Layers returns the layers as they are described.
func (s *Spec) Layers() []Layer {
	var all []Layer
	for i := range s.parts {
		all = append(all, s.parts[i].layer)
	}
	return all
}

// Has reports whether the first such layer sets the field.
func (s *Spec) Has(layer Layer, name string) bool {
	p := s.part(layer)
	return p != nil && p.layout.find(name) != nil && p.find(p.layout.find(name)) != nil
}

func (s *Spec) part(layer Layer) *part {
	for i := range s.parts {
		if s.parts[i].layer == layer {
			return &s.parts[i]
		}
	}
	return nil
}

// Set gives a field of the first such layer a value in the packet language,
// unless it has one. The origin says who knows it.
func (s *Spec) Set(layer Layer, name, value string, origin Origin) error {
	p := s.part(layer)
	if p == nil {
		return fmt.Errorf("packet: there is no layer %v", layer)
	}
	f := p.layout.find(name)
	if f == nil {
		return fmt.Errorf("packet: layer %v has no field %s", layer, name)
	}
	if p.find(f) != nil {
		return nil
	}
	a, err := f.assign(value)
	if err != nil {
		return fmt.Errorf("packet: %v %s=%s: %w", layer, name, value, err)
	}
	a.origin = origin
	p.set = append(p.set, a)
	return nil
}

// Complete puts in the layers that are missing: IP below UDP, UDP below DNS. With
// ethernet, a packet that begins with IP gets an Ethernet header too.
func (s *Spec) Complete(ethernet bool) {
	var all []part
	for _, p := range s.parts {
		last := NoLayer
		if len(all) > 0 {
			last = all[len(all)-1].layer
		}
		all = append(all, below(p.layout, last)...)
		all = append(all, p)
	}
	if ethernet && len(all) > 0 && !payload(all[0].layer) && linkOf(all[0].layer) != LinkNull && linkOf(all[0].layer) == LinkRaw {
		all = append([]part{{layout: layouts[Ethernet], origin: ByDefault}}, all...)
	}
	s.parts = all
	s.imply()
}

// below returns the layers that l needs above last, outer first.
func below(l *layout, last Layer) []part {
	if len(l.within) == 0 || slices.Contains(l.within, last) {
		return nil
	}
	lower := layouts[l.below]
	return append(below(lower, last), part{layout: lower, origin: ByDefault})
}

// implied are values that a layer wants in one below it.
var implied = []struct {
	upper, lower Layer
	name         string
	value        uint64
}{
	{ARP, Ethernet, "dst", 1<<48 - 1}, {DNS, UDP, "dport", 53}, {NTP, UDP, "dport", 123},
	{STAMP, UDP, "dport", 862}, {STAMPReply, UDP, "sport", 862}, {VXLAN, UDP, "dport", 4789}, {ICMPv6, IPv6, "hlim", 255},
}

// imply sets what the upper layers want, where nobody else did.
func (s *Spec) imply() {
	for i := range s.parts {
		for _, want := range implied {
			if want.upper != s.parts[i].layer || want.upper == ICMPv6 && !s.parts[i].discovers() {
				continue
			}
			for j := i - 1; j >= 0; j-- {
				if p := &s.parts[j]; p.layer == want.lower {
					p.setDefault(want.name, want.value)
					break
				}
			}
		}
	}
}

func (p *part) setDefault(name string, value uint64) {
	if f := p.layout.find(name); p.find(f) == nil {
		p.set = append(p.set, assignment{field: f, value: wide{lo: value}, origin: ByDefault})
	}
}

// discovers reports whether an ICMPv6 message belongs to neighbour discovery.
func (p *part) discovers() bool {
	a := p.find(p.layout.find("type"))
	return a != nil && a.value.lo >= 133 && a.value.lo <= 137
}

// Files returns the names of the files that the packet takes content from.
func (s *Spec) Files() []string {
	var names []string
	for i := range s.parts {
		if s.parts[i].layer == File {
			names = append(names, s.parts[i].file)
		}
	}
	return names
}

// SetFile hands over the content of a file. The Spec keeps it.
func (s *Spec) SetFile(name string, content []byte) {
	for i := range s.parts {
		if p := &s.parts[i]; p.layer == File && p.file == name {
			p.body = content
		}
	}
}

// Varies reports whether a field changes from frame to frame.
func (s *Spec) Varies() bool {
	for i := range s.parts {
		p := &s.parts[i]
		if p.layer == Counter || p.layer == Time {
			return true
		}
		for j := range p.set {
			if p.set[j].mode == varying {
				return true
			}
		}
	}
	return false
}

// Random reports whether Seed decides what is in a frame.
func (s *Spec) Random() bool {
	for i := range s.parts {
		p := &s.parts[i]
		if p.layer == Random {
			return true
		}
		for j := range p.set {
			if p.set[j].mode == varying && p.set[j].vary.how == random {
				return true
			}
		}
	}
	return false
}

// layerNames are the names of all layers of the language.
func layerNames() []string {
	var names []string
	for _, l := range layouts[1:] {
		if l.layer != Data {
			names = append(names, l.name)
		}
	}
	return names
}

// keyNames are the keys that a layer takes.
func (l *layout) keyNames() []string {
	var names []string
	for i := range l.fields {
		if f := &l.fields[i]; f.kind != reserved && !slices.Contains(names, f.name) {
			names = append(names, f.name)
		}
	}
	return append(names, l.tail.keys()...)
}

// keys are the keys of what follows the fields.
func (t tail) keys() []string {
	switch t {
	case noTail:
		return nil
	case addresses:
		return []string{"addrs"}
	case dnsRecords:
		return []string{"q", "an", "ns", "ar", "raw"}
	}
	return []string{"opts"}
}

// needs says which values of another field a field depends on.
func (l *layout) needs(f *field) string {
	switch {
	case l.layer == GRE:
		return "its flag in flags"
	case f.when.at == 2:
		return "type=4"
	}
	var values []string
	for _, v := range f.when.values {
		if name := nameIn(l.fields[0].named, uint64(v>>8)); name != "" {
			values = append(values, "type="+name)
		}
	}
	if len(values) == 0 || f.when.not {
		return "another type"
	}
	return strings.Join(values, " or ")
}

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
