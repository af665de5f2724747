package spell

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestNearest(t *testing.T) {
	known := []string{"serve", "connect", "load", "ps", "logs", "config", "port", "max_conns"}
	tests := map[string]string{
		"serv": "serve", "sevre": "serve", "conect": "connect", "lod": "load",
		"prot": "port", "max_con": "max_conns", "max-conns": "max_conns",
		"banana": "", "lost": "", "pot": "port", "sport": "port", "": "", "x": "", strings.Repeat("p", 1000): "",
	}
	for word, want := range tests {
		if got := Nearest(word, known); got != want {
			t.Errorf("Nearest(%.20q) = %q, want %q", word, got, want)
		}
	}
}

func TestDistanceIsSymmetric(t *testing.T) {
	word := rapid.StringMatching(`[a-d]{0,8}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := word.Draw(t, "a"), word.Draw(t, "b")
		d := distance(a, b)
		if d != distance(b, a) {
			t.Fatalf("distance(%q, %q) is not that of the two exchanged", a, b)
		}
		if (d == 0) != (a == b) || d > max(len(a), len(b)) {
			t.Fatalf("distance(%q, %q) = %d", a, b, d)
		}
	})
}
