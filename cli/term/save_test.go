package term

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"wirelab/load"
)

func TestShellQuote(t *testing.T) {
	for in, want := range map[string]string{
		"a.json": "a.json", "": "''", "a b": "'a b'", "it's": `'it'\''s'`, "127.0.0.1:80": "127.0.0.1:80", "[::1]:80": "'[::1]:80'", "$(x)": "'$(x)'",
	} {
		if got := shellQuote(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

func TestVerdict(t *testing.T) {
	ended, end := context.WithCancel(t.Context())
	end()
	if err := Verdict(t.Context(), false, nil); err != nil {
		t.Error(err)
	}
	if err := Verdict(ended, true, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := Verdict(ended, true, load.ErrNotVerified); !errors.Is(err, ErrCheckFailed) || !errors.Is(err, load.ErrNotVerified) {
		t.Error(err)
	}
}

func TestPerformSavesBeforeItPrints(t *testing.T) {
	dir := t.TempDir()
	c, _, _ := newConsole("")
	root := &cobra.Command{Use: "try"}
	root.SetContext(t.Context())
	unprintable := errors.New("no paper")
	report := &load.Report{}
	report.Schema = load.ReportSchema
	err := Perform(c, root, &SaveFlag{dir + "/saved.json"}, Measurement[*load.Report]{
		Run:   func(context.Context) (*load.Report, error) { return report, nil },
		Print: func(*load.Report) error { return unprintable },
	})
	if names := fileNames(t, dir); !errors.Is(err, unprintable) || names != "saved.json" {
		t.Errorf("%v; the files are %q", err, names)
	}
}

func fileNames(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}
