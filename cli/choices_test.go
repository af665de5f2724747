package cli

import (
	"os"
	"strings"
	"testing"

	"wirelab/cli/config"
)

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
	want := referenceHead + config.Reference(settingChoices(), sections())
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
