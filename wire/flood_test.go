package wire

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"wirelab/internal/sys/frame"
)

// Frames are due by the clock of the start, as many at once as are late.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pace{start: time.Now(), rate: 1000}
		time.Sleep(10 * time.Millisecond)
		for _, step := range []struct {
			sent       uint64
			most, want int
		}{{0, 100, 11}, {0, 7, 7}, {10, 100, 1}, {11, 100, 0}} {
			if got := p.ready(step.sent, step.most); got != step.want {
				t.Errorf("%d of %d are ready after %d, want %d", got, step.most, step.sent, step.want)
			}
		}
		if want := (Lateness{Count: 3, Sum: 20 * time.Millisecond, Max: 10 * time.Millisecond}); p.late != want {
			t.Errorf("late %+v, want %+v", p.late, want)
		}
		if got := p.late.Mean(); got != 20*time.Millisecond/3 {
			t.Errorf("late %v on average", got)
		}
	})
	if got := (&pace{}).ready(5, 512); got != 512 {
		t.Errorf("as fast as it goes, %d of 512 are ready", got)
	}
	if got := (Lateness{}).Mean(); got != 0 {
		t.Errorf("no frames are late by %v", got)
	}
}

// Each worker takes on as much as the others at last.
func TestShare(t *testing.T) {
	for _, one := range []struct {
		count         uint64
		workers, most int
		want          int
	}{{0, 2, 512, 512}, {100, 1, 512, 512}, {100, 2, 512, 50}, {101, 2, 512, 51}, {1024, 2, 512, 512}, {1025, 2, 512, 257}, {2_500_000, 2, 1 << 20, 625_000}, {1 << 50, 2, 1 << 20, 1 << 20}} {
		if got := share(one.count, one.workers, one.most); got != one.want {
			t.Errorf("%d frames by %d: %d, want %d", one.count, one.workers, got, one.want)
		}
	}
}

// Frames that were paced are one more than the intervals between them.
func TestRateOfFlood(t *testing.T) {
	start := time.Now()
	for name, one := range map[string]struct {
		rate     float64
		accepted uint64
		elapsed  time.Duration
		want     float64
	}{
		"paced":      {10, 11, 2 * time.Second, 10},
		"unpaced":    {0, 11, 2 * time.Second, 5.5},
		"one":        {10, 1, 2 * time.Second, 0.5},
		"in no time": {0, 11, 0, 0},
	} {
		r := floodRun{flood: &Flood{Rate: one.rate}, delivery: &Delivery{Accepted: one.accepted, Elapsed: one.elapsed}, pace: pace{start: start}}
		if got := r.rate(start.Add(time.Second)); got != one.want {
			t.Errorf("%s: %v/s, want %v", name, got, one.want)
		}
	}
}

// Fewer frames than the kernel took are lost; more are frames of others.
func TestDeliveryCheck(t *testing.T) {
	for name, one := range map[string]struct {
		delivery Delivery
		where    string
		counted  uint64
	}{
		"all":             {Delivery{Accepted: 5, Interface: 5, Peer: &Peer{Name: "vb"}, Received: 5}, "", 0},
		"others too":      {Delivery{Accepted: 5, Interface: 6, Peer: &Peer{Name: "vb"}, Received: 7}, "", 0},
		"nobody's peer":   {Delivery{Accepted: 5, Interface: 5}, "", 0},
		"not sent":        {Delivery{Accepted: 5, Interface: 4, Peer: &Peer{Name: "vb"}, Received: 3}, "va (sent)", 4},
		"sent and gone":   {Delivery{Accepted: 5, Interface: 5, Peer: &Peer{Name: "vb"}, Received: 4}, "vb (received)", 4},
		"asked for 9":     {Delivery{Asked: 9, Accepted: 5, Interface: 5}, "", 0},
		"nothing at all":  {Delivery{}, "", 0},
		"a device asleep": {Delivery{Accepted: 1}, "va (sent)", 0},
	} {
		err := one.delivery.Check("va")
		var lost *CountError
		switch {
		case one.where == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case one.where != "" && (!errors.As(err, &lost) || *lost != CountError{one.where, one.delivery.Accepted, one.counted}):
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A batch is filled with the frames of its numbers, and only once if all are the same.
func TestBatch(t *testing.T) {
	for _, varies := range []bool{true, false} {
		recorder := &recorder{}
		filled := 0
		b := newBatch(recorder, frame.Series{Size: 60, Varies: varies, Fill: func(memory []byte, stride int, n uint64, count int) {
			for i := range count {
				memory[i*stride] = byte(n) + byte(i)
				filled++
			}
		}}, 4)
		if n, err := b.Send(7, 9); n != 4 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		if n, err := b.Send(11, 2); n != 2 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		want, wantFilled := "\x07\x08\x09\x0a\x0b\x0c", 6
		if !varies {
			want, wantFilled = "\x07\x07\x07\x07\x0b\x0b", 2
		}
		if string(recorder.first) != want || filled != wantFilled {
			t.Errorf("varies %t: sent %x, filled %d", varies, recorder.first, filled)
		}
	}
}

// recorder takes the first byte of each frame.
type recorder struct{ first []byte }

func (r *recorder) Send(frames [][]byte) (int, error) {
	for _, f := range frames {
		r.first = append(r.first, f[0])
	}
	return len(frames), nil
}

func (r *recorder) Close() error { return nil }
