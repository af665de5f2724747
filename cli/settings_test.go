package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"wirelab/cli/config"
)

// bound returns a command with flags for these keys, after it was given args.
func bound(t *testing.T, a *app, args string, keys ...string) *cobra.Command {
	t.Helper()
	cmd := &cobra.Command{Use: "try"}
	a.bindSettings(cmd, keys...)
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
	a, _, _ := newTestApp("")
	a.configPath = file
	a.environ = []string{"WIRELAB_SERVER_PORT=2", "WIRELAB_SERVER_MAX_CONNS=2"}
	cmd := bound(t, a, "--port 3 --port 4 --allow 10.0.0.1 --allow 10.0.0.2,10.0.0.3 --auto-port",
		"server.port", "server.max_conns", "server.buffer", "server.allow", "server.auto_port", "server.bind")
	c, err := a.settings(cmd)
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
	a, _, _ := newTestApp("")
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
	a, _, _ := newTestApp("")
	_, err := a.settings(bound(t, a, "--port 70000", "server.port"))
	if want := `--port: "70000" is out of range; allowed: 0 to 65535`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestDefaultsAreAmongTheChoices(t *testing.T) {
	for key, names := range settingChoices() {
		if len(names) == 0 {
			t.Errorf("nothing to choose for %s", key)
		}
	}
	if _, err := config.Load(config.Input{Choices: settingChoices()}); err != nil {
		t.Error(err)
	}
	for _, k := range config.Keys() {
		if names, ok := settingChoices()[k.Name]; ok && !strings.Contains(strings.Join(names, " ")+" ", k.Default()+" ") {
			t.Errorf("the default of %s, %s, is none of %v", k.Name, k.Default(), names)
		}
	}
}

// TestReference compares docs/configuration.md with the table of keys. With
// WIRELAB_UPDATE=1 it writes the file.
func TestReference(t *testing.T) {
	const path = "../docs/configuration.md"
	want := referenceHead + config.Reference(settingChoices())
	if os.Getenv("WIRELAB_UPDATE") != "" {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want {
		t.Errorf("%s is not what the table of keys says (%v); write it anew: WIRELAB_UPDATE=1 go test ./cli -run TestReference", path, err)
	}
}

const referenceHead = `# Configuration

<!-- Written from the table in cli/config/keys.go by: WIRELAB_UPDATE=1 go test ./cli -run TestReference -->

No file is needed: every key has a default. What is set is taken, later over earlier, from

1. the file: ` + "`--config FILE`, else that of `WIRELAB_CONFIG`, else `wirelab.yaml`" + ` in the current directory if it exists;
2. the environment: ` + "`WIRELAB_` and the key in capitals, `WIRELAB_SERVER_MAX_CONNS=100` for `server.max_conns`" + `; lists are separated by
   commas; an empty variable counts as not set;
3. flags: the last part of the key, ` + "`--max-conns 100`" + `; a list takes commas, or the flag again and again.

` + "`wirelab config init`" + ` writes a file with every key explained, ` + "`wirelab config check`" + ` finds all mistakes with line and column, and
` + "`wirelab config show`" + ` says where each value comes from. Keys that are unknown or set twice are errors, and so are variables that look
like those of a key.

Sizes have units: KB, MB, GB are powers of 1000, KiB, MiB, GiB of 1024. Durations too: 500ms, 5s, 10m, 1h, 7d.
`
