package cli

import (
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// expandHome puts the home directory in place of a leading "~/" of the files that flags
// name: a shell does so for "--save ~/run.json", and not for "--save=~/run.json".
func (a *app) expandHome(cmd *cobra.Command) error {
	home := a.Getenv("HOME")
	var failed error
	cmd.Flags().Visit(func(f *pflag.Flag) {
		what, _ := pflag.UnquoteUsage(f)
		rest, tilde := strings.CutPrefix(f.Value.String(), "~/")
		if !tilde || home == "" || !namesFile(what) && f.Value.Type() != "path" {
			return
		}
		if err := f.Value.Set(filepath.Join(home, rest)); err != nil {
			failed = err
		}
	})
	return failed
}

// namesFile reports whether a flag's value, called so in its description, is a file.
func namesFile(what string) bool {
	return strings.Contains(what, "file") || strings.Contains(what, "path") || strings.Contains(what, "dir")
}
