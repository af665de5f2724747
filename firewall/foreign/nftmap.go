package foreign

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"wirelab/firewall"
)

// mapOf reads a verdict map: where the key is, and its elements.
func (x *nftExpr) mapOf(body json.RawMessage) ([]nftPair, error) {
	var m struct{ Key, Data json.RawMessage }
	if err := json.Unmarshal(body, &m); err != nil {
		return nil, errors.New("a map that is not known here")
	}
	fields, protocols, err := x.fields(m.Key)
	if err != nil {
		return nil, err
	}
	if err := x.dependencies(fields, protocols); err != nil {
		return nil, err
	}
	var name string
	if json.Unmarshal(m.Data, &name) == nil {
		if x.program.Set(strings.TrimPrefix(name, "@")) == nil {
			return nil, fmt.Errorf("the map %s is not known here", name)
		}
		x.rule.Lookup = firewall.Lookup{Fields: fields, Set: strings.TrimPrefix(name, "@")}
		return nil, nil
	}
	var data struct{ Set []json.RawMessage }
	if json.Unmarshal(m.Data, &data) != nil {
		return nil, errors.New("a map that is not known here")
	}
	keys, values := pairsOf(data.Set)
	pairs := []nftPair{}
	for i, raw := range keys {
		from, to, err := keyOf(fields, raw)
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, nftPair{matchesOf(fields, from, to), values[i]})
	}
	return pairs, nil
}

// matchesOf makes matches of a key, one for each field.
func matchesOf(fields []firewall.FieldID, from, to []byte) []firewall.Match {
	var matches []firewall.Match
	first := firewall.SplitKey(fields, from)
	last := first
	if to != nil {
		last = firewall.SplitKey(fields, to)
	}
	for i, f := range fields {
		m := firewall.Match{Field: f, From: first[i]}
		if !bytes.Equal(first[i], last[i]) {
			m.To = last[i]
		}
		matches = append(matches, m)
	}
	return matches
}

// natOf reads a change of addresses.
func (x *nftExpr) natOf(name string, body json.RawMessage) error {
	kinds := map[string]firewall.NATKind{"dnat": firewall.DestinationNAT, "snat": firewall.SourceNAT, "masquerade": firewall.Masquerade, "redirect": firewall.Redirect}
	n := &firewall.NAT{Kind: kinds[name]}
	x.rule.Effects.NAT = n
	if string(body) == "null" {
		return nil
	}
	var from struct {
		Family     string
		Addr, Port json.RawMessage
		Flags      json.RawMessage
		TypeFlags  json.RawMessage `json:"type_flags"`
	}
	if err := json.Unmarshal(body, &from); err != nil {
		return errors.New("a change of addresses that is not known here")
	}
	flags := string(from.Flags)
	n.Random, n.Persistent = strings.Contains(flags, "random"), strings.Contains(flags, "persistent")
	if n.Family = nftFamilies[from.Family]; n.Family == firewall.AnyFamily {
		n.Family = 0
	}
	if n.Family != 0 && x.program.Family == firewall.AnyFamily {
		if err := x.need(firewall.NetworkProtocol, uint8(n.Family)); err != nil {
			return err
		}
	}
	var isMap struct {
		Map json.RawMessage
	}
	if json.Unmarshal(from.Addr, &isMap) == nil && isMap.Map != nil {
		var err error
		x.maps, err = x.mapOf(isMap.Map)
		if err == nil && x.maps == nil {
			err = errors.New("a named map of addresses")
		}
		return err
	}
	if from.Addr != nil {
		if err := natAddress(n, from.Addr); err != nil {
			return err
		}
	}
	if from.Port != nil {
		return natPort(n, from.Port)
	}
	return nil
}

// natTarget reads the value of a map: an address, or an address with a port.
func natTarget(n *firewall.NAT, raw json.RawMessage) error {
	var concat struct{ Concat []json.RawMessage }
	if json.Unmarshal(raw, &concat) == nil && len(concat.Concat) == 2 {
		if err := natAddress(n, concat.Concat[0]); err != nil {
			return err
		}
		return natPort(n, concat.Concat[1])
	}
	return natAddress(n, raw)
}

func natAddress(n *firewall.NAT, raw json.RawMessage) error {
	for _, f := range []firewall.FieldID{firewall.IPv4Destination, firewall.IPv6Destination} {
		from, to, err := rangeOfField(f, raw)
		if err == nil {
			if to == nil {
				to = from
			}
			n.From, n.To, n.Family = from, to, f.Info().Family
			return nil
		}
	}
	return errors.New("an address to map to that is not known here")
}

func natPort(n *firewall.NAT, raw json.RawMessage) error {
	from, to, err := rangeOfField(firewall.DestinationPort, raw)
	if err != nil {
		return err
	}
	if to == nil {
		to = from
	}
	n.MinPort, n.MaxPort = binary.BigEndian.Uint16(from), binary.BigEndian.Uint16(to)
	return nil
}
