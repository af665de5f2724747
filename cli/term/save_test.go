package term

import "testing"

func TestShellQuote(t *testing.T) {
	for in, want := range map[string]string{
		"a.json": "a.json", "": "''", "a b": "'a b'", "it's": `'it'\''s'`, "127.0.0.1:80": "127.0.0.1:80", "[::1]:80": "'[::1]:80'", "$(x)": "'$(x)'",
	} {
		if got := shellQuote(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}
