package load

import (
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"wirelab/internal/sys/process"
)

func TestClockWitness(t *testing.T) {
	const tick = ProgressInterval
	tests := []struct {
		name  string
		walls []time.Duration // at one tick after the other
		steps int
		sum   time.Duration
	}{
		{"steady", []time.Duration{tick, 2 * tick, 3 * tick}, 0, 0},
		{"slewed", []time.Duration{tick + 75*time.Microsecond, 2*tick + 150*time.Microsecond}, 0, 0},
		{"set forward", []time.Duration{tick, 2*tick + time.Hour, 3*tick + time.Hour}, 1, time.Hour},
		{"set back", []time.Duration{tick, 2*tick - time.Second, 3*tick - time.Second}, 1, -time.Second},
		{"there and back", []time.Duration{tick + time.Hour, 2 * tick}, 2, 0},
	}
	for _, test := range tests {
		var w clockMonitor
		for i, wall := range test.walls {
			w.look(time.Duration(i+1)*tick, wall)
		}
		if w.steps != test.steps || w.sum != test.sum {
			t.Errorf("%s: %d steps, %v", test.name, w.steps, w.sum)
		}
	}
}

// The wall clock is read twice in a run with another time each; nothing in the
// report but the step depends on it.
func TestRunNoticesAClockThatIsSet(t *testing.T) {
	now := time.Now()
	var w monitor
	w.begin(now)
	w.look(now.Add(time.Millisecond))
	w.clock.wall -= time.Minute // as if it had been a minute earlier then
	w.end(now.Add(2 * time.Millisecond))
	r := &run{monitor: w}
	if g := r.generator(0); g.ClockSteps != 1 || g.ClockStepUS != 60e6 {
		t.Errorf("%+v", g)
	}
}

func TestWitnessCountsPauses(t *testing.T) {
	var w monitor
	w.begin(time.Now())
	runtime.GC()
	w.end(time.Now())
	if w.gcCount == 0 || w.gcMax <= 0 || w.gcTotal <= 0 || w.gcTotal < w.gcMax/4 {
		t.Errorf("%d pauses, longest %v, together %v", w.gcCount, w.gcMax, w.gcTotal)
	}
	if w.clock.steps != 0 {
		t.Errorf("%d clock steps", w.clock.steps)
	}
}

// What the process did while clients connected spoils nothing: it is not measured then,
// although the run is watched already.
func TestPausesBeforeTheMeasurementDoNotCount(t *testing.T) {
	const collections = 100
	r := mustRun(t, Config{
		Target: serveStream(t, echo), Clients: 2, Duration: 2 * ProgressInterval,
		Begin: func() {
			time.Sleep(2 * ProgressInterval)
			for range collections {
				runtime.GC()
			}
		},
	})
	if g := r.Generator; g.GCPauses >= collections || g.ClockSteps > 0 {
		t.Errorf("%d pauses, up to %v us, %d clock steps", g.GCPauses, g.GCPauseMaxUS, g.ClockSteps)
	}
}

