package load

import (
	"net/netip"
	"strings"
	"testing"
)

func TestParseSources(t *testing.T) {
	tests := []struct {
		spec        string
		count       int
		first, last string
	}{
		{"127.0.0.2", 1, "127.0.0.2", "127.0.0.2"},
		{"127.0.0.2-127.0.0.20", 19, "127.0.0.2", "127.0.0.20"},
		{"127.0.0.250 - 127.0.1.5", 12, "127.0.0.250", "127.0.1.5"},
		{"127.0.0.0/28", 14, "127.0.0.1", "127.0.0.14"},
		{"127.0.0.77/28", 14, "127.0.0.65", "127.0.0.78"},
		{"127.0.0.6/31", 2, "127.0.0.6", "127.0.0.7"},
		{"127.0.0.6/32", 1, "127.0.0.6", "127.0.0.6"},
		{"127.0.0.0/8", maxSources, "127.0.0.1", "127.1.0.0"},
		{"::1", 1, "::1", "::1"},
		{"fd00::/126", 4, "fd00::", "fd00::3"},
		{"255.255.255.255", 1, "255.255.255.255", "255.255.255.255"},
	}
	for _, test := range tests {
		s, err := ParseSources(test.spec)
		if err != nil {
			t.Errorf("%s: %v", test.spec, err)
			continue
		}
		all := s.list()
		if len(all) != test.count || all[0].String() != test.first || all[len(all)-1].String() != test.last || s.String() != test.spec {
			t.Errorf("%s: %d from %v to %v", test.spec, len(all), all[0], all[len(all)-1])
		}
	}
	for _, spec := range []string{"", "localhost", "127.0.0.2-", "127.0.0.9-127.0.0.2", "127.0.0.1-::1", "::1-127.0.0.1", "127.0.0.0/33", "fe80::1%lo", "1-2-3"} {
		if s, err := ParseSources(spec); err == nil || strings.Contains(err.Error(), "ParseAddr") {
			t.Errorf("%q: %v, %v", spec, s, err)
		}
	}
	if (Sources{}).list() != nil {
		t.Error("no sources are some")
	}
}

func FuzzParseSources(f *testing.F) {
	for _, seed := range []string{"127.0.0.2-127.0.0.20", "127.0.0.0/28", "::1", "::/0", "ffff::-ffff::1", "255.255.255.254/31"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		s, err := ParseSources(spec)
		if err != nil {
			return
		}
		all := s.list()
		if len(all) == 0 || len(all) > maxSources {
			t.Fatalf("%d addresses", len(all))
		}
		for _, a := range all {
			if !a.IsValid() {
				t.Fatalf("an invalid address among %d", len(all))
			}
		}
	})
}

// Clients use every pair of target and source alike.
func TestEndpointsDealAlike(t *testing.T) {
	var e endpoints
	for port := range uint16(3) {
		e.targets = append(e.targets, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port+1))
	}
	e.sources = (Sources{first: netip.MustParseAddr("127.0.0.2"), last: netip.MustParseAddr("127.0.0.7")}).list()
	used := map[[2]string]int{}
	for client := range uint64(36) {
		used[[2]string{e.target(client).String(), e.source(client).String()}]++
	}
	if len(used) != 18 {
		t.Errorf("%d pairs of 18", len(used))
	}
	for pair, n := range used {
		if n != 2 {
			t.Errorf("%v by %d clients", pair, n)
		}
	}
	e.sources = nil
	if e.source(5).IsValid() {
		t.Error("a source out of nothing")
	}
}
