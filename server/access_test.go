package server_test

import (
	"net/netip"
	"testing"

	"wirelab/server"
)

func TestAccess(t *testing.T) {
	cases := []struct {
		allow, deny []string
		addr        string
		want        string // the reason of refusal; "" is allowed
	}{
		{nil, nil, "192.0.2.1", ""},
		{[]string{"192.0.2.0/24"}, nil, "192.0.2.255", ""},
		{[]string{"192.0.2.0/24"}, nil, "192.0.3.0", "not_allowed"},
		{nil, []string{"192.0.2.7/32"}, "192.0.2.7", "denied"},
		{nil, []string{"192.0.2.7/32"}, "192.0.2.8", ""},
		{[]string{"192.0.2.0/24"}, []string{"192.0.2.7/32"}, "192.0.2.7", "denied"},
		{[]string{"0.0.0.0/0"}, nil, "2001:db8::1", "not_allowed"},
		{[]string{"fe80::/10"}, nil, "fe80::1%eth0", ""},
	}
	for _, c := range cases {
		var access server.Access
		access.Set(prefixes(c.allow...), prefixes(c.deny...))
		ok, why := access.Check(netip.MustParseAddr(c.addr))
		if ok != (c.want == "") || why.String() != c.want {
			t.Errorf("allow %v, deny %v, %s: %v %q, want %q", c.allow, c.deny, c.addr, ok, why, c.want)
		}
	}
}

func prefixes(texts ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

func TestNoAccessRulesAllowAll(t *testing.T) {
	var none *server.Access
	for _, access := range []*server.Access{none, {}} {
		if ok, _ := access.Check(netip.MustParseAddr("192.0.2.1")); !ok {
			t.Error("refused without rules")
		}
	}
}

func BenchmarkAccessCheck(b *testing.B) {
	var access server.Access
	access.Set(prefixes("10.0.0.0/8", "192.0.2.0/24", "127.0.0.0/8"), nil)
	addr := netip.MustParseAddr("127.0.0.1")
	b.ReportAllocs()
	for b.Loop() {
		access.Check(addr)
	}
}
