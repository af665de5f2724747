package kernel

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"strconv"

	"golang.org/x/sys/unix"

	"wirelab/firewall"
	"wirelab/internal/netlink"
	"wirelab/internal/setting"
)

// seal returns a sum of the expressions of a rule, as they are written and listed. A
// rule carries its own; one whose expressions still have that sum is the rule that
// was written, and need not be read to know what it does. Where a kernel lists
// expressions in another form no seal holds, and rules are read.
func seal(expressions []byte) uint32 {
	return crc32.Update(1, crc32.MakeTable(crc32.Castagnoli), expressions)
}

// listed is a rule as the kernel lists it. Its slices alias the message.
type listed struct {
	chain, expressions, userData []byte
	handle                       uint64
	seen                         firewall.Traffic
}

// list takes a message about a rule apart, and takes what its counters have seen
// out of the expressions, which are then as they were written.
func list(d netlink.Decoder) (l listed, err error) {
	for d.Next() {
		switch d.Kind() {
		case unix.NFTA_RULE_CHAIN:
			l.chain = text(d.Bytes())
		case unix.NFTA_RULE_HANDLE:
			l.handle = d.Big64()
		case unix.NFTA_RULE_USERDATA:
			l.userData = d.Bytes()
		case unix.NFTA_RULE_EXPRESSIONS:
			l.expressions = d.Bytes()
		}
	}
	if l.seen = counted(l.expressions, false); l.seen != (firewall.Traffic{}) {
		l.expressions = bytes.Clone(l.expressions)
		counted(l.expressions, true)
	}
	return l, d.Err()
}

// counted returns what the counters among expressions have seen. It can set them to zero.
func counted(expressions []byte, reset bool) (seen firewall.Traffic) {
	for all := netlink.Decode(expressions); all.Next(); {
		one := all.Nested()
		if !one.Next() || one.Kind() != unix.NFTA_EXPR_NAME || string(text(one.Bytes())) != "counter" || !one.Next() {
			continue
		}
		for d := one.Nested(); d.Next(); {
			switch value := d.Bytes(); {
			case len(value) != 8:
				continue
			case d.Kind() == unix.NFTA_COUNTER_BYTES:
				seen.Bytes = binary.BigEndian.Uint64(value)
			case d.Kind() == unix.NFTA_COUNTER_PACKETS:
				seen.Packets = binary.BigEndian.Uint64(value)
			}
			if reset {
				clear(d.Bytes())
			}
		}
	}
	return seen
}

// lookedUp returns the name of the map that the last of the expressions looks up, "" if it is
// another expression.
func lookedUp(expressions []byte) (name string) {
	var last netlink.Decoder
	for all := netlink.Decode(expressions); all.Next(); {
		last = all.Nested()
	}
	if !last.Next() || string(text(last.Bytes())) != "lookup" || !last.Next() {
		return ""
	}
	for d := last.Nested(); d.Next(); {
		if d.Kind() == unix.NFTA_LOOKUP_SET {
			name = d.String()
		}
	}
	return name
}

// note is what wirelab wrote beside a rule or an element.
type note struct {
	place setting.Place
	text  string
	hash  uint64
	seal  uint32
}

// readNote reads what userData wrote. The name of the file is the same string as
// before, where it is the same.
func (r *reader) readNote(data []byte) (n note) {
	var comment []byte
	for len(data) >= 2 && len(data) >= 2+int(data[1]) {
		value := data[2 : 2+int(data[1])]
		switch data[0] {
		case dataComment:
			comment = text(value)
		case dataText:
			n.text = string(value)
		case dataHash:
			if len(value) == 8 {
				n.hash = binary.BigEndian.Uint64(value)
			}
		case dataSeal:
			if len(value) == 4 {
				n.seal = binary.BigEndian.Uint32(value)
			}
		}
		data = data[2+len(value):]
	}
	var ok bool
	if n.place, ok = r.parsePlace(comment); !ok && n.text == "" {
		n.text = string(comment)
	}
	return n
}

// parsePlace reads "file:line:column", as [setting.Place] writes it.
func (r *reader) parsePlace(comment []byte) (p setting.Place, ok bool) {
	rest, column, ok := cutNumber(comment)
	if !ok {
		return p, false
	}
	file, line, ok := cutNumber(rest)
	if string(file) != r.file {
		r.file = string(file)
	}
	return setting.Place{File: r.file, Line: line, Column: column}, ok
}

// cutNumber cuts ":123" off the end.
func cutNumber(s []byte) (before []byte, number int, ok bool) {
	at := len(s) - 1
	for at > 0 && s[at] >= '0' && s[at] <= '9' {
		at--
	}
	if at < 1 || s[at] != ':' || len(s)-at > 10 {
		return nil, 0, false
	}
	number, err := strconv.Atoi(string(s[at+1:]))
	return s[:at], number, err == nil && number > 0
}
