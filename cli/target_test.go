package cli

import (
	"net/netip"
	"testing"
	"time"

	"wirelab/cli/config"
	"wirelab/load"
)

func TestTarget(t *testing.T) {
	cfg := &config.Config{Client: config.Client{Server: "192.0.2.1", Port: 12345}}
	tests := map[string]string{
		"":                  "192.0.2.1:12345",
		"127.0.0.1":         "127.0.0.1:12345",
		"127.0.0.1:80":      "127.0.0.1:80",
		":80":               "192.0.2.1:80",
		"localhost":         "localhost:12345",
		"localhost:7":       "localhost:7",
		"::1":               "[::1]:12345",
		"[::1]":             "[::1]:12345",
		"[::1]:80":          "[::1]:80",
		"[fe80::1%lo]:80":   "[fe80::1%lo]:80",
		"[::1]80":           "",
		"[::1]:":            "",
		"[localhost]:80":    "",
		"[127.0.0.1]":       "",
		"127.0.0.1:":        "",
		"127.0.0.1:0":       "",
		"127.0.0.1:65536":   "",
		"127.0.0.1:-1":      "",
		"127.0.0.1:http":    "",
		"a:b:c":             "",
		"http://127.0.0.1":  "",
		"two words":         "",
		"someone@localhost": "",
	}
	for arg, want := range tests {
		var args []string
		if arg != "" {
			args = []string{arg}
		}
		got, err := target(cfg, args)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v; want %q", arg, got, err, want)
		}
	}
}

func FuzzSplitTarget(f *testing.F) {
	for _, arg := range []string{"", "[::1]:80", "[", "]", "[]", "[]:", ":", "a:1"} {
		f.Add(arg)
	}
	f.Fuzz(func(t *testing.T, arg string) { splitTarget(arg) })
}

func TestPreferIPv4(t *testing.T) {
	addr := netip.MustParseAddr
	for _, tt := range []struct {
		addrs []netip.Addr
		want  string
	}{
		{[]netip.Addr{addr("::1"), addr("127.0.0.1")}, "127.0.0.1"},
		{[]netip.Addr{addr("::1"), addr("::ffff:127.0.0.1")}, "127.0.0.1"},
		{[]netip.Addr{addr("2001:db8::1"), addr("::1")}, "2001:db8::1"},
		{[]netip.Addr{addr("192.0.2.1"), addr("192.0.2.2")}, "192.0.2.1"},
	} {
		if got := preferIPv4(tt.addrs); got.String() != tt.want {
			t.Errorf("of %v: %v, want %s", tt.addrs, got, tt.want)
		}
	}
}

// Datagrams go to one address, chosen here; TCP tries all that a name has.
func TestResolveDatagrams(t *testing.T) {
	for network, want := range map[string]string{"udp": "127.0.0.1:7", "tcp": "localhost:7"} {
		cfg := load.ConnectConfig{Network: network, Address: "localhost:7", DialTimeout: 10 * time.Second}
		if err := resolveDatagrams(t.Context(), &cfg); err != nil || cfg.Address != want {
			t.Errorf("%s: %s, %v", network, cfg.Address, err)
		}
	}
}
