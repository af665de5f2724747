package cli

import (
	"os"
	"testing"

	"wirelab/cli/clitest"
)

func TestMain(m *testing.M) {
	clitest.Main(m, func() { os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) })
}

// The scripts here are of commands of more than one group; those of a group are with it.
func TestScripts(t *testing.T) { clitest.Scripts(t) }
