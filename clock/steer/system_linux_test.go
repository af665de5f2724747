package steer

import (
	"context"
	"testing"
	"time"

	kernel "wirelab/internal/sys/clock"
)

// A daemon that only measures leaves adjtimex and CLOCK_REALTIME as they are, however
// far a server says that they are off.
func TestSystemClockIsLeftAlone(t *testing.T) {
	before, err := kernel.ReadState()
	if err != nil {
		t.Fatal(err)
	}
	start, err := kernel.Read()
	if err != nil {
		t.Fatal(err)
	}
	clock, err := NewSystem(false)
	if err != nil {
		t.Fatal(err)
	}
	asked := make(chan struct{}, 100)
	cfg := usual(clock, Source{"liar", func(context.Context) (Measurement, error) {
		r, err := kernel.Read()
		asked <- struct{}{}
		return Measurement{Middle: r.Real, Offset: time.Hour, Delay: time.Microsecond, Stratum: 1}, err
	}})
	cfg.Passive, cfg.MinPoll, cfg.MaxPoll = true, time.Millisecond, time.Millisecond
	d, stop := startDaemon(t, cfg)
	for range 10 {
		<-asked
	}
	st, err := d.Status()
	stop()
	if err != nil || (st.Offset-time.Hour).Abs() > time.Second {
		t.Errorf("offset %v, %v", st.Offset, err)
	}
	after, err := kernel.ReadState()
	if err != nil {
		t.Fatal(err)
	}
	end, err := kernel.Read()
	if err != nil {
		t.Fatal(err)
	}
	before.MaxError, after.MaxError = 0, 0 // grows by itself
	before.EstimatedError, after.EstimatedError = 0, 0
	if before != after {
		t.Errorf("adjtimex was %+v, is %+v", before, after)
	}
	if moved := (end.Real - start.Real) - (end.Monotonic - start.Monotonic); moved.Abs() > time.Millisecond {
		t.Errorf("CLOCK_REALTIME was set by %v", moved)
	}
}

func TestLastDayOfMonth(t *testing.T) {
	for day, want := range map[string]bool{
		"2026-06-30T12:00:00Z": true, "2026-06-29T23:59:59Z": false, "2026-12-31T00:00:00Z": true,
		"2028-02-28T12:00:00Z": false, "2028-02-29T12:00:00Z": true, "2026-07-01T00:00:00+02:00": true,
	} {
		at, err := time.Parse(time.RFC3339, day)
		if err != nil {
			t.Fatal(err)
		}
		if got := lastDayOfMonth(at); got != want {
			t.Errorf("%s: %t", day, got)
		}
	}
}
