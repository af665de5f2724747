package discipline

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A bench is a loop, its clock, and servers whose time is raw time run at a rate.
type bench struct {
	t      testing.TB
	loop   *Loop
	clock  Steered
	origin time.Duration // of the server's time
	rate   float64       // ppb by which servers run fast against raw time
	order  Order
	delay  time.Duration
	root   time.Duration // dispersion that servers claim
	leap   Leap
}

func newBench(t testing.TB, start Start) *bench {
	t.Helper()
	start.Clock = 1_790_000_000 * time.Second
	start.MinPoll, start.MaxPoll = 16*time.Second, 256*time.Second
	if start.MaxFrequency == 0 {
		start.MaxFrequency = 500e3
	}
	loop, err := New(start)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, loop: loop, clock: Steered{Reading: start.Reading}, origin: start.Clock, delay: 100 * time.Microsecond}
	b.obey(loop.Begin())
	return b
}

func (b *bench) obey(o Order) {
	b.order = o
	b.clock.Obey(o)
}

// server is the true time now.
func (b *bench) server() time.Duration {
	return b.origin + b.clock.Raw + time.Duration(float64(b.clock.Raw)*b.rate/1e9)
}

// off is how far the servers are ahead of the clock.
func (b *bench) off() time.Duration { return b.server() - b.clock.Clock }

// sample lets time pass and gives the loop a sample of a source that lies.
func (b *bench) sample(source string, passed, lie time.Duration) {
	b.t.Helper()
	b.clock.Move(b.clock.Raw + passed)
	o, err := b.loop.Sample(Sample{Source: source, Reading: b.clock.Reading, Offset: b.off() + lie, Delay: b.delay, RootDispersion: b.root, Stratum: 1, Leap: b.leap})
	if err != nil {
		b.t.Fatal(err)
	}
	b.obey(o)
}

// run samples one honest source as often as the loop wants.
func (b *bench) run(duration time.Duration) {
	b.t.Helper()
	for end := b.clock.Raw + duration; b.clock.Raw < end; {
		b.sample("a", max(b.order.Poll, 1), 0)
	}
}

func TestLoopLocksAndHolds(t *testing.T) {
	b := newBench(t, Start{Step: true})
	b.origin += 350 * time.Millisecond
	b.rate = 80e3
	b.run(time.Hour)
	if b.order.State != Locked || b.off().Abs() > time.Microsecond || math.Abs(b.order.Frequency-80e3) > 10 {
		t.Fatalf("%s, off by %v at %v ppb", b.order.State, b.off(), b.order.Frequency)
	}
	bound := b.order.Bound
	for range vanished + 3 {
		b.clock.Move(b.clock.Raw + b.order.Poll)
		o, err := b.loop.Lost("a", b.clock.Reading, false)
		if err != nil {
			t.Fatal(err)
		}
		b.obey(o)
	}
	if b.order.State != Holdover || b.order.Bound <= bound || b.order.Bound < b.off().Abs() {
		t.Errorf("without answers: %s, bound %v after %v, off by %v", b.order.State, b.order.Bound, bound, b.off())
	}
	b.run(time.Hour)
	if b.order.State != Locked || b.off().Abs() > time.Microsecond {
		t.Errorf("with answers again: %s, off by %v", b.order.State, b.off())
	}
}

func TestLoopRefuses(t *testing.T) {
	tests := []struct {
		name   string
		start  Start
		before func(*bench)
		want   string
	}{
		{"panic forward", Start{Step: true, Panic: 1000 * time.Second}, func(b *bench) { b.origin += time.Hour }, "now off by 1h0m0s, the limit is 16m40s"},
		{"panic back", Start{Step: true, Panic: 1000 * time.Second}, func(b *bench) { b.origin -= time.Hour }, "now off by -1h0m0s, the limit is 16m40s"},
		{"root distance", Start{Step: true}, func(b *bench) { b.root = 2 * time.Second }, "its root distance is 2s, the limit is 1.5s"},
		{"a server that is not synchronised", Start{Step: true}, func(b *bench) { b.leap = LeapUnknown }, "it says that it is not synchronised"},
	}
	for _, tt := range tests {
		b := newBench(t, tt.start)
		b.run(time.Hour)
		if b.order.State != Locked {
			t.Fatalf("%s: %s: %s", tt.name, b.order.State, b.order.Reason)
		}
		clock, raw := b.clock.Clock, b.clock.Raw
		tt.before(b)
		b.run(4 * time.Hour)
		if b.order.State != Refused || !strings.Contains(b.order.Reason, tt.want) {
			t.Errorf("%s: %s: %q, want %q", tt.name, b.order.State, b.order.Reason, tt.want)
		}
		if moved := (b.clock.Clock - clock) - (b.clock.Raw - raw); moved.Abs() > time.Millisecond {
			t.Errorf("%s: the clock was moved by %v", tt.name, moved)
		}
	}
}

