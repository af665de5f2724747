package load

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A window is the set of the messages that were pushed and not settled.
func TestWindowIsASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := window{first: 1, next: 1}
		model := map[uint64]slot{}
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				s := slot{sent: time.Duration(rapid.Int64Range(0, 1e12).Draw(t, "sent")), wall: int64(w.next)}
				model[w.next] = s
				w.push(s)
				if *w.latest() != s {
					t.Fatalf("the latest is %+v, not %+v", *w.latest(), s)
				}
			},
			"settle": func(t *rapid.T) {
				var open []uint64
				for n := w.first; n < w.next; n++ {
					if _, ok := model[n]; ok {
						open = append(open, n)
					}
				}
				if len(open) == 0 {
					t.Skip("empty")
				}
				n := rapid.SampledFrom(open).Draw(t, "number")
				if got := w.settle(n); got != model[n] {
					t.Fatalf("message %d is %+v, not %+v", n, got, model[n])
				}
				delete(model, n)
			},
			"": func(t *rapid.T) {
				if w.open != len(model) || w.empty() != (len(model) == 0) || w.span() < w.open || len(w.slots) > 2*w.next0() {
					t.Fatalf("%d open of %d in %d slots, want %d", w.open, w.span(), len(w.slots), len(model))
				}
				for n := range w.next + 3 {
					if _, ok := model[n]; w.has(n) != ok {
						t.Fatalf("has %d: %v, want %v", n, w.has(n), ok)
					}
				}
				if !w.empty() && !w.has(w.first) {
					t.Fatalf("the oldest, %d, is not outstanding", w.first)
				}
			},
		})
	})
}

// next0 bounds what a window may have grown to: twice the messages there were.
func (w *window) next0() int { return max(int(w.next), 1) }

func TestAnswerLogRemembersTheLatest(t *testing.T) {
	a := newAnswerLog(100)
	if a.length() != 128 {
		t.Fatalf("length %d", a.length())
	}
	for n := uint64(1); n <= 1000; n++ {
		a.clear(n)
		if n%3 == 0 {
			a.mark(n)
		}
		for k := n; k > 0 && n-k < a.length(); k-- {
			if a.has(k) != (k%3 == 0) {
				t.Fatalf("after %d messages: %d answered: %v", n, k, a.has(k))
			}
		}
	}
}
