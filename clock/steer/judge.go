package steer

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"wirelab/internal/sys/process"
)

// A Controller is something that seems to steer the clock.
type Controller struct {
	Name string `json:"name"` // "chronyd", or what it may be where that is hidden
	PID  int    `json:"pid,omitempty"`
	Why  string `json:"why"`
}

func (c Controller) String() string {
	if c.PID != 0 {
		return fmt.Sprintf("%s (process %d)", c.Name, c.PID)
	}
	return c.Name
}

// A Verdict is an answer to who steers this host's clock: evidence, not certainty. A
// daemon in another container, or of a host, cannot be seen from here.
type Verdict struct {
	Controllers  []Controller `json:"controllers"`
	Evidence     []string     `json:"evidence"`
	Synchronised bool         `json:"synchronised"` // the kernel was told that its clock is right
	Frequency    float64      `json:"freq_ppb"`     // that adjtimex has
	Rate         float64      `json:"rate_ppb"`     // of CLOCK_MONOTONIC against CLOCK_MONOTONIC_RAW, as measured
	MaxError     int64        `json:"max_error_ns"`
	WSL          bool         `json:"wsl"`
}

// daemons are programs that steer clocks: the name that the kernel has of them, cut to
// 15 bytes, and an argument with which they do not.
var daemons = [...]struct{ comm, name, passive string }{
	{"chronyd", "chronyd", "-x"},
	{"ntpd", "ntpd", ""},
	{"ntp-daemon", "ntpd-rs", ""},
	{"openntpd", "openntpd", ""},
	{"systemd-timesyn", "systemd-timesyncd", ""},
	{"ptp4l", "ptp4l", ""},
	{"phc2sys", "phc2sys", ""},
	{"timemaster", "timemaster", ""},
	{"busybox-ntpd", "busybox ntpd", ""},
	{"VBoxService", "VirtualBox Guest Additions", "--disable-timesync"},
	{"vmtoolsd", "VMware Tools", ""},
	{"sntpd", "sntpd", ""},
}

// Judge says what the facts mean.
func Judge(f Facts) Verdict {
	v := Verdict{
		Synchronised: !f.StateAfter.Unsynchronised, Frequency: f.StateAfter.Frequency, MaxError: int64(f.StateAfter.MaxError),
		Rate: rate(f), WSL: isWSL(f.Release), Controllers: []Controller{}, Evidence: []string{},
	}
	v.judgeProcesses(f)
	moved := v.judgeKernel(f)
	if v.WSL && moved == "" {
		moved = "Windows takes care of the clock of WSL2"
	}
	if len(v.Controllers) == 0 && moved != "" {
		v.Controllers = append(v.Controllers, hidden(v.WSL, moved))
	}
	if v.WSL {
		v.Evidence = append(v.Evidence, "this is WSL2: a chronyd that is hidden from the distribution, or the kernel itself, takes the time of Windows; after sleep it may lag")
	}
	for _, name := range f.PTP {
		v.Evidence = append(v.Evidence, fmt.Sprintf("the host offers its time as PTP clock %q", name))
	}
	return v
}

// rate returns how many ppb CLOCK_MONOTONIC ran faster than the raw clock.
func rate(f Facts) float64 {
	raw := f.After.Raw - f.Before.Raw
	if raw <= 0 {
		return 0
	}
	return float64(f.After.Monotonic-f.Before.Monotonic-raw) / float64(raw) * 1e9
}

func isWSL(release string) bool {
	release = strings.ToLower(release)
	return strings.Contains(release, "microsoft") || strings.Contains(release, "wsl")
}

func (v *Verdict) judgeProcesses(f Facts) {
	for _, p := range f.Processes {
		if p.PID == f.Self {
			continue
		}
		if steersByWirelab(p) {
			v.Controllers = append(v.Controllers, Controller{"wirelab time sync", p.PID, "it runs with --steer"})
			continue
		}
		for _, d := range daemons {
			switch {
			case p.Name != d.comm:
			case d.passive != "" && slices.Contains(p.Args, d.passive):
				v.Evidence = append(v.Evidence, fmt.Sprintf("%s (process %d) runs with %s: it does not steer", d.name, p.PID, d.passive))
			default:
				v.add(d.name, p.PID)
			}
		}
	}
}

