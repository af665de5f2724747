package impair_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"wirelab/lab/impair"
)

var begun = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func Example() {
	link := impair.New(impair.Config{Delay: 20 * time.Millisecond}, 1)
	link.Push(begun, []byte("hello"))
	at, _ := link.Next()
	_, early := link.Pop(begun)
	packet, _ := link.Pop(at)
	fmt.Println(at.Sub(begun), early, string(packet))
	// Output: 20ms false hello
}

// drain pops all that ever leaves, with the times.
func drain(l *impair.Link) (packets [][]byte, at []time.Time) {
	for {
		next, ok := l.Next()
		if !ok {
			return packets, at
		}
		p, _ := l.Pop(next)
		packets, at = append(packets, p), append(at, next)
	}
}

func TestSharesAreKept(t *testing.T) {
	const n = 20_000
	l := impair.New(impair.Config{Loss: 0.1, Double: 0.05, Reorder: 0.2, Corrupt: 0.3, Delay: time.Millisecond}, 7)
	for i := range n {
		l.Push(begun.Add(time.Duration(i)*time.Microsecond), []byte("0123456789"))
	}
	packets, _ := drain(l)
	c := l.Counts()
	near := func(name string, got uint64, of float64, share float64) {
		if math.Abs(float64(got)/of-share) > 0.02 {
			t.Errorf("%s: %d of %.0f", name, got, of)
		}
	}
	near("lost", c.Lost, n, 0.1)
	near("doubled", c.Doubled, float64(n-c.Lost), 0.05)
	near("corrupted", c.Corrupted, float64(n-c.Lost), 0.3)
	near("reordered", c.Reordered, float64(n-c.Lost+c.Doubled), 0.2)
	if uint64(len(packets)) != n-c.Lost+c.Doubled || c.Popped != uint64(len(packets)) || c.Pushed != n {
		t.Errorf("%d left: %+v", len(packets), c)
	}
}

// Without chance everything arrives, as it was, in its order, not before its delay.
func TestOrderIsKept(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := impair.Config{
			Delay:  time.Duration(rapid.IntRange(0, 50).Draw(t, "delay")) * time.Millisecond,
			Jitter: time.Duration(rapid.IntRange(0, 50).Draw(t, "jitter")) * time.Millisecond,
			Rate:   float64(rapid.SampledFrom([]int{0, 1e6, 1e9}).Draw(t, "rate")),
		}
		l := impair.New(cfg, rapid.Uint64().Draw(t, "seed"))
		now := begun
		var pushed [][]byte
		for i := range rapid.IntRange(1, 50).Draw(t, "packets") {
			now = now.Add(time.Duration(rapid.IntRange(0, 5000).Draw(t, "pause")) * time.Microsecond)
			p := []byte(fmt.Sprint("packet ", i))
			pushed = append(pushed, p)
			l.Push(now, p)
		}
		packets, at := drain(l)
		if len(packets) != len(pushed) {
			t.Fatalf("%d of %d left", len(packets), len(pushed))
		}
		for i, p := range packets {
			if !bytes.Equal(p, pushed[i]) || i > 0 && at[i].Before(at[i-1]) || cfg.Jitter == 0 && at[i].Before(begun.Add(cfg.Delay)) {
				t.Fatalf("packet %d is %s at %v", i, p, at[i].Sub(begun))
			}
		}
	})
}

func TestRateAndQueue(t *testing.T) {
	l := impair.New(impair.Config{Rate: 8000, Queue: 3000}, 1) // 1000 bytes a second
	for range 10 {
		l.Push(begun, make([]byte, 1000))
	}
	packets, at := drain(l)
	if c := l.Counts(); len(packets) != 3 || c.Overflowed != 7 || at[2].Sub(begun) != 3*time.Second {
		t.Errorf("%d left, the last after %v: %+v", len(packets), at[len(at)-1].Sub(begun), c)
	}
}

func TestSameSeedSameFate(t *testing.T) {
	fate := func() (impair.Counts, []time.Time) {
		l := impair.New(impair.Config{Loss: 0.5, Jitter: time.Second, Corrupt: 0.5}, 42)
		for range 100 {
			l.Push(begun, []byte("x"))
		}
		_, at := drain(l)
		return l.Counts(), at
	}
	a, atA := fate()
	b, atB := fate()
	if a != b || fmt.Sprint(atA) != fmt.Sprint(atB) {
		t.Errorf("%+v, %+v", a, b)
	}
}

func TestCheck(t *testing.T) {
	for _, cfg := range []impair.Config{{Loss: 1.5}, {Double: -1}, {Reorder: 0.1}, {Corrupt: math.NaN()}, {Delay: -1}, {Rate: math.NaN()}, {Queue: -1}} {
		if err := cfg.Check(); !errors.Is(err, impair.ErrConfig) {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
	if err := (&impair.Config{Loss: 1, Delay: time.Hour}).Check(); err != nil {
		t.Error(err)
	}
}
