package load

import (
	"slices"
	"strings"
	"testing"
)

func TestFirstLine(t *testing.T) {
	for _, tt := range []struct {
		writes []string
		want   string // "": none yet
	}{
		{[]string{"one\ntwo\n", "three\n"}, "one"},
		{[]string{"o", "n", "", "e\n"}, "one"},
		{[]string{"one"}, ""},
		{[]string{strings.Repeat("x", maxFirstLine), "y"}, strings.Repeat("x", maxFirstLine) + "y"},
	} {
		w := newFirstLine()
		for _, s := range tt.writes {
			if n, err := w.Write([]byte(s)); n != len(s) || err != nil {
				t.Fatalf("%d, %v", n, err)
			}
		}
		got := ""
		select {
		case line := <-w.line:
			got = string(line)
		default:
		}
		if got != tt.want {
			t.Errorf("%.20q: %.20q, want %.20q", tt.writes, got, tt.want)
		}
	}
}

func TestServerEnvironment(t *testing.T) {
	got := serverEnvironment([]string{"PATH=/bin", "WIRELAB_SERVER_PORT=1", "HOME=/"})
	if !slices.Equal(got, []string{"PATH=/bin", "HOME=/"}) {
		t.Error(got)
	}
}
