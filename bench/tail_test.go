package main

import (
	"errors"
	"math"
	"net"
	"strings"
	"testing"
	"time"
)

// openLoad runs the open loop's generator once.
func openLoad(t *testing.T, built programs, addr string, connections, rate, milliseconds int) (r rateResult, err error) {
	t.Helper()
	g, err := startGenerator(t.Context(), built[openLoop], addr, connections, rate, milliseconds, messageSize)
	if err != nil {
		t.Fatal(err)
	}
	err = g.run("", &r)
	return r, errors.Join(err, g.close())
}

func TestOpenLoop(t *testing.T) {
	built, p := buildPeer(t, "C epoll")
	s, err := startServer(t.Context(), p, built)
	if err != nil {
		t.Fatal(err)
	}
	defer s.stop()
	for _, connections := range []int{1, 7, 300} {
		r, err := openLoad(t, built, s.addr, connections, 2000, 200)
		if err != nil || r.Requests != 400 || r.Mismatched != 0 {
			t.Errorf("%d connections: %+v, %v", connections, r, err)
		}
		// The last one is due one interval before the end.
		if r.ElapsedNS < int64(199*time.Millisecond) || r.P50NS <= 0 || r.P99NS < r.P50NS {
			t.Errorf("%d connections: %+v", connections, r)
		}
	}
}

// A line may ask for a shorter run than the generator was started for.
func TestOpenLoopRunsShorter(t *testing.T) {
	built, p := buildPeer(t, "C epoll")
	s, err := startServer(t.Context(), p, built)
	if err != nil {
		t.Fatal(err)
	}
	defer s.stop()
	g, err := startGenerator(t.Context(), built[openLoop], s.addr, 3, 1000, 200, messageSize)
	if err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]int{"50": 50, "": 200, "9999": 200} {
		var r rateResult
		if err := g.run(line, &r); err != nil || r.Requests != want {
			t.Errorf("%q: %+v, %v", line, r, err)
		}
	}
	if err := g.close(); err != nil {
		t.Error(err)
	}
}

// A server that answers nothing until all has come makes every request wait for the
// last: from the times at which they were due, evenly between nothing and all.
func TestOpenLoopMeasuresFromTheDueTime(t *testing.T) {
	built, _ := buildPeer(t, "C epoll")
	const rate, milliseconds = 1000, 300
	all := make([]byte, rate*milliseconds/1000*messageSize)
	addr := serveOnce(t, func(c net.Conn, first []byte) {
		have := copy(all, first)
		for have < len(all) {
			n, err := c.Read(all[have:])
			if err != nil {
				return
			}
			have += n
		}
		c.Write(all)
	})
	r, err := openLoad(t, built, addr, 1, rate, milliseconds)
	if err != nil || r.Mismatched != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	if half := int64(milliseconds * time.Millisecond / 2); r.P50NS < half*9/10 {
		t.Errorf("the middle one waited for %d ns, want about %d: later ones wait less", r.P50NS, half)
	}
}

func TestOpenLoopNotices(t *testing.T) {
	built, _ := buildPeer(t, "C epoll")
	changed := serveOnce(t, func(c net.Conn, b []byte) { b[0] ^= 1; c.Write(b) })
	if r, err := openLoad(t, built, changed, 1, 1, 1000); err != nil || r.Mismatched != 1 {
		t.Errorf("changed: %+v, %v", r, err)
	}
	closed := serveOnce(t, func(c net.Conn, _ []byte) { c.Close() })
	if _, err := openLoad(t, built, closed, 1, 1, 1000); err == nil || !strings.Contains(err.Error(), "closed by the server") {
		t.Errorf("closed: %v", err)
	}
}

func TestBestTail(t *testing.T) {
	of := func(then, first int64) tail {
		return tail{first: rateResult{P99NS: first * 1000}, then: rateResult{P99NS: then * 1000}}
	}
	tl := &tails{samples: map[string][]tail{
		"wirelab uring": {of(100, 600)}, gnetAll: {of(300, 200)}, "C epoll": {of(200, 800), of(900, 800), of(201, 800)},
	}}
	for _, c := range []struct {
		latency func(tail) float64
		best    string
		ratio   float64
	}{{tail.p99, "C epoll", 0.5}, {tail.firstP99, gnetAll, 3}} {
		if best := tl.best(c.latency); best != c.best {
			t.Errorf("best is %q, not %q", best, c.best)
		}
		if ratio := tl.ratio("wirelab uring", c.latency).median; ratio != c.ratio {
			t.Errorf("%v of the best, not %v", ratio, c.ratio)
		}
	}
	none := new(tails)
	if best, ratio := none.best(tail.p99), none.ratio(gnetAll, tail.p99); best != "" || !math.IsNaN(ratio.median) {
		t.Errorf("best of none is %q, ratio %v", best, ratio)
	}
}

func TestNothingHoldsAgainstNobody(t *testing.T) {
	var text strings.Builder
	writeTails(&text, &tails{samples: map[string][]tail{"wirelab uring": {{}}}})
	if row := text.String(); !strings.Contains(row, "| wirelab uring |") || strings.Contains(row, "hold") || strings.Contains(row, "≤") {
		t.Error(row)
	}
}

func TestTurnsAlternate(t *testing.T) {
	var order strings.Builder
	side := func(name string) func(int) error {
		return func(int) error { order.WriteString(name); return nil }
	}
	b := &bench{rounds: 3}
	if err := b.turns(t.Context(), side("A"), side("B"), side("C")); err != nil || order.String() != "ABCCBAABC" {
		t.Errorf("%s, %v", order.String(), err)
	}
	broken := errors.New("broken")
	if err := b.turns(t.Context(), func(int) error { return broken }); err != broken {
		t.Errorf("%v", err)
	}
}

func TestRatioOfFloods(t *testing.T) {
	sent := func(n ...uint64) (all []flood) {
		for _, v := range n {
			all = append(all, flood{Sent: v, Elapsed: time.Second})
		}
		return all
	}
	f := &floods{samples: map[string][]flood{"ours": sent(40, 60), "a": sent(10, 10), "b": sent(20, 20)}}
	if s, best := f.ratio("ours", "a", "b", "none"); best != "b" || s.low != 2 || s.high != 3 {
		t.Errorf("%v to %s", s, best)
	}
	if s, _ := f.ratio("none", "a"); !math.IsNaN(s.median) {
		t.Errorf("of nothing: %v", s)
	}
}