// add takes in a daemon, once: some are several processes.
func (v *Verdict) add(name string, pid int) {
	if !slices.ContainsFunc(v.Controllers, func(c Controller) bool { return c.Name == name }) {
		v.Controllers = append(v.Controllers, Controller{name, pid, "it runs, and steers clocks"})
	}
}

// steersByWirelab reports whether a process is a daemon of ours with --steer. Its
// program may have any name.
func steersByWirelab(p process.Listed) bool {
	has := func(arg string) bool { return slices.Contains(p.Args, arg) }
	return len(p.Args) > 3 && strings.HasPrefix(filepath.Base(p.Args[0]), "w") && has("time") && has("sync") && (has("--steer") || has("--steer=true"))
}

// What the measured rate may differ from the one that was ordered, by the readings
// not being of one instant.
const rateNoise = 2 * time.Microsecond

// lately is the claimed error, which grows by 1 ms in 2 s, up to which somebody is
// likely to renew it.
const lately = time.Second

// judgeKernel reads the kernel's own state. It returns the best sign that somebody
// steers the clock at present, "" if there is none.
func (v *Verdict) judgeKernel(f Facts) (moved string) {
	say := func(format string, args ...any) string {
		text := fmt.Sprintf(format, args...)
		v.Evidence = append(v.Evidence, text)
		return text
	}
	before, after := f.StateBefore, f.StateAfter
	switch {
	case after.Unsynchronised:
		say("the kernel was never told that its clock is right, or long ago (STA_UNSYNC)")
	case after.MaxError > lately:
		say("the kernel was told that its clock is right, but not lately: its error may be %v by now", after.MaxError)
	default:
		moved = say("the kernel was told that its clock is right to %v, at most %v ago", after.MaxError, (2000 * after.MaxError).Round(time.Minute))
	}
	if after.MaxError < before.MaxError {
		moved = say("its claimed error fell from %v to %v meanwhile: somebody has just set it", before.MaxError, after.MaxError)
	}
	if after.Frequency != 0 {
		say("the kernel's frequency is set to %+.3f ppm: somebody has steered it since the start", after.Frequency/1e3)
	}
	if before.Frequency != after.Frequency {
		moved = say("its frequency changed from %+.3f to %+.3f ppm meanwhile", before.Frequency/1e3, after.Frequency/1e3)
	}
	if step := (f.After.Real - f.After.Monotonic) - (f.Before.Real - f.Before.Monotonic); step.Abs() > 10*rateNoise+f.After.Apart+f.Before.Apart {
		moved = say("CLOCK_REALTIME was stepped by %v meanwhile", step)
	}
	noise := float64(rateNoise+f.After.Apart+f.Before.Apart) / float64(max(f.Span, 1)) * 1e9
	if off := v.Rate - after.Frequency; math.Abs(off) > noise+100 && before.Frequency == after.Frequency {
		moved = say("CLOCK_MONOTONIC runs %+.2f ppm against CLOCK_MONOTONIC_RAW, and %+.2f ppm were ordered: a slew goes on", v.Rate/1e3, after.Frequency/1e3)
	} else {
		say("CLOCK_MONOTONIC runs %+.2f ppm against CLOCK_MONOTONIC_RAW, as ordered", v.Rate/1e3)
	}
	if after.Loop {
		moved = say("the kernel's own loop is on, as ntpd and systemd-timesyncd use it")
	}
	if after.PPS {
		moved = say("a pulse per second disciplines the kernel")
	}
	return moved
}

// hidden is a controller that no process here accounts for.
func hidden(wsl bool, why string) Controller {
	if wsl {
		return Controller{Name: "WSL2 (a hidden chronyd, or the kernel)", Why: why}
	}
	return Controller{Name: "something that cannot be seen from here (a daemon in another container, or of the host)", Why: why}
}
