package term

import (
	"bytes"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"
)

func TestEscaper(t *testing.T) {
	tests := []struct {
		name   string
		writes []string
		want   string
	}{
		{"text", []string{"hello\tworld\n"}, "hello\tworld\n"},
		{"open line", []string{"hello"}, "hello\n"},
		{"colour and title", []string{"\x1b[31mred\x1b]0;owned\x07\n"}, `\x1b[31mred\x1b]0;owned\x07` + "\n"},
		{"CR LF", []string{"a\r\nb\r\n"}, "a\nb\n"},
		{"CR LF in two", []string{"a\r", "\nb\n"}, "a\nb\n"},
		{"CR alone overwrites nothing", []string{"good\revil\n"}, `good\revil` + "\n"},
		{"CR at the end", []string{"a\r"}, `a\x0d` + "\n"},
		{"character in two", []string{"gr\xc3", "\xbcn\n"}, "grün\n"},
		{"character cut at the end", []string{"\xc3"}, `\xc3` + "\n"},
		{"not UTF-8", []string{"\xff\xfe\n"}, `\xff\xfe` + "\n"},
		{"C1 control", []string{"\u009b31m\n"}, `\xc2\x9b31m` + "\n"},
		{"right-to-left override", []string{"\u202etxt.exe\n"}, `\u202etxt.exe` + "\n"},
		{"replacement character itself", []string{"\ufffd\n"}, `\ufffd` + "\n"},
		{"backspace and delete", []string{"a\b\x7f\n"}, `a\x08\x7f` + "\n"},
		{"nothing", nil, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			e := &Escaper{W: &out}
			for _, w := range test.writes {
				if n, err := e.Write([]byte(w)); n != len(w) || err != nil {
					t.Fatalf("Write: %d, %v", n, err)
				}
			}
			if err := e.Finish(); err != nil || out.String() != test.want {
				t.Errorf("shown %q, %v; want %q", &out, err, test.want)
			}
		})
	}
}

// Whatever comes in whatever pieces, what goes out is printable, and the same as if
// it had come at once.
func TestEscaperIsSafe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pieces := rapid.SliceOf(rapid.SliceOfN(rapid.Byte(), 0, 20)).Draw(t, "pieces")
		var out, whole bytes.Buffer
		split, once := &Escaper{W: &out}, &Escaper{W: &whole}
		for _, p := range pieces {
			split.Write(p)
		}
		once.Write(bytes.Join(pieces, nil))
		split.Finish()
		once.Finish()
		if strings.ContainsFunc(out.String(), func(r rune) bool { return r != '\n' && r != '\t' && !unicode.IsGraphic(r) }) {
			t.Fatalf("not safe: %q", &out)
		}
		if out.String() != whole.String() {
			t.Fatalf("in pieces %q, at once %q", &out, &whole)
		}
	})
}
