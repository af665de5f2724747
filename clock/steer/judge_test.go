package steer

import (
	"strings"
	"testing"
	"time"

	kernel "wirelab/internal/sys/clock"
	"wirelab/internal/sys/process"
)

// quiet is a host whose clock nobody touches.
func quiet() Facts {
	return Facts{
		Span: 2 * time.Second, Self: 1,
		After:       kernel.Reading{Raw: 2 * time.Second, Monotonic: 2 * time.Second, Real: 2 * time.Second, Boot: 2 * time.Second},
		StateBefore: kernel.State{Unsynchronised: true, MaxError: 16 * time.Second},
		StateAfter:  kernel.State{Unsynchronised: true, MaxError: 16 * time.Second},
		Release:     "6.1.0-13-amd64",
	}
}

func TestJudge(t *testing.T) {
	tests := []struct {
		name       string
		change     func(*Facts)
		controller string // part of the only controller; "": there is none
		evidence   string
	}{
		{"nobody", func(*Facts) {}, "", "as ordered"},
		{"chronyd", func(f *Facts) { f.Processes = []process.Listed{{PID: 7, Name: "chronyd"}} }, "chronyd (process 7)", ""},
		{"chronyd that measures", func(f *Facts) {
			f.Processes = []process.Listed{{PID: 7, Name: "chronyd", Args: []string{"chronyd", "-x"}}}
		}, "", "does not steer"},
		{"timesyncd", func(f *Facts) { f.Processes = []process.Listed{{PID: 7, Name: "systemd-timesyn"}} }, "systemd-timesyncd", ""},
		{"this process", func(f *Facts) { f.Processes = []process.Listed{{PID: 1, Name: "chronyd"}} }, "", ""},
		{"another wirelab", func(f *Facts) {
			f.Processes = []process.Listed{{PID: 7, Name: "wirelab", Args: []string{"/usr/bin/wirelab", "time", "sync", "a", "--steer"}}}
		}, "wirelab time sync (process 7)", ""},
		{"a wirelab that measures", func(f *Facts) {
			f.Processes = []process.Listed{{PID: 7, Name: "wirelab", Args: []string{"wirelab", "time", "sync", "a"}}}
		}, "", ""},
		{"a slew", func(f *Facts) { f.After.Monotonic += 100 * time.Microsecond }, "cannot be seen", "a slew goes on"},
		{"a frequency of long ago", func(f *Facts) {
			f.StateBefore.Frequency, f.StateAfter.Frequency = 50e3, 50e3
			f.After.Monotonic += 100 * time.Microsecond
			f.After.Real += 100 * time.Microsecond
		}, "", "somebody has steered it"},
		{"a step", func(f *Facts) { f.After.Real += time.Millisecond }, "cannot be seen", "was stepped by 1ms"},
		{"hidden in WSL2", func(f *Facts) {
			f.Release = "5.15.90.1-microsoft-standard-WSL2"
			f.StateAfter.Unsynchronised = false
			f.StateAfter.MaxError = time.Millisecond
		}, "WSL2", "lag"},
		{"the kernel's loop", func(f *Facts) { f.StateAfter.Loop = true }, "cannot be seen", "own loop"},
	}
	for _, tt := range tests {
		f := quiet()
		tt.change(&f)
		v := Judge(f)
		evidence := strings.Join(v.Evidence, "\n")
		if !strings.Contains(evidence, tt.evidence) {
			t.Errorf("%s: evidence %q, want %q", tt.name, evidence, tt.evidence)
		}
		switch {
		case tt.controller == "" && len(v.Controllers) > 0:
			t.Errorf("%s: %v, want nobody", tt.name, v.Controllers)
		case tt.controller != "" && (len(v.Controllers) != 1 || !strings.Contains(v.Controllers[0].String(), tt.controller)):
			t.Errorf("%s: %v, want %q", tt.name, v.Controllers, tt.controller)
		}
	}
}
