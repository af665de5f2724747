package firewall

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Number returns a value of at most four bytes as a number.
func (f FieldID) Number(value []byte) uint32 {
	switch len(value) {
	case 1:
		return uint32(value[0])
	case 2:
		return uint32(binary.BigEndian.Uint16(value))
	case 4:
		if f.Info().Host {
			return binary.NativeEndian.Uint32(value)
		}
		return binary.BigEndian.Uint32(value)
	}
	return 0
}

// Format writes a value of the field as the policy and nft both read it: an
// address, the name of an interface, of a protocol, of a state, or a number.
func (f FieldID) Format(value []byte) string {
	row := f.Info()
	n := f.Number(value)
	switch row.Type {
	case typeIPv4, typeIPv6:
		a, _ := netip.AddrFromSlice(value)
		return a.String()
	case typeInterface:
		return string(bytes.TrimRight(value, "\x00"))
	case typeNFProto:
		return map[uint32]string{uint32(IPv4): "ipv4", uint32(IPv6): "ipv6"}[n]
	case typeProtocol:
		return protocolText(uint8(n))
	case typeState:
		return bitNames(n, stateNames)
	case typeStatus:
		return bitNames(n, statusNames)
	case typeFIB:
		return nameOf(n, addressTypes)
	case typePacket:
		return nameOf(n, map[string]uint32{"unicast": 0, "broadcast": 1, "multicast": 2})
	case typeMark:
		return fmt.Sprintf("%#x", n)
	}
	return fmt.Sprint(n)
}

// protocolText returns a name that nft knows too, else the number.
func protocolText(p uint8) string {
	switch p {
	case protocolICMP, protocolTCP, protocolUDP, 33, 50, 51, 132, 136:
		return ProtocolName(p)
	}
	return fmt.Sprint(p)
}

func nameOf(n uint32, names map[string]uint32) string {
	for name, number := range names {
		if number == n {
			return name
		}
	}
	return fmt.Sprint(n)
}

// bitNames returns the names of the bits that are set, in a fixed order.
func bitNames(bits uint32, names map[string]uint32) string {
	var set []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if bits&names[name] != 0 {
			set = append(set, name)
		}
	}
	return strings.Join(set, ",")
}

// FlagNames returns the names of flags of TCP, "none" for no flag.
func FlagNames(bits uint8) string {
	var set []string
	for i, name := range []string{"fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"} {
		if bits&(1<<i) != 0 {
			set = append(set, name)
		}
	}
	if set == nil {
		return "none"
	}
	return strings.Join(set, ",")
}

// AnswerName returns the name of an answer, as "reject with" takes it.
func (a Answer) AnswerName() string {
	for name, answer := range answers {
		if answer == a {
			return name
		}
	}
	return fmt.Sprintf("type %d code %d", a.Type, a.Code)
}

// ParseAnswer reads a name that "reject with" takes.
func ParseAnswer(name string) (Answer, bool) {
	a, ok := answers[name]
	return a, ok
}

// String returns the name of the verdict, with its chain.
func (v Verdict) String() string {
	name := v.Kind.String()
	if v.Kind == Jump || v.Kind == Goto {
		return name + " " + v.Chain
	}
	return name
}

// String returns the verdict's word.
func (k VerdictKind) String() string {
	return [...]string{"continue", "accept", "drop", "reject", "jump", "goto", "return"}[min(k, Return)]
}

// String returns the hook's name as nft has it.
func (h Hook) String() string {
	return [...]string{"", "prerouting", "input", "forward", "output", "postrouting"}[min(h, Postrouting)]
}

// String returns the name of the type as nft has it.
func (t ChainType) String() string { return [...]string{"filter", "nat", "route"}[min(t, RouteChain)] }

// String returns the table's family as nft has it.
func (f Family) String() string {
	switch f {
	case IPv4:
		return "ip"
	case IPv6:
		return "ip6"
	}
	return "inet"
}

// PrefixLength returns how many bits a mask of leading ones has, and whether it is one.
func PrefixLength(mask []byte) (int, bool) {
	bits, ended := 0, false
	for _, b := range mask {
		for i := 7; i >= 0; i-- {
			one := b&(1<<i) != 0
			if one && ended {
				return 0, false
			}
			ended = ended || !one
			if one {
				bits++
			}
		}
	}
	return bits, true
}

// SplitKey cuts the key of an element into the values of its fields.
func SplitKey(fields []FieldID, key []byte) [][]byte {
	var values [][]byte
	for _, f := range fields {
		width := min(f.Info().Width, len(key))
		values = append(values, key[:width])
		key = key[min(padded(width), len(key)):]
	}
	return values
}

// ParseValue reads a value of a field of at most four bytes: a number, or a name
// that the policy, nft or iptables has for it.
func ParseValue(f FieldID, text string) (uint32, bool) {
	var names map[string]uint32
	switch f.Info().Type {
	case typeNFProto:
		names = map[string]uint32{"ipv4": uint32(IPv4), "ipv6": uint32(IPv6)}
	case typeProtocol:
		n, ok := ParseProtocol(text)
		return uint32(n), ok
	case typePort:
		if n, ok := LookupPort(text, protocolTCP); ok {
			return uint32(n), true
		}
	case typeICMP, typeICMPv6:
		protocol := uint8(protocolICMP)
		if f.Info().Type == typeICMPv6 {
			protocol = protocolICMPv6
		}
		n, ok := ParseICMPType(text, protocol)
		return uint32(n), ok
	case typeState:
		names = stateNames
	case typeStatus:
		names = statusNames
	case typePacket:
		names = map[string]uint32{"host": 0, "unicast": 0, "broadcast": 1, "multicast": 2}
	case typeFIB:
		names = addressTypes
	case typeTCPFlags:
		if n, ok := flagNames[text]; ok {
			return uint32(n), true
		}
	}
	if n, ok := names[text]; ok {
		return n, true
	}
	n, err := strconv.ParseUint(text, 0, 8*min(f.Info().Width, 4))
	return uint32(n), err == nil
}
