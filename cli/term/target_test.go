package term

import (
	"fmt"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"wirelab/cli/config"
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
		got, err := Target(cfg, args)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v; want %q", arg, got, err, want)
		}
	}
}

// A port may stand alone or after its host.
func TestTargetOfWords(t *testing.T) {
	cfg, err := config.Load(config.Input{Source: []byte("client: {server: 192.0.2.1}")})
	if err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]string{
		"80": "192.0.2.1:80", "127.0.0.1 80": "127.0.0.1:80", "localhost 80": "localhost:80", "::1 80": "[::1]:80", "[::1] 80": "[::1]:80",
		"127.0.0.1 0": "", "127.0.0.1 65536": "", "127.0.0.1:80 81": "", "80 127.0.0.1": "", "a b": "",
	} {
		words := strings.Fields(args)
		got := ""
		err := AtMostTarget(&cobra.Command{Use: "try"}, words)
		if err == nil {
			got, err = Target(cfg, words)
		}
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v; want %q", args, got, err, want)
		}
	}
	all, err := Family{}.Targets(t.Context(), cfg, "tcp", []string{"127.0.0.1", "80", "127.0.0.2:81,82"}, 4)
	if got := fmt.Sprint(all); err != nil || got != "[127.0.0.1:80 127.0.0.2:81 192.0.2.1:82]" {
		t.Errorf("%s, %v", got, err)
	}
}

func FuzzSplitTarget(f *testing.F) {
	for _, arg := range []string{"", "[::1]:80", "[", "]", "[]", "[]:", ":", "a:1"} {
		f.Add(arg)
	}
	f.Fuzz(func(t *testing.T, arg string) { splitTarget(arg) })
}

func TestLookup(t *testing.T) {
	for _, address := range []string{"127.0.0.1:80", "[::1]:80"} {
		if got, err := (Family{}).Lookup(t.Context(), address); err != nil || len(got) != 1 || got[0].String() != address {
			t.Errorf("%s: %v, %v", address, got, err)
		}
	}
	if got, err := (Family{}).Lookup(t.Context(), "localhost:80"); err != nil || !got[0].Addr().IsLoopback() || got[0].Port() != 80 {
		t.Errorf("localhost: %v, %v", got, err)
	}
	for _, address := range []string{"127.0.0.1", "127.0.0.1:x", "127.0.0.1:65536"} {
		if got, err := (Family{}).Lookup(t.Context(), address); err == nil {
			t.Errorf("%s: %v", address, got)
		}
	}
}
