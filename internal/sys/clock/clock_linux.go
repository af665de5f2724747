package clock

import (
	"errors"
	"math"
	"time"

	"golang.org/x/sys/unix"

	"wirelab/internal/sys"
)

// tries is how often Read looks for a moment in which nothing comes between.
const tries = 5

// Read reads the clocks: the closest of a few attempts.
func Read() (Reading, error) {
	var best Reading
	for try := range tries {
		r, err := readOnce()
		if err != nil {
			return Reading{}, err
		}
		if try == 0 || r.Apart < best.Apart {
			best = r
		}
	}
	return best, nil
}

// readOnce reads the raw clock around CLOCK_REALTIME, which is the pair that
// matters, and the others next to them.
func readOnce() (Reading, error) {
	var at [5]time.Duration
	for i, id := range [5]int32{unix.CLOCK_MONOTONIC, unix.CLOCK_MONOTONIC_RAW, unix.CLOCK_REALTIME, unix.CLOCK_MONOTONIC_RAW, unix.CLOCK_BOOTTIME} {
		var ts unix.Timespec
		if err := unix.ClockGettime(id, &ts); err != nil {
			return Reading{}, sys.NewOpError("clock_gettime", err)
		}
		at[i] = time.Duration(ts.Nano())
	}
	apart := at[3] - at[1]
	return Reading{Raw: at[1] + apart/2, Monotonic: at[0] + apart, Boot: at[4] - apart, Real: at[2], Apart: apart}, nil
}

// ReadState asks the kernel, and changes nothing.
func ReadState() (State, error) {
	var t unix.Timex
	if _, err := unix.ClockAdjtime(unix.CLOCK_REALTIME, &t); err != nil {
		return State{}, sys.NewOpError("adjtimex", err)
	}
	unit := time.Microsecond
	if t.Status&unix.STA_NANO != 0 {
		unit = time.Nanosecond
	}
	return State{
		Frequency: float64(t.Freq) / frequencyUnit,
		Tick:      time.Duration(t.Tick) * time.Microsecond,
		Offset:    time.Duration(t.Offset) * unit,
		MaxError:  time.Duration(t.Maxerror) * time.Microsecond, EstimatedError: time.Duration(t.Esterror) * time.Microsecond,
		Unsynchronised: t.Status&unix.STA_UNSYNC != 0,
		Loop:           t.Status&(unix.STA_PLL|unix.STA_FLL) != 0,
		PPS:            t.Status&(unix.STA_PPSFREQ|unix.STA_PPSTIME) != 0,
		Insert:         t.Status&unix.STA_INS != 0, Delete: t.Status&unix.STA_DEL != 0,
		TAI: time.Duration(t.Tai) * time.Second,
	}, nil
}

// frequencyUnit is what 1 ppb is in the kernel's unit, 2^-16 ppm.
const frequencyUnit = 65536.0 / 1000

// SetFrequency makes CLOCK_REALTIME run so many ppb above its natural frequency, at
// most MaxFrequency either way.
func SetFrequency(ppb float64) error {
	ppb = max(-MaxFrequency, min(MaxFrequency, ppb))
	t := unix.Timex{Modes: unix.ADJ_FREQUENCY}
	setLong(&t.Freq, int64(math.Round(ppb*frequencyUnit)))
	return adjust("set frequency of CLOCK_REALTIME", &t)
}

// Step adds to CLOCK_REALTIME at once.
func Step(by time.Duration) error {
	seconds, rest := by/time.Second, by%time.Second
	if rest < 0 { // the kernel wants 0 <= nanoseconds < 1e9
		seconds, rest = seconds-1, rest+time.Second
	}
	t := unix.Timex{Modes: unix.ADJ_SETOFFSET | unix.ADJ_NANO}
	setLong(&t.Time.Sec, int64(seconds))
	setLong(&t.Time.Usec, int64(rest)) // nanoseconds, with ADJ_NANO
	return adjust("step CLOCK_REALTIME", &t)
}

// SetSync tells the kernel how good its clock is. It leaves the kernel's own loop
// without work.
func SetSync(s Sync) error {
	t := unix.Timex{Modes: unix.ADJ_MAXERROR | unix.ADJ_ESTERROR | unix.ADJ_STATUS | unix.ADJ_NANO, Status: unix.STA_NANO}
	if s.MaxError >= unsynchronised {
		t.Status |= unix.STA_UNSYNC
	}
	if s.Insert {
		t.Status |= unix.STA_INS
	}
	if s.Delete {
		t.Status |= unix.STA_DEL
	}
	setLong(&t.Maxerror, s.MaxError.Microseconds())
	setLong(&t.Esterror, s.EstimatedError.Microseconds())
	return adjust("set state of CLOCK_REALTIME", &t)
}

// MaySteer reports whether this process may steer the clock, nil if so, by asking for
// nothing to be changed in a way that needs the privilege.
func MaySteer() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return sys.NewOpError("capget", err)
	}
	if data[0].Effective&(1<<unix.CAP_SYS_TIME) == 0 {
		return &sys.OpError{Op: "steer CLOCK_REALTIME", Object: "without CAP_SYS_TIME", Err: sys.ErrNotPermitted}
	}
	return nil
}

func adjust(op string, t *unix.Timex) error {
	_, err := unix.ClockAdjtime(unix.CLOCK_REALTIME, t)
	if errors.Is(err, unix.EINTR) {
		_, err = unix.ClockAdjtime(unix.CLOCK_REALTIME, t)
	}
	return sys.NewOpError(op, err)
}

// setLong writes a C long, which has 32 bits on some machines.
func setLong[T int32 | int64](to *T, v int64) { *to = T(v) }
