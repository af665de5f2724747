package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
)

// The tail of latencies is measured with an open loop, at one rate for all peers:
// half of what the fastest of the others reaches in a closed loop. The first second has
// a figure of its own: it begins as soon as 1000 connections have come at once, which
// leave a server much to do.
const (
	tailConnections = 1000
	tailFirst       = time.Second
	tailTime        = 3 * time.Second
)

// tailPeers returns whose tails are measured: ours, and those they are set against.
func tailPeers() (ours, others []string) {
	return []string{"wirelab uring" + oneLoop, "wirelab epoll" + oneLoop, "wirelab uring", "wirelab epoll", "wirelab goroutine"},
		[]string{gnetOne, gnetAll, "C epoll", "C io_uring", "Go net loop"}
}

// rateResult is what the open loop's generator says of a run.
type rateResult struct {
	Requests   int   `json:"requests"`
	Mismatched int   `json:"mismatched"`
	Late       int   `json:"late"`
	ElapsedNS  int64 `json:"elapsed_ns"`
	P50NS      int64 `json:"p50_ns"`
	P99NS      int64 `json:"p99_ns"`
}

// A tail is a sample of the latencies of one server.
type tail struct {
	first, then rateResult // of tailFirst, and of tailTime after that
}

func (t tail) p50() float64      { return t.then.p50() }
func (t tail) p99() float64      { return t.then.p99() }
func (t tail) firstP99() float64 { return t.first.p99() }

// late returns the share of messages that the generator sent late, in percent.
func (t tail) late() float64 { return 100 * float64(t.then.Late) / float64(t.then.Requests) }

func (r rateResult) p50() float64 { return float64(r.P50NS) / 1e3 }
func (r rateResult) p99() float64 { return float64(r.P99NS) / 1e3 }

// tails are what was measured, by peer.
type tails struct {
	rate    int // messages a second
	rated   string
	samples map[string][]tail
	missing map[string]error
}

// measureTails measures the tails of all peers that run here, in turn.
func (b *bench) measureTails(ctx context.Context) (*tails, error) {
	ours, others := tailPeers()
	t := &tails{samples: make(map[string][]tail), missing: make(map[string]error)}
	for _, name := range others {
		reached, err := b.saturate(ctx, name)
		if err != nil {
			t.missing[name] = err
		} else if int(reached/2) > t.rate {
			t.rate, t.rated = int(reached/2), name
		}
	}
	if t.rate == 0 {
		return t, errors.Join(errors.New("none of the peers was measured"), ctx.Err())
	}
	var sides []func(int) error
	for _, name := range append(ours, others...) {
		sides = append(sides, func(round int) error { return b.sampleTail(ctx, t, name, round) })
	}
	return t, b.turns(ctx, sides...)
}

// saturate returns the requests a second that a peer reaches in a closed loop.
func (b *bench) saturate(ctx context.Context, name string) (float64, error) {
	p, err := findPeer(name)
	if err != nil {
		return 0, err
	}
	s, err := measure(ctx, p, b.built, load{tailConnections, max(b.requests/2/tailConnections, 1), messageSize, false})
	if err != nil {
		return 0, err
	}
	fmt.Fprintf(b.progress, "%s saturates at %.0f requests/s\n", name, s.requestsPerSecond())
	return s.requestsPerSecond(), nil
}

// sampleTail adds a sample of a peer. A peer that fails is not tried again.
func (b *bench) sampleTail(ctx context.Context, t *tails, name string, round int) error {
	if t.missing[name] != nil {
		return nil
	}
	sample, err := b.tail(ctx, name, t.rate)
	if err != nil {
		t.missing[name] = err
		delete(t.samples, name)
		return ctx.Err()
	}
	t.samples[name] = append(t.samples[name], sample)
	fmt.Fprintf(b.progress, "round %d of %d, %d requests/s, %s: p99 %.0f us, %.0f in the first second\n",
		round, b.rounds, t.rate, name, sample.p99(), sample.firstP99())
	return nil
}

func (b *bench) tail(ctx context.Context, name string, rate int) (t tail, err error) {
	p, err := findPeer(name)
	if err != nil {
		return t, err
	}
	srv, err := startServer(ctx, p, b.built)
	if err != nil {
		return t, err
	}
	defer srv.stop()
	g, err := startGenerator(ctx, b.built[openLoop], srv.addr, tailConnections, rate, int(tailTime.Milliseconds()), messageSize)
	if err != nil {
		return t, err
	}
	if t.first, err = g.runFor(tailFirst, rate); err == nil {
		t.then, err = g.runFor(tailTime, rate)
	}
	return t, errors.Join(err, g.close())
}

// runFor has the generator of an open loop run for that long, at the rate that it was
// started with.
func (g *generator) runFor(d time.Duration, rate int) (r rateResult, err error) {
	milliseconds := d.Milliseconds()
	if err := g.run(strconv.FormatInt(milliseconds, 10), &r); err != nil {
		return r, err
	}
	return r, loadResult{Requests: r.Requests, Mismatched: r.Mismatched}.check(rate * int(milliseconds) / 1000)
}

// best returns which of the other peers has the lowest latency of that kind.
func (t *tails) best(latency func(tail) float64) string {
	_, others := tailPeers()
	best, least := "", math.Inf(1)
	for _, name := range others {
		if s := spreads(t.samples[name], latency); s.median < least {
			best, least = name, s.median
		}
	}
	return best
}

// ratio returns the ratio of a server's latency to that of the best of the other
// peers in the same round; NaN where there is none.
func (t *tails) ratio(name string, latency func(tail) float64) spread {
	best := t.best(latency)
	if best == "" {
		return spreadOf(nil)
	}
	return ratios(t.samples[name], latency, t.samples[best], latency)
}
