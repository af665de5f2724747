package child

import (
	"context"
	"errors"
	"strings"
	"testing"

	"wirelab/internal/require"
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

func TestStart(t *testing.T) {
	require.NoLeaks(t)
	sh := require.Program(t, "sh")
	p, err := Start(t.Context(), sh, t.TempDir(), []string{"WORD=ready"}, []string{"-c", `echo "$WORD in $PWD"; exec sleep 60`})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(p.FirstLine), "ready in /") {
		t.Errorf("%q", p.FirstLine)
	}
	if u, err := p.Rest(t.Context()); err != nil || u.Threads < 1 {
		t.Errorf("%+v, %v", u, err)
	}
	p.Stop()
	p.Stop()
}

func TestStartOfWhatEnds(t *testing.T) {
	require.NoLeaks(t)
	sh := require.Program(t, "sh")
	for script, want := range map[string]string{
		"echo one >&2; echo two >&2; exit 3": "two",
		"exit 3":                             "it ended at its start (exit status 3)",
	} {
		_, err := Start(t.Context(), sh, "", nil, []string{"-c", script})
		var ended *StartError
		if !errors.As(err, &ended) || err.Error() != want {
			t.Errorf("%s: %v", script, err)
		}
	}
	if _, err := Start(t.Context(), "/nonexistent", "", nil, nil); err == nil {
		t.Error("a program that is not there was started")
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := Start(ended, sh, "", nil, []string{"-c", "exec sleep 60"}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
