package term

import (
	"cmp"
	"runtime"
	"runtime/debug"

	"wirelab/internal/sys/process"
	"wirelab/report"
)

// Build says which wirelab this is; it is what `wirelab version -o json` prints.
type Build struct {
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

// ReadBuild says what is known of this binary.
func ReadBuild() Build {
	info, _ := debug.ReadBuildInfo() // nil if there is none
	r := Build{Schema: "wirelab.version/1", Version: "unknown", Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	r.Kernel, _ = process.KernelRelease() // what it says is helpful, not needed
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

func thisMachine() report.Machine {
	v := ReadBuild()
	version := v.Version
	if v.Commit != "" {
		version += " " + v.Commit
	}
	if v.Modified {
		version += ", modified"
	}
	return report.Machine{
		CPU: process.CPUModel(), Cores: runtime.NumCPU(), OS: v.OS, Arch: v.Arch, Kernel: v.Kernel, Go: v.Go, Wirelab: version,
	}
}
