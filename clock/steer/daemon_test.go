package steer

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"wirelab/clock/discipline"
)

// fakeBase reads clocks that are those of the bubble: CLOCK_REALTIME is always right.
func fakeBase() func() (Reading, error) {
	began := time.Now()
	return func() (Reading, error) {
		passed := time.Since(began)
		real := time.Duration(time.Now().UnixNano())
		return Reading{Reading: discipline.Reading{Raw: passed, Clock: real}, Real: real, Boot: passed}, nil
	}
}

// server answers with the right time, plus lie, after a delay of 200 us and up to
// 40 us of jitter on one way.
func server(random *rand.Rand, lie func() time.Duration) func(context.Context) (Measurement, error) {
	return func(ctx context.Context) (Measurement, error) {
		sent := time.Now()
		jitter := time.Duration(random.Int64N(int64(40 * time.Microsecond)))
		select {
		case <-time.After(200*time.Microsecond + jitter):
		case <-ctx.Done():
			return Measurement{}, ctx.Err()
		}
		delay := time.Since(sent)
		return Measurement{
			Middle: time.Duration(sent.UnixNano()) + delay/2, Offset: lie() + jitter/2, Delay: delay,
			Stratum: 1, Stamps: "kernel",
		}, nil
	}
}

func honest() time.Duration { return 0 }

// startDaemon runs a daemon until the returned function is called.
func startDaemon(t *testing.T, cfg Config) (*Daemon, func()) {
	t.Helper()
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	d, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	return d, func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func simulated(t *testing.T, offset time.Duration, ppb float64) *Simulated {
	t.Helper()
	clock, err := NewSimulated(fakeBase(), offset, ppb)
	if err != nil {
		t.Fatal(err)
	}
	return clock
}

func usual(clock Clock, sources ...Source) Config {
	return Config{
		Clock: clock, Sources: sources, MaxFrequency: 500e3, MinPoll: time.Second, MaxPoll: 1024 * time.Second,
		Step: true, StepAbove: 128 * time.Millisecond, Panic: 1000 * time.Second,
	}
}

func TestDaemonKeepsASimulatedClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := simulated(t, 350*time.Millisecond, 80e3)
		drift := filepath.Join(t.TempDir(), "drift")
		cfg := usual(clock, Source{"a", server(rand.New(rand.NewPCG(1, 1)), honest)})
		cfg.DriftFile = drift
		d, stop := startDaemon(t, cfg)
		time.Sleep(time.Minute)
		for range 600 {
			time.Sleep(time.Second)
			if st, err := d.Status(); err != nil || st.TrueOffset.Abs() > 50*time.Microsecond {
				t.Fatalf("the clock is %v off, %v", st.TrueOffset, err)
			}
		}
		st, err := d.Status()
		if err != nil {
			t.Fatal(err)
		}
		if st.State != string(discipline.Locked) || st.Bound < st.TrueOffset.Abs() || st.Bound > 5*time.Millisecond || st.Stratum != 2 {
			t.Errorf("status %+v", st)
		}
		stop()
		if ppb, err := readDrift(drift); err != nil || ppb == nil || *ppb > -79e3 || *ppb < -81e3 {
			t.Errorf("drift file: %v, %v", ppb, err)
		}
	})
}

func TestDaemonHoldsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := simulated(t, 0, 20e3)
		var gone atomic.Bool
		answer := server(rand.New(rand.NewPCG(1, 1)), honest)
		d, stop := startDaemon(t, usual(clock, Source{"a", func(ctx context.Context) (Measurement, error) {
			if gone.Load() {
				return Measurement{}, errors.New("no answer within 1s")
			}
			return answer(ctx)
		}}))
		defer stop()
		time.Sleep(10 * time.Minute)
		gone.Store(true)
		var bounds []time.Duration
		for range 10 {
			time.Sleep(time.Hour)
			st, err := d.Status()
			if err != nil {
				t.Fatal(err)
			}
			if st.State != string(discipline.Holdover) || st.Sources[0].Error == "" {
				t.Fatalf("state %s: %s", st.State, st.Reason)
			}
			if len(bounds) > 0 && st.Bound <= bounds[len(bounds)-1] {
				t.Fatalf("the bound does not grow: %v, then %v", bounds, st.Bound)
			}
			if st.TrueOffset.Abs() > st.Bound {
				t.Fatalf("the clock is %v off, the bound says %v", *st.TrueOffset, st.Bound)
			}
			bounds = append(bounds, st.Bound)
		}
		gone.Store(false)
		time.Sleep(time.Hour)
		if st, err := d.Status(); err != nil || st.State != string(discipline.Locked) {
			t.Errorf("an hour after the server is back: %s, %v", st.State, err)
		}
	})
}

