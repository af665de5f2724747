package cli

import (
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	"wirelab/cli/clitest"
	"wirelab/internal/require"
)

// The files testdata/peers/*.txt are scripts like those of TestScripts that talk to
// other people's programs. $PYTHON is a Python that has scapy.
func TestPeerScripts(t *testing.T) {
	scripts := map[string][]string{
		"chat.txt":      {"nc"},
		"kick.txt":      {"nc"},
		"tcp.txt":       {"nc", "ncat", "socat"},
		"tls.txt":       {"nc", "openssl"},
		"udp_stamp.txt": nil,
		"udp_text.txt":  {"nc", "socat"},
	}
	files, err := filepath.Glob("testdata/peers/*")
	if err != nil {
		t.Fatal(err)
	}
	for i, file := range files {
		files[i] = filepath.Base(file)
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(scripts)), files); diff != "" {
		t.Errorf("the scripts here (-) are not those there (+):\n%s", diff)
	}
	for script, programs := range scripts {
		t.Run(script, func(t *testing.T) {
			for _, program := range programs {
				require.Program(t, program)
			}
			params := clitest.Params()
			params.Files = []string{filepath.Join("testdata/peers", script)}
			if script == "udp_stamp.txt" {
				params.Setup = withPython(require.Python(t, "scapy.contrib.stamp"))
			}
			testscript.Run(t, params)
		})
	}
}

func withPython(python string) func(*testscript.Env) error {
	return func(env *testscript.Env) error {
		env.Setenv("PYTHON", python)
		return clitest.SetUp(env)
	}
}
