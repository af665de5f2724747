package config

import (
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestKeysAreWellFormed(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range Keys() {
		if seen[k.Env()] {
			t.Errorf("%s shares its variable with another key", k.Name)
		}
		seen[k.Env()] = true
		if !strings.HasSuffix(k.Doc, ".") || k.Allowed == "" || strings.Contains(k.Doc, "|") {
			t.Errorf("%s: doc %q, allowed %q", k.Name, k.Doc, k.Allowed)
		}
		if leader, ok := Lookup(k.Follows); k.Follows != "" && (!ok || leader.Follows != "" || leader.Kind != k.Kind || leader.List != k.List) {
			t.Errorf("%s cannot follow %q", k.Name, k.Follows)
		}
		if k.Follows != "" {
			continue
		}
		var c Config
		if bad := k.set(&c, k.initial); bad != nil {
			t.Errorf("default of %s: %v", k.Name, bad)
		}
		if got := k.Text(&c); got != k.Default() {
			t.Errorf("default of %s is written %s but reads back as %s", k.Name, k.Default(), got)
		}
	}
}

func TestKeyNames(t *testing.T) {
	k, ok := Lookup("server.udp.auto_port")
	if !ok {
		t.Fatal("no server.udp.auto_port")
	}
	got := []string{k.Section(), k.Leaf(), k.Env(), k.Flag(), k.Default()}
	compare(t, got, []string{"server.udp", "auto_port", "WIRELAB_SERVER_UDP_AUTO_PORT", "auto-port", "as server.auto_port"})
	if _, ok := Lookup("server.banana"); ok {
		t.Error("found a key that is not there")
	}
}

func TestValuesForJSON(t *testing.T) {
	c, err := load("server: {tls: true, max_conns: 3, allow: [10.0.0.1], idle_timeout: 90s}")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]any{}
	for _, name := range []string{"server.tls", "server.max_conns", "server.allow", "server.deny", "server.idle_timeout", "server.buffer", "server.port"} {
		k, _ := Lookup(name)
		got[k.Leaf()] = k.Value(c)
	}
	compare(t, got, map[string]any{"tls": true, "max_conns": 3, "allow": []string{"10.0.0.1"}, "deny": []string{},
		"idle_timeout": "1m30s", "buffer": "16KiB", "port": uint16(12345)})
}

func TestParsePrefixOfMappedAddresses(t *testing.T) {
	p, err := parsePrefix("::ffff:192.0.2.7")
	if err != nil || p != netip.MustParsePrefix("192.0.2.7/32") {
		t.Errorf("%v, %v", p, err)
	}
	if p, err := parsePrefix("::ffff:192.0.2.0/120"); err == nil {
		t.Errorf("a network: %v", p)
	}
}

func TestTextReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir := rapid.OneOf(rapid.StringMatching(`([ -}é][ -~é]{0,19})?`), rapid.SampledFrom([]string{"null", "~", "true", "-", ":", "a: b", "#", "'", "\\", "%Y", "? a"})).Draw(t, "dir")
		c := defaults()
		c.Logs.Dir = dir
		k, _ := Lookup("logs.dir")
		again, err := load("logs:\n  dir: " + k.Text(c) + "\n")
		if err != nil || again.Logs.Dir != dir {
			t.Fatalf("%q is written %s: %v", dir, k.Text(c), err)
		}
	})
}
