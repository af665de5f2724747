package load

import (
	"context"
	"errors"
	"math"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

func mustLimit(t *testing.T, spec string) Limit {
	t.Helper()
	l, err := ParseLimit(spec)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func searchConfig(t *testing.T, serve func(*net.TCPConn)) Config {
	t.Helper()
	return Config{Network: "tcp", Target: serveStream(t, serve), Clients: 2, Payload: mustParse(t, "seq", 64), Timeout: time.Minute}
}

// checkCurve checks what holds for every search.
func checkCurve(t *testing.T, r *Report, stepped []RateStep) {
	t.Helper()
	if r.Search == nil || len(r.Curve) == 0 || len(r.Curve) != len(stepped) {
		t.Fatalf("%d steps shown, %+v", len(stepped), r)
	}
	var held float64
	for i, s := range r.Curve {
		if s.Held {
			held = max(held, s.RatePerS)
		}
		if s.Repeated && (i == 0 || r.Curve[i-1].Held || r.Curve[i-1].RatePerS != s.RatePerS) {
			t.Errorf("step %d repeats nothing: %+v", i, r.Curve)
		}
		if s.RatePerS != stepped[i].RatePerS || s.Held && (s.Value == nil || s.P50 == nil || s.Missing > 0) {
			t.Errorf("step %+v, shown as %+v", s, stepped[i])
		}
	}
	if r.Search.RatePerS != held || held > 0 && r.RequestedPerS != held {
		t.Errorf("found %v, the report is of %v, the highest that held is %v", r.Search.RatePerS, r.RequestedPerS, held)
	}
}

// The server goes away after two steps: none of the rates beyond is found not to hold.
func TestFindRateOfAServerThatGoes(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	served.Go(func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			served.Go(func() {
				defer c.Close()
				echo(c.(*net.TCPConn))
			})
		}
	})
	defer served.Wait()
	cfg := Config{
		Network: "tcp", Target: l.Addr().(*net.TCPAddr).AddrPort(), Clients: 2, Rate: 100,
		Payload: mustParse(t, "seq", 64), Timeout: time.Minute,
	}
	steps := 0
	r, err := FindRate(t.Context(), cfg, SearchConfig{Limit: mustLimit(t, "max<1m"), Step: minStep, Stepped: func(RateStep) {
		if steps++; steps == 2 {
			l.Close()
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if s := r.Search; s.RatePerS != 200 || s.BrokenAt != 0 || s.Failed != "the target was gone at 400/s: connection refused" || len(r.Curve) != 3 {
		t.Errorf("%+v, %+v", s, r.Curve)
	}
	if err := r.Verify(); !errors.Is(err, ErrNotVerified) || !strings.Contains(err.Error(), r.Search.Failed) {
		t.Errorf("%v", err)
	}
}

// A server that answers a message in 2 ms, one after the other, cannot do 500/s on
// a connection; two do not 1000/s.
func TestFindRateOfASlowServer(t *testing.T) {
	t.Parallel()
	cfg := searchConfig(t, turns(64, func(c *net.TCPConn, _ int, m []byte) bool {
		time.Sleep(2 * time.Millisecond)
		_, err := c.Write(m)
		return err == nil
	}))
	cfg.Rate = 50
	var stepped []RateStep
	r, err := FindRate(t.Context(), cfg, SearchConfig{
		Limit: mustLimit(t, "p90<60ms"), Step: 300 * time.Millisecond, Precision: 0.5,
		Stepped: func(s RateStep) { stepped = append(stepped, s) },
	})
	if err != nil {
		t.Fatal(err)
	}
	checkCurve(t, r, stepped)
	// At 2000/s and more every message waits for those before: the 540th of 600 for 240 ms and more.
	if r.Search.BrokenAt == 0 || r.Search.RatePerS >= 2000 || r.Search.Limit != "p90<60ms" {
		t.Errorf("%+v\n%+v", r.Search, r.Curve)
	}
	if (r.Verify() == nil) != (r.Search.RatePerS > 0) {
		t.Errorf("%v: %+v", r.Verify(), r.Search)
	}
}

// Both clients have a message in a step of 50 ms from 40/s on.
func TestFindRateWithoutOneThatHolds(t *testing.T) {
	t.Parallel()
	var stepped []RateStep
	r, err := FindRate(t.Context(), searchConfig(t, echo), SearchConfig{
		Limit: mustLimit(t, "p50<1ns"), Step: minStep, Stepped: func(s RateStep) { stepped = append(stepped, s) },
	})
	if err != nil {
		t.Fatal(err)
	}
	checkCurve(t, r, stepped)
	if r.Search.RatePerS != 0 || !errors.Is(r.Verify(), ErrNotVerified) || stepped[len(stepped)-1].RatePerS != 40 {
		t.Errorf("%v: %+v", r.Verify(), r.Search)
	}
}

// A rate at which some clients send nothing in a step says nothing of them: it is
// not tried, even if it is the one to begin with.
func TestFindRateReachesEveryClient(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{0, 10, 4000} {
		cfg := searchConfig(t, echo)
		cfg.Clients, cfg.Rate = 200, rate
		r, err := FindRate(t.Context(), cfg, SearchConfig{Limit: mustLimit(t, "p50<1ns"), Step: minStep})
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Curve) != 2 || r.Curve[1].RatePerS != 4000 || r.Messages != 200 || r.Search.BrokenAt != 4000 {
			t.Errorf("from %v/s: %d messages, %+v", rate, r.Messages, r.Curve)
		}
	}
}

// Half of the messages have no client that lives: no rate holds, whatever loops the
// clients are in.
func TestFindRateWithDeadClients(t *testing.T) {
	t.Parallel()
	for _, loops := range []int{1, 2} {
		cfg := halfDead(t, "udp", loops)
		r, err := FindRate(t.Context(), cfg, SearchConfig{Limit: mustLimit(t, "p99<1m"), Step: minStep})
		if err != nil {
			t.Fatal(err)
		}
		if r.Search.RatePerS != 0 || r.Curve[0].Missing != 25 {
			t.Errorf("%d loops: %+v\n%+v", loops, r.Search, r.Curve)
		}
	}
}

// A search ends where a client could not await all answers any more, and says so.
func TestFindRateEndsAtTheMost(t *testing.T) {
	cfg := searchConfig(t, echo)
	cfg.Network, cfg.Clients = "udp", 1
	cfg.Target = serveDatagrams(t, func(_ int, d []byte) [][]byte { return once(d) })
	r, err := FindRate(t.Context(), cfg, SearchConfig{Limit: mustLimit(t, "max<1h"), Step: minStep})
	if err != nil {
		t.Fatal(err)
	}
	if most := cfg.mostRate(); r.Search.RatePerS != most || r.Search.BrokenAt != 0 || len(r.Curve) < 2 {
		t.Errorf("%+v of at most %v: %+v", r.Search, most, r.Curve)
	}
	if !r.ClientLimited || !strings.Contains(strings.Join(r.ClientLimits, "; "), "more clients") {
		t.Errorf("limits %q", r.ClientLimits)
	}
}

func TestFindRateInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	steps := 0
	r, err := FindRate(ctx, searchConfig(t, echo), SearchConfig{
		Limit: mustLimit(t, "max<1h"), Step: minStep, Stepped: func(RateStep) {
			if steps++; steps == 2 {
				cancel()
			}
		},
	})
	if err != nil || !r.Interrupted || len(r.Curve) != 2 || r.Search.RatePerS == 0 || r.Verify() != nil {
		t.Errorf("%v: %+v", err, r)
	}
}

func TestFindRateRejectsWhatMakesNoSense(t *testing.T) {
	good := searchConfig(t, echo)
	limit := mustLimit(t, "p99<1ms")
	flood := good
	flood.Flood = true
	backwards, nowhere := good, good
	backwards.Rate, nowhere.Rate = -1, math.NaN()
	tests := []struct {
		cfg    Config
		search SearchConfig
	}{
		{good, SearchConfig{}},
		{good, SearchConfig{Limit: limit, Step: time.Millisecond}},
		{good, SearchConfig{Limit: limit, Precision: 2}},
		{good, SearchConfig{Limit: limit, Precision: -1}},
		{backwards, SearchConfig{Limit: limit}},
		{nowhere, SearchConfig{Limit: limit}},
		{flood, SearchConfig{Limit: limit}},
		{Config{}, SearchConfig{Limit: limit}},
	}
	for _, test := range tests {
		if r, err := FindRate(t.Context(), test.cfg, test.search); r != nil || !errors.Is(err, ErrConfig) {
			t.Errorf("%+v: %v", test.search, err)
		}
	}
}