func TestLimits(t *testing.T) {
	busy := func(cpu time.Duration) Generator {
		var g Generator
		g.addLoop(0, process.ThreadUse{CPU: cpu, Waited: 100 * time.Millisecond}, time.Second)
		g.addLoop(1, process.ThreadUse{}, time.Second)
		return g
	}
	tests := []struct {
		name   string
		report Report
		want   string // begins the only limit; none if empty
	}{
		{"nothing", Report{ElapsedS: 1, Generator: busy(500 * time.Millisecond)}, ""},
		{"busy", Report{ElapsedS: 1, Generator: busy(970 * time.Millisecond)}, "processor: event loop 1 was busy 97% of the time"},
		{"late", Report{ElapsedS: 1, LateSends: &LateSends{Share: 0.12}}, "late sends: 12% more than 1ms late"},
		{"a full window", Report{ElapsedS: 1, Outstanding: 128, LateSends: &LateSends{WindowShare: 0.391}}, "--outstanding 128 held back 39% of the messages"},
		{"a window that was hardly full", Report{ElapsedS: 1, Outstanding: 128, LateSends: &LateSends{HeldBack: 1e6, HeldByWindow: 1e6, WindowShare: 0.01}}, ""},
		{"hardly late", Report{ElapsedS: 1, LateSends: &LateSends{Share: 0.005, HeldBack: 1e6}}, ""},
		{"a long pause", Report{ElapsedS: 100, Generator: Generator{GCPauses: 2, GCPauseMaxUS: 8000, GCPauseSumUS: 9000}}, "garbage collection: 2 pauses, the longest 8.0 ms"},
		{"many pauses", Report{ElapsedS: 1, Generator: Generator{GCPauses: 200, GCPauseMaxUS: 100, GCPauseSumUS: 20_000}}, "garbage collection: 200 pauses"},
		{"a short run", Report{ElapsedS: 0.001, Generator: Generator{GCPauses: 1, GCPauseMaxUS: 100, GCPauseSumUS: 100}}, ""},
	}
	for _, test := range tests {
		limits := test.report.limits()
		if test.want == "" && len(limits) > 0 || test.want != "" && (len(limits) != 1 || !strings.HasPrefix(limits[0], test.want)) {
			t.Errorf("%s: %q, want %q", test.name, limits, test.want)
		}
	}
	var g Generator
	g.addLoop(0, process.ThreadUse{CPU: time.Millisecond}, time.Millisecond)
	if len(g.limits) > 0 || g.CPUShare != 1 {
		t.Errorf("a run of a millisecond is judged: %+v", g)
	}
}

// What a loop uses is set against the time in which it did: not more than all of it,
// although waiting takes processor time too, and not spread over a long wait.
func TestCPUShareOfAServerThatFallsSilent(t *testing.T) {
	const timeout = 2 * time.Second
	var begun time.Time
	addr := serveDatagrams(t, func(n int, d []byte) [][]byte {
		if n == 0 {
			begun = time.Now()
		}
		if time.Since(begun) > 200*time.Millisecond {
			return nil
		}
		return once(d)
	})
	cfg, err := (Config{Network: "udp", Target: addr, Clients: 2, Loops: 1, Duration: 300 * time.Millisecond, Timeout: timeout, Payload: mustParse(t, "seq", 64)}).withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	r := newRun(cfg)
	defer r.close()
	if err := errors.Join(r.open(), r.wait(t.Context())); err != nil {
		t.Fatal(err)
	}
	l := r.loops[0]
	if l.used < l.last || l.clock-l.used < timeout/2 {
		t.Errorf("used %v, the last message was %v before and the end %v after", l.use.CPU, l.used-l.last, l.clock-l.used)
	}
	hung := mustRun(t, Config{Target: serveStream(t, func(c *net.TCPConn) { io.Copy(io.Discard, c) }), Clients: 200, Messages: 1, Timeout: time.Second})
	if g := hung.Generator; g.CPUShare <= 0 || g.CPUShare > 1 || len(g.limits) > 0 {
		t.Errorf("%+v", g)
	}
}

// Lateness is the pacer's own: what comes late to give out counts, even if the
// client could not have sent it.
func TestDealCountsLateness(t *testing.T) {
	cfg, err := (Config{Network: "tcp", Target: closedPort(t, "tcp"), Clients: 2, Messages: 5, Rate: 1000, Payload: mustParse(t, "seq", 64), Loops: 1}).withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	r := newRun(cfg)
	defer r.close()
	if err := r.open(); err != nil {
		t.Fatal(err)
	}
	l := r.loops[0]
	l.schedule, l.cutoff, l.pacer = newSchedule(&cfg, 0), never, pacer{round: 1}
	l.preparePace()
	l.clock = 4*time.Millisecond + 500*time.Microsecond // messages 0 to 4 are due, of 10
	l.pace()
	if l.rec.lateness.Count() != 5 || l.rec.lateSends != 4 || l.rec.heldBack != 5 || l.pacer.upcoming != 5*time.Millisecond {
		t.Errorf("%d paced, %d late, %d held back, the next at %v", l.rec.lateness.Count(), l.rec.lateSends, l.rec.heldBack, l.pacer.upcoming)
	}
	l.clock = time.Second
	l.pace()
	if l.due() != 10 || !l.paced {
		t.Errorf("%d were due", l.due())
	}
}
