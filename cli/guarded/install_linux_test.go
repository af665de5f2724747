package guarded

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"wirelab/cli/term/termtest"
)

// systemd finds nothing to say about the units. It says so with status 0, too.
func TestUnits(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	var paths []string
	for _, k := range kinds() {
		c, stdout, stderr := termtest.NewConsole("")
		if status := termtest.Run(t.Context(), c, Commands(c, k.name), "install", "--print", "--state", "/var/lib/wire lab"); status != 0 {
			t.Fatal(status, stderr)
		}
		path := filepath.Join(dir, "wirelab-"+k.verb+".service")
		if err := os.WriteFile(path, stdout.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	out, err := exec.Command("systemd-analyze", append([]string{"verify"}, paths...)...).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("%v: %s", err, out)
	}
}
