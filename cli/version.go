package cli

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"wirelab/internal/sys"
)

// versionReport is what `wirelab version -o json` prints.
type versionReport struct {
	Schema   string `json:"schema"`
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Time     string `json:"commit_time,omitempty"` // RFC 3339
	Modified bool   `json:"modified"`              // built from files that differ from the commit
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
	Kernel   string `json:"kernel,omitempty"`
}

func (a *app) newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Show the version, and the system that wirelab runs on",
		Long:    "Shows which wirelab this is, what it was built with, and the kernel that it runs\non: what a bug report should begin with.",
		Example: "  wirelab version\n  wirelab version -o json",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			info, _ := debug.ReadBuildInfo()
			r := newVersionReport(info)
			if a.json() {
				return a.printJSON(r)
			}
			return a.printVersion(r)
		},
	}
}

// newVersionReport says what is known of this binary; info may be nil.
func newVersionReport(info *debug.BuildInfo) versionReport {
	r := versionReport{Schema: "wirelab.version/1", Version: "unknown", Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	r.Kernel, _ = sys.KernelRelease() // what it says is helpful, not needed
	if info == nil {
		return r
	}
	r.Version = cmp.Or(info.Main.Version, "unknown")
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			r.Commit = s.Value
		case "vcs.time":
			r.Time = s.Value
		case "vcs.modified":
			r.Modified = s.Value == "true"
		}
	}
	return r
}

func (a *app) printVersion(r versionReport) error {
	commit := cmp.Or(r.Commit, "unknown")
	if r.Time != "" {
		commit += " of " + r.Time
	}
	if r.Modified {
		commit += ", modified"
	}
	_, err := fmt.Fprintf(a.stdout, "wirelab %s\ncommit  %s\ngo      %s\nsystem  %s/%s %s\n",
		r.Version, commit, r.Go, r.OS, r.Arch, r.Kernel)
	return err
}
