package packet

import "strings"

// A LayerHelp describes a layer of the packet language for people.
type LayerHelp struct {
	Layer  Layer       `json:"layer"`
	Title  string      `json:"title"`
	Source string      `json:"source,omitempty"`
	Usage  string      `json:"usage"`
	Fields []FieldHelp `json:"fields,omitempty"`
}

// A FieldHelp describes a key of a layer.
type FieldHelp struct {
	Name     string `json:"name"`
	Also     string `json:"also,omitempty"` // other names
	Bits     int    `json:"bits,omitempty"`
	Default  string `json:"default,omitempty"`
	Computed bool   `json:"computed,omitempty"`
	Allowed  string `json:"allowed,omitempty"`
	Needs    string `json:"needs,omitempty"` // what must be set for it to be there
	Help     string `json:"help"`
}

// Catalog describes all layers of the packet language.
func Catalog() []LayerHelp {
	var all []LayerHelp
	for _, l := range layouts[1:] {
		if l.layer == Data {
			continue
		}
		h := LayerHelp{Layer: l.layer, Title: l.title, Source: l.source, Usage: l.usage()}
		for i := range l.fields {
			if f := &l.fields[i]; f.kind != reserved {
				h.Fields = append(h.Fields, l.fieldHelp(f))
			}
		}
		for _, key := range l.tail.keys() {
			h.Fields = append(h.Fields, FieldHelp{Name: key, Allowed: l.tail.allowed(key), Help: l.tail.help(key)})
		}
		all = append(all, h)
	}
	return all
}

func (l *layout) fieldHelp(f *field) FieldHelp {
	h := FieldHelp{Name: f.name, Also: strings.Join(f.also, " "), Bits: f.bits, Computed: f.by != given, Allowed: f.allowed(), Help: f.help}
	if f.by == given {
		h.Default = f.format(wide{lo: f.value})
	}
	if f.when.mask != 0 && f.when.at == 0 {
		h.Needs = l.needs(f)
	}
	if len(f.named) > 9 && f.kind != flags || len(f.named) > 0 && f.kind == hexadecimal {
		h.Allowed += " or a name: " + strings.Join(f.flagNames(), " ")
	}
	return h
}

// usage shows how the layer is written.
func (l *layout) usage() string {
	switch l.layer {
	case Text:
		return `text hello\r\n`
	case Hex:
		return "hex deadbeef"
	case File:
		return "file request.bin"
	case Zero:
		return "zero 100"
	case Random:
		return "random 1000"
	case Counter:
		return "counter 4"
	case Time:
		return "time"
	case Struct:
		return "struct seq:32=inc:0 kind:8=3 temperature:16=rand:0-500"
	case Trailer:
		return "trailer 0000"
	}
	return l.name + " KEY=VALUE..."
}

func (t tail) allowed(key string) string {
	switch t {
	case addresses:
		return "IPv6 addresses, separated by commas"
	case dnsRecords:
		if key == "q" {
			return "NAME[/CLASS]/TYPE,... such as example.com/AAAA or version.bind/CH/TXT"
		}
		if key == "raw" {
			return "bytes in hexadecimal"
		}
		return "NAME[/CLASS]/TYPE/TTL/VALUE,... such as example.com/A/300/192.0.2.1"
	}
	return strings.Join(t.names(), " ") + ", or KIND:HEX"
}

func (t tail) help(key string) string {
	switch t {
	case addresses:
		return "stops of the route"
	case dnsRecords:
		return map[string]string{"q": "questions", "an": "answers", "ns": "authority records", "ar": "additional records", "raw": "all that follows the header"}[key]
	}
	return "options, NAME[:VALUE], separated by commas"
}
