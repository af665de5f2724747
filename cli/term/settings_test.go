package term

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"wirelab/cli/config"
)

// bound returns a command with flags for these keys, after it was given args.
func bound(t *testing.T, a *Console, args string, keys ...string) *cobra.Command {
	t.Helper()
	cmd := &cobra.Command{Use: "try"}
	cmd.SetContext(t.Context())
	a.BindSettings(cmd, keys...)
	if err := cmd.ParseFlags(strings.Fields(args)); err != nil {
		t.Fatal(err)
	}
	return cmd
}

func TestFlagsOverrideEverything(t *testing.T) {
	file := filepath.Join(t.TempDir(), "wirelab.yaml")
	if err := os.WriteFile(file, []byte("server: {port: 1, max_conns: 1, buffer: 1KiB}"), 0o600); err != nil {
		t.Fatal(err)
	}
	a, _, _ := newConsole("")
	a.ConfigPath = file
	a.Environ = []string{"WIRELAB_SERVER_PORT=2", "WIRELAB_SERVER_MAX_CONNS=2"}
	cmd := bound(t, a, "--port 3 --port 4 --allow 10.0.0.1 --allow 10.0.0.2,10.0.0.3 --auto-port",
		"server.port", "server.max_conns", "server.buffer", "server.allow", "server.auto_port", "server.bind")
	c, err := a.Settings(cmd)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"server.port": "4 --port", "server.max_conns": "2 WIRELAB_SERVER_MAX_CONNS", "server.buffer": "1KiB " + file + ":1:41",
		"server.allow": "[10.0.0.1, 10.0.0.2, 10.0.0.3] --allow", "server.auto_port": "true --auto-port", "server.bind": "127.0.0.1 default",
	} {
		k, _ := config.Lookup(key)
		if got := k.Text(c) + " " + c.Origin(key); got != want {
			t.Errorf("%s is %s, want %s", key, got, want)
		}
	}
}

func TestFlagHelp(t *testing.T) {
	a, _, _ := newConsole("")
	a.Choices = config.Choices{"server.engine": {"goroutine", "thread"}}
	usage := bound(t, a, "", "server.udp.port", "server.engine", "server.allow", "server.auto_port", "server.tls_cert").Flags().FlagUsages()
	for _, want := range []string{
		"--port port ", "(default as server.port)", "--engine name ", "(default goroutine)", "--allow network ", "--auto-port  ", "--tls-cert path ", ": goroutine, thread",
	} {
		if !strings.Contains(usage, want) {
			t.Errorf("%q is missing in\n%s", want, usage)
		}
	}
}

func TestBadFlagNamesItself(t *testing.T) {
	a, _, _ := newConsole("")
	_, err := a.Settings(bound(t, a, "--port 70000", "server.port"))
	if want := `--port: "70000" is out of range; allowed: 0 to 65535`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