func TestLoopRefusesAnAbsurdFrequency(t *testing.T) {
	b := newBench(t, Start{Step: true})
	b.rate = 4e6
	b.run(time.Hour)
	if b.order.State != Refused || !strings.Contains(b.order.Reason, "4000.0 ppm off its natural frequency, and 500.0 ppm are possible") {
		t.Errorf("%s: %s", b.order.State, b.order.Reason)
	}
	if b.order.Frequency != 0 {
		t.Errorf("frequency %v was ordered", b.order.Frequency)
	}
}

// A machine that sleeps, raw time with it, is caught up with at the first sample.
func TestLoopRecoversFromSleep(t *testing.T) {
	b := newBench(t, Start{Step: true})
	b.rate = 20e3
	b.run(time.Hour)
	b.origin += time.Minute // the servers went on
	b.clock.Clock += time.Minute + 300*time.Millisecond
	b.sample("a", b.order.Poll, 0)
	if (b.order.Estimate + 300*time.Millisecond).Abs() > time.Millisecond {
		t.Errorf("after a sleep the estimate is %v, want -300ms", b.order.Estimate)
	}
	b.run(time.Hour)
	if b.order.State != Locked || b.off().Abs() > 10*time.Microsecond {
		t.Errorf("%s: %s; off by %v", b.order.State, b.order.Reason, b.off())
	}
}

// Somebody else's step is undone at once: it is none of the servers' time.
func TestLoopUndoesAForeignStep(t *testing.T) {
	b := newBench(t, Start{Step: true})
	b.run(time.Hour)
	b.clock.Clock += time.Second
	b.sample("a", b.order.Poll, 0)
	if b.off().Abs() > time.Microsecond {
		t.Errorf("off by %v after a step of a second by somebody", b.off())
	}
}

// A server that jumps is believed when it has said so three times.
func TestLoopFollowsAServerThatJumps(t *testing.T) {
	b := newBench(t, Start{Step: true})
	b.run(time.Hour)
	b.origin += 50 * time.Millisecond
	for range suspectsAgree {
		if off := b.off(); (off - 50*time.Millisecond).Abs() > time.Millisecond {
			t.Fatalf("the clock has moved early, by %v", 50*time.Millisecond-off)
		}
		b.sample("a", b.order.Poll, 0)
	}
	if b.off().Abs() > time.Millisecond {
		t.Errorf("off by %v after %d samples", b.off(), suspectsAgree)
	}
}

// One wild sample moves nothing.
func TestLoopIgnoresAWildSample(t *testing.T) {
	b := newBench(t, Start{Step: true})
	b.run(time.Hour)
	b.sample("a", b.order.Poll, time.Second)
	b.run(time.Hour)
	if b.off().Abs() > time.Microsecond || b.order.State != Locked {
		t.Errorf("%s, off by %v", b.order.State, b.off())
	}
}

// An announced leap second is taken for one, whether or not the kernel has made it.
func TestLoopTakesALeapSecond(t *testing.T) {
	for _, kernel := range []bool{false, true} {
		for leap, jump := range map[Leap]time.Duration{LeapInsert: -time.Second, LeapDelete: time.Second} {
			b := newBench(t, Start{Step: true})
			b.leap = leap
			b.run(2 * time.Hour)
			// The last day of the month ends.
			end := time.Date(2026, 9, 30, 24, 0, 0, 0, time.UTC)
			ahead := time.Duration(end.UnixNano()) - b.clock.Clock + time.Second
			b.clock.Clock += ahead
			b.origin += ahead + jump
			if kernel {
				b.clock.Clock += jump
			}
			b.sample("a", b.order.Poll, 0)
			if b.off().Abs() > time.Millisecond {
				t.Errorf("leap %d, made by the kernel: %t: off by %v after one sample", leap, kernel, b.off())
			}
		}
	}
}

