package packet_test

import (
	"os"
	"testing"

	"wirelab/cli"
	"wirelab/cli/clitest"
)

func TestMain(m *testing.M) {
	clitest.Main(m, func() { os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) })
}

func TestScripts(t *testing.T) { clitest.Scripts(t) }
