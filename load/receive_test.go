package load

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"wirelab/clock"
	"wirelab/load/latency"
)

// once returns d alone: an honest answer.
func once(d []byte) [][]byte { return [][]byte{d} }

func TestRunDatagrams(t *testing.T) {
	for _, spec := range []string{"text:hello", "random:1", "seq", "time", "stamp"} {
		// One after the other: large ones together overflow the server's buffer.
		for _, size := range []int{0, 1400, MaxDatagram} {
			t.Run(spec, func(t *testing.T) {
				addr := serveDatagrams(t, func(_ int, d []byte) [][]byte { return once(d) })
				r := mustRun(t, Config{Network: "udp", Target: addr, Clients: 1, Messages: 40, Payload: mustParse(t, spec, size)})
				if err := r.Verify(); err != nil || r.Verified() != 40 || r.Lost != 0 {
					t.Errorf("%v: %+v", err, r)
				}
			})
		}
	}
}

func TestRunDatagramFaults(t *testing.T) {
	const timeout = 60 * time.Millisecond
	var held []byte
	tests := []struct {
		name   string
		answer func(n int, d []byte) [][]byte
		want   Report // the counts that matter
		fails  bool
	}{
		{
			name:   "lost",
			answer: func(n int, d []byte) [][]byte { return slices.Repeat([][]byte{d}, min(n%2, 1)) },
			want:   Report{Sent: 6, Received: 3, Lost: 3},
		},
		{
			name:   "never answered",
			answer: func(int, []byte) [][]byte { return nil },
			want:   Report{Sent: 6, Lost: 6},
			fails:  true,
		},
		{
			name:   "answered twice",
			answer: func(_ int, d []byte) [][]byte { return [][]byte{d, d} },
			want:   Report{Sent: 6, Received: 6, Duplicate: 6},
		},
		{
			name: "answered after the timeout, with the next",
			answer: func(n int, d []byte) [][]byte {
				if n%2 == 0 {
					held = bytes.Clone(d)
					return nil
				}
				return [][]byte{held, d}
			},
			want: Report{Sent: 6, Received: 6, Late: 3},
		},
		{
			name: "answered late, twice",
			answer: func(n int, d []byte) [][]byte {
				if n%2 == 0 {
					held = bytes.Clone(d)
					return nil
				}
				return [][]byte{held, held, d}
			},
			want: Report{Sent: 6, Received: 6, Late: 3, Duplicate: 3},
		},
		{
			name: "a byte differs",
			answer: func(n int, d []byte) [][]byte {
				d[30] ^= byte(n & 1)
				return once(d)
			},
			want:  Report{Sent: 6, Received: 6, Mismatched: 3},
			fails: true,
		},
		{
			name:   "cut",
			answer: func(_ int, d []byte) [][]byte { return once(d[:len(d)-1]) },
			want:   Report{Sent: 6, Received: 6, Mismatched: 6},
			fails:  true,
		},
		{
			name:   "too long",
			answer: func(_ int, d []byte) [][]byte { return once(append(d, 0)) },
			want:   Report{Sent: 6, Received: 6, Mismatched: 6},
			fails:  true,
		},
		{
			name:   "empty",
			answer: func(_ int, d []byte) [][]byte { return once(d[:0]) },
			want:   Report{Sent: 6, Received: 6, Mismatched: 6},
			fails:  true,
		},
	}
	for _, test := range tests {
		for _, spec := range []string{"seq", "random:1"} {
			t.Run(test.name+" "+spec, func(t *testing.T) {
				r := mustRun(t, Config{Network: "udp", Target: serveDatagrams(t, test.answer), Clients: 1, Messages: 6, Timeout: timeout, Payload: mustParse(t, spec, 64)})
				got := Report{Sent: r.Sent, Received: r.Received, Lost: r.Lost, Late: r.Late, Duplicate: r.Duplicate, Mismatched: r.Mismatched}
				// The repetition of the last answer may come when nobody listens any more.
				if missed := test.want.Duplicate - got.Duplicate; missed <= 1 {
					got.Duplicate = test.want.Duplicate
				}
				if !equalCounts(&got, &test.want) || (r.Verify() != nil) != test.fails {
					t.Errorf("%v\ngot  %+v\nwant %+v", r.Verify(), got, test.want)
				}
			})
		}
	}
}

func equalCounts(a, b *Report) bool {
	return a.Sent == b.Sent && a.Received == b.Received && a.Lost == b.Lost && a.Late == b.Late &&
		a.Duplicate == b.Duplicate && a.Mismatched == b.Mismatched
}

func TestRunDatagramsRefused(t *testing.T) {
	r := mustRun(t, Config{Network: "udp", Target: closedPort(t, "udp"), Clients: 2, Messages: 5})
	if r.Sent != 10 || r.Lost != 10 || r.Verify() == nil {
		t.Errorf("%v: %+v", r.Verify(), r)
	}
	wantErrors(t, r, map[string]uint64{"connection refused": 10})
}