func TestLoopAmongLiars(t *testing.T) {
	tests := []struct {
		lies []time.Duration
		want State
	}{
		{[]time.Duration{0, 0, 0, time.Second, -time.Minute}, Locked},
		{[]time.Duration{0, 0, 0, time.Second, time.Second}, Locked},
		{[]time.Duration{0, 0, time.Hour, time.Second, -time.Minute}, Refused},
		{[]time.Duration{0, time.Second}, Refused},
	}
	for _, tt := range tests {
		b := newBench(t, Start{Step: true})
		for range 20 {
			for i, lie := range tt.lies {
				b.sample(fmt.Sprint(i), 5*time.Second, lie)
			}
		}
		if b.order.State != tt.want {
			t.Errorf("%v: %s: %s", tt.lies, b.order.State, b.order.Reason)
		}
		for i, lie := range tt.lies {
			if reason := b.order.Rejected[fmt.Sprint(i)]; tt.want == Locked && (reason != "") != (lie != 0) {
				t.Errorf("%v: source %d is rejected: %q", tt.lies, i, reason)
			}
		}
	}
}

// Once the clock has been right, StepAbove decides between a step and a long slew.
func TestLoopSlewsWhereStepsAreNotAllowed(t *testing.T) {
	for _, tt := range []struct {
		above time.Duration
		step  bool
	}{{0, true}, {time.Second, false}, {-1, false}} {
		b := newBench(t, Start{Step: true, StepAbove: tt.above})
		b.run(time.Hour)
		b.clock.Clock -= 50 * time.Millisecond
		b.sample("a", b.order.Poll, 0)
		if (b.order.Step != 0) != tt.step || b.order.Step == 0 && (b.order.Slew-50*time.Millisecond).Abs() > time.Millisecond {
			t.Errorf("StepAbove %v: step %v, slew %v", tt.above, b.order.Step, b.order.Slew)
		}
		b.run(time.Hour)
		if b.off().Abs() > time.Microsecond {
			t.Errorf("StepAbove %v: off by %v", tt.above, b.off())
		}
	}
}

// Whatever the samples are, orders keep within the limits of the start, and the same
// samples give the same orders.
func TestOrdersKeepTheirLimits(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		start := Start{
			MaxFrequency: rapid.Float64Range(1, 1e8).Draw(rt, "most"), MinPoll: time.Second,
			MaxPoll: time.Duration(rapid.Int64Range(1, 1024).Draw(rt, "poll")) * time.Second, Step: rapid.Bool().Draw(rt, "step"),
		}
		a, errA := New(start)
		b, errB := New(start)
		if errA != nil || errB != nil {
			rt.Fatal(errA, errB)
		}
		raw := time.Duration(0)
		for range rapid.IntRange(1, 12).Draw(rt, "samples") {
			raw += time.Duration(rapid.Int64Range(1, 1e12).Draw(rt, "passed"))
			s := Sample{
				Source: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "source"), Reading: Reading{raw, raw + time.Duration(rapid.Int64Range(-1e18, 1e18).Draw(rt, "clock"))},
				Offset: time.Duration(rapid.Int64Range(-1e18, 1e18).Draw(rt, "offset")), Delay: time.Duration(rapid.Int64Range(0, 1e10).Draw(rt, "delay")),
				Stratum: rapid.IntRange(0, 16).Draw(rt, "stratum"), Leap: Leap(rapid.IntRange(0, 3).Draw(rt, "leap")),
				RootDelay: time.Duration(rapid.Int64Range(0, 1e18).Draw(rt, "root")),
			}
			o, err := a.Sample(s)
			again, errAgain := b.Sample(s)
			if err != nil || errAgain != nil {
				rt.Fatal(err, errAgain)
			}
			if fmt.Sprint(o) != fmt.Sprint(again) {
				rt.Fatalf("%v, then %v", o, again)
			}
			rate := math.Abs(o.Frequency)
			if o.SlewOver > 0 {
				rate = math.Abs(o.Frequency + float64(o.Slew)/float64(o.SlewOver)*1e9)
			}
			if rate > start.MaxFrequency*1.0001 || o.Poll < start.MinPoll || o.Poll > start.MaxPoll || o.Step != 0 && !start.Step || o.Slew != 0 && o.SlewOver <= 0 {
				rt.Fatalf("rate %v ppb of %v, poll %v, %+v", rate, start.MaxFrequency, o.Poll, o)
			}
		}
	})
}
