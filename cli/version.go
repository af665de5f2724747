package cli

import (
	"cmp"
	"fmt"

	"github.com/spf13/cobra"

	"wirelab/cli/term"
)

func (a *app) newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Show the version, and the system that wirelab runs on",
		Long:    "Shows which wirelab this is, what it was built with, and the kernel that it runs\non: what a bug report should begin with.",
		Example: "  wirelab version\n  wirelab version -o json",
		Args:    term.NoArgs,
		RunE:    func(*cobra.Command, []string) error { return a.showVersion() },
	}
}

func (a *app) showVersion() error {
	r := term.ReadBuild()
	if a.JSON {
		return a.PrintJSON(r)
	}
	return a.printVersion(r)
}

func (a *app) printVersion(r term.Build) error {
	commit := cmp.Or(r.Commit, "unknown")
	if r.Time != "" {
		commit += " of " + r.Time
	}
	if r.Modified {
		commit += ", modified"
	}
	_, err := fmt.Fprintf(a.Stdout, "wirelab %s\ncommit  %s\ngo      %s\nsystem  %s/%s %s\n",
		r.Version, commit, r.Go, r.OS, r.Arch, r.Kernel)
	return err
}