// Clients that nobody listens to have their turns with each other, and end when the
// run is stopped.
func TestRunRefusedForLong(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	cfg, err := (Config{
		Network: "udp", Target: closedPort(t, "udp"), Clients: 3, Loops: 1, Payload: mustParse(t, "seq", 64),
		Duration: 20 * time.Second, // bounds the test should it fail
		Progress: func(p Progress) {
			if p.Sent > 0 {
				stop()
			}
		},
	}).withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	r := newRun(cfg)
	defer r.close()
	if err := errors.Join(r.open(), r.wait(ctx)); err != nil {
		t.Fatal(err)
	}
	l := r.loops[0]
	if !l.cut || l.clock-r.began >= cfg.Duration {
		t.Errorf("not stopped until %v", l.clock-r.began)
	}
	for i := range l.clients {
		if n := l.clients[i].begun(); n < 2 {
			t.Errorf("client %d sent %d messages", i, n)
		}
	}
}

// reflector answers STAMP packets with a clock that is ahead.
func reflector(t *testing.T, ahead time.Duration) func(int, []byte) [][]byte {
	return func(_ int, d []byte) [][]byte {
		now := time.Now().Add(ahead)
		answer, err := clock.AppendReflection(nil, d, clock.Reflection{Received: now, Sent: now, TTL: 64})
		if err != nil {
			t.Error(err)
		}
		return once(answer)
	}
}

func TestRunMeasuresOffsets(t *testing.T) {
	for _, ahead := range []time.Duration{-time.Hour, 0, 250 * time.Millisecond} {
		addr := serveDatagrams(t, reflector(t, ahead))
		r := mustRun(t, Config{Network: "udp", Target: addr, Clients: 3, Messages: 50, Payload: mustParse(t, "stamp", 0)})
		if err := r.Verify(); err != nil || r.OffsetUS == nil {
			t.Fatalf("%v: %+v", err, r)
		}
		o, want := r.OffsetUS, clock.Microseconds(ahead)
		// The stamps are read within a few nanoseconds, which their format rounds to.
		if o.Bound <= 0 || o.Best < want-o.Bound-1 || o.Best > want+o.Bound+1 {
			t.Errorf("offset %v, not within %v of %v", o.Best, o.Bound, want)
		}
		for _, q := range []*latency.Quantiles{&o.Quantiles, r.ForwardUS, r.BackwardUS} {
			if !(q.Min <= q.P50 && q.P50 <= q.P90 && q.P90 <= q.P99 && q.P99 <= q.P999 && q.P999 <= q.Max && q.Min <= q.Mean && q.Mean <= q.Max) {
				t.Errorf("out of order: %+v", q)
			}
		}
		if r.ForwardUS.Min < want || r.BackwardUS.Min < -want || r.StampSource != "user" {
			t.Errorf("forward %+v, backward %+v", r.ForwardUS, r.BackwardUS)
		}
	}
}

func TestRunEchoHasNoOffset(t *testing.T) {
	addr := serveDatagrams(t, func(_ int, d []byte) [][]byte { return once(d) })
	r := mustRun(t, Config{Network: "udp", Target: addr, Clients: 1, Messages: 5, Payload: mustParse(t, "stamp", 0)})
	if r.OffsetUS != nil || r.StampSource != "" || r.Verify() != nil {
		t.Errorf("%v: %+v", r.Verify(), r)
	}
}

// A reflection of an earlier packet is late, not wrong.
func TestRunRecognisesLateReflections(t *testing.T) {
	var held [][]byte
	reflect := reflector(t, 0)
	addr := serveDatagrams(t, func(n int, d []byte) [][]byte {
		answer := reflect(n, d)
		if n == 1 {
			held = answer
			return nil
		}
		answer = append(held, answer...)
		held = nil
		return answer
	})
	r := mustRun(t, Config{Network: "udp", Target: addr, Clients: 1, Messages: 4, Timeout: 300 * time.Millisecond, Payload: mustParse(t, "stamp", 0)})
	if r.Received != 4 || r.Late != 1 || r.Mismatched != 0 {
		t.Errorf("%+v", r)
	}
}

func TestRunTimeAnsweredByALine(t *testing.T) {
	addr := serveDatagrams(t, func(_ int, d []byte) [][]byte { return once([]byte("04.123456 +12 #1\n")) })
	r := mustRun(t, Config{Network: "udp", Target: addr, Clients: 2, Messages: 5, Payload: mustParse(t, "time", 0)})
	if err := r.Verify(); err != nil || r.Verified() != 10 {
		t.Errorf("%v: %+v", err, r)
	}
	addr = serveDatagrams(t, func(_ int, d []byte) [][]byte { return once([]byte("what?\n")) })
	r = mustRun(t, Config{Network: "udp", Target: addr, Clients: 2, Messages: 5, Payload: mustParse(t, "time", 0)})
	if r.Mismatched != 10 || !strings.Contains(r.FirstMismatch.Reason, "time difference") {
		t.Errorf("%+v", r)
	}
}