// A liar beside four honest servers is named, and the clock stays right.
func TestDaemonRejectsAFalseticker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := simulated(t, 0, 20e3)
		var sources []Source
		for i, name := range []string{"a", "b", "c", "d", "liar"} {
			lie := honest
			if name == "liar" {
				lie = func() time.Duration { return time.Second }
			}
			sources = append(sources, Source{name, server(rand.New(rand.NewPCG(uint64(i), 1)), lie)})
		}
		d, stop := startDaemon(t, usual(clock, sources...))
		defer stop()
		time.Sleep(5 * time.Minute)
		st, err := d.Status()
		if err != nil {
			t.Fatal(err)
		}
		if st.TrueOffset.Abs() > 50*time.Microsecond || !strings.Contains(st.Sources[4].Rejected, "falseticker") || !st.Sources[0].Selected {
			t.Errorf("status %+v", st)
		}
	})
}

// The panic limit holds for both signs, once the clock has been right.
func TestDaemonPanics(t *testing.T) {
	for _, jump := range []time.Duration{time.Hour, -time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			clock := simulated(t, 0, 0)
			var lie atomic.Int64
			d, stop := startDaemon(t, usual(clock, Source{"a", server(rand.New(rand.NewPCG(1, 1)), func() time.Duration { return time.Duration(lie.Load()) })}))
			defer stop()
			time.Sleep(10 * time.Minute)
			lie.Store(int64(jump))
			time.Sleep(2 * time.Hour)
			st, err := d.Status()
			if err != nil {
				t.Fatal(err)
			}
			if st.State != string(discipline.Refused) || !strings.Contains(st.Reason, "the limit is 16m40s") || st.TrueOffset.Abs() > time.Second {
				t.Errorf("a server that jumps by %v: %s: %s; the clock is off by %v", jump, st.State, st.Reason, *st.TrueOffset)
			}
		})
	}
}

// A daemon that only measures says how far the clock is off and leaves it alone.
func TestDaemonMeasures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := simulated(t, 3*time.Millisecond, 0)
		cfg := usual(clock, Source{"a", server(rand.New(rand.NewPCG(1, 1)), honest)})
		cfg.Passive = true
		d, stop := startDaemon(t, cfg)
		defer stop()
		time.Sleep(10 * time.Minute)
		st, err := d.Status()
		if err != nil {
			t.Fatal(err)
		}
		if *st.TrueOffset != 3*time.Millisecond || (st.Offset+3*time.Millisecond).Abs() > 50*time.Microsecond || st.Steers {
			t.Errorf("status %+v, true offset %v", st, *st.TrueOffset)
		}
	})
}

func TestDriftFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "drift")
	if ppb, err := readDrift(name); ppb != nil || err != nil {
		t.Errorf("no file: %v, %v", ppb, err)
	}
	if err := writeDrift(name, -12345.678, 12); err != nil {
		t.Fatal(err)
	}
	if ppb, err := readDrift(name); err != nil || *ppb != -12345.678 {
		t.Errorf("%v, %v", ppb, err)
	}
}

func FuzzReadDrift(f *testing.F) {
	f.Add("-12.345678 0.012\n")
	f.Add("")
	f.Add("NaN")
	f.Add("1e999 x")
	f.Fuzz(func(t *testing.T, text string) {
		name := filepath.Join(t.TempDir(), "drift")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		ppb, err := readDrift(name)
		if err == nil && !(*ppb >= -500e3 && *ppb <= 500e3) || err != nil && !errors.Is(err, ErrDriftFile) {
			t.Errorf("%q: %v, %v", text, ppb, err)
		}
	})
}
