package load

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Going round the clients, round by round, meets the messages of an open loop in
// the order of their times, and their number at any time is the integral of the rate.
func TestOpenScheduleFollowsTheRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := schedule{
			began:   time.Duration(rapid.Int64Range(0, 1e9).Draw(t, "began")),
			clients: rapid.Uint64Range(1, 50).Draw(t, "clients"),
			rate:    rapid.Float64Range(0.01, 1e7).Draw(t, "rate"),
			ramp:    time.Duration(rapid.Int64Range(0, 60e9).Draw(t, "ramp")),
		}
		last := s.began
		for n := range uint64(500) {
			at, ok := s.due(n%s.clients, n/s.clients+1)
			if !ok || at < last {
				t.Fatalf("message %d is due at %v (%v), the one before at %v", n, at, ok, last)
			}
			last = at
			seconds, ramp := (at - s.began).Seconds(), s.ramp.Seconds()
			want := s.rate * (seconds - ramp/2)
			if seconds < ramp {
				want = s.rate * seconds * seconds / (2 * ramp)
			}
			if slack := 1e-6*want + s.rate*2e-9 + 1e-6*float64(n) + 1e-3; math.Abs(want-float64(n)) > slack {
				t.Fatalf("at %v, %v messages were to be sent, not %d", at, want, n)
			}
		}
	})
}

func TestScheduleEnds(t *testing.T) {
	open := schedule{began: time.Second, end: 2 * time.Second, messages: 5, clients: 2, rate: 4}
	for k, want := range []bool{1: true, 2: true, 3: false, 4: false} {
		if k == 0 {
			continue
		}
		if at, ok := open.due(1, uint64(k)); ok != want {
			t.Errorf("message %d at %v: %v, want %v", k, at, ok, want)
		}
	}
	open.end = 0
	if _, ok := open.due(0, 5); !ok {
		t.Error("message 5 of 5 is not due")
	}
	if _, ok := open.due(0, 6); ok {
		t.Error("message 6 of 5 is due")
	}
	if far := (&schedule{clients: 1, rate: 0.001}); far.offset(MaxMessages) < 100*365*24*time.Hour {
		t.Error("a time overflowed")
	}
	if open.cutoff() != never {
		t.Error("what ends with its messages has a cutoff")
	}
}

// What is scheduled is what one gets by dealing it out.
func TestScheduledCountsWhatIsDue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := schedule{
			began:    time.Duration(rapid.Int64Range(1, 1e9).Draw(t, "began")),
			messages: rapid.Uint64Range(0, 300).Draw(t, "messages"),
			clients:  rapid.Uint64Range(1, 50).Draw(t, "clients"),
			rate:     rapid.Float64Range(0.01, 1e6).Draw(t, "rate"),
			ramp:     time.Duration(rapid.Int64Range(0, 1e9).Draw(t, "ramp")),
		}
		s.end = s.began + time.Duration(rapid.Float64Range(0, 1000).Draw(t, "number")/s.rate*1e9)
		client := rapid.Uint64Range(0, s.clients-1).Draw(t, "client")
		want := uint64(0)
		for _, ok := s.due(client, 1); ok; _, ok = s.due(client, want+1) {
			want++
		}
		if got := s.scheduled(client); got != want {
			t.Fatalf("%d are scheduled, %d due", got, want)
		}
	})
}

func TestClosedScheduleStartsClientsInTheRamp(t *testing.T) {
	s := schedule{began: time.Second, clients: 4, ramp: time.Second, messages: 2}
	for client := range uint64(4) {
		at, ok := s.due(client, 1)
		if want := time.Second + time.Duration(client)*time.Second/4; !ok || at != want {
			t.Errorf("client %d begins at %v, want %v", client, at, want)
		}
		if _, ok := s.due(client, 2); ok {
			t.Error("a second message has a time of its own")
		}
	}
	if !s.more(1, time.Hour) || s.more(2, time.Hour) {
		t.Error("not two messages")
	}
}
