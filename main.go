// Command wirelab is a network laboratory in one binary.
package main

import (
	"os"

	"wirelab/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
