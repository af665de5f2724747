package ntp

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"wirelab/clock"
)

func TestFactsSynchronized(t *testing.T) {
	for _, tc := range []struct {
		leap    Leap
		stratum uint8
		want    bool
		text    string
	}{
		{0, 0, false, "LOCL"}, {0, 1, true, "LOCL"}, {0, 2, true, "76.79.67.76"}, {0, 15, true, "76.79.67.76"},
		{0, 16, false, "LOCL"}, {0, 17, false, "LOCL"}, {Unsynchronized, 1, false, "LOCL"}, {Unsynchronized, 2, false, "76.79.67.76"},
	} {
		p := Packet{Leap: tc.leap, Stratum: tc.stratum, ReferenceID: [4]byte{'L', 'O', 'C', 'L'}}
		f := factsOf(&p, time.Now())
		if f.Synchronized() != tc.want || p.Synchronized() != tc.want || f.Reference != tc.text {
			t.Errorf("leap %d, stratum %d: %t, %t, %s", tc.leap, tc.stratum, f.Synchronized(), p.Synchronized(), f.Reference)
		}
		if tc.stratum == 0 && f.Stratum != 16 {
			t.Errorf("stratum 0 is shown as %d", f.Stratum)
		}
	}
}

// An interleaved answer completes the exchange before it, if its transmit timestamp can be of
// that: at or after the receive timestamp, and before the answer came.
func TestInterleavedAnswersMustFit(t *testing.T) {
	began := time.Date(2036, 2, 7, 6, 28, 15, 0, time.UTC) // a second before the roll-over
	at := func(d time.Duration) clock.Stamp { return clock.Stamp{Time: began.Add(d), Source: clock.Kernel} }
	received := TimestampOf(began.Add(5 * time.Millisecond))
	for held, fits := range map[time.Duration]bool{
		time.Millisecond: true, 0: true, 10 * time.Millisecond: true, 11 * time.Millisecond: false, -time.Millisecond: false, 64 * time.Second: false,
	} {
		a := association{version: 4, interleaved: true, last: halfExchange{at(0), at(10 * time.Millisecond), received}}
		answer := Packet{Precision: -20, Receive: TimestampOf(began.Add(time.Second)), Transmit: TimestampOf(near(received, began).Add(held))}
		e, err := a.complete(&answer, true, at(time.Second), at(time.Second+time.Millisecond))
		if fits != (err == nil) || err != nil && !errors.Is(err, ErrOtherAnswer) {
			t.Errorf("held for %v: %v", held, err)
		}
		if fits && (e.T1 != at(0) || (e.Held()-held).Abs() > time.Nanosecond || (e.Delay()-(10*time.Millisecond-held)).Abs() > time.Nanosecond) {
			t.Errorf("held for %v: %+v", held, e)
		}
		if a.last.received != answer.Receive || a.asked != (Packet{}) {
			t.Errorf("%+v is left", a)
		}
	}
}

func near(t Timestamp, pivot time.Time) time.Time {
	at, _ := t.Time(pivot)
	return at
}

// A burst takes the exchange of least delay.
func TestBurstTakesTheLeastDelay(t *testing.T) {
	server := serveFake(t, func(p Packet, n int) [][]byte {
		answer := honest(p, time.Duration(n)*time.Hour)
		if n == 2 {
			answer.Transmit = TimestampOf(near(answer.Receive, time.Now()).Add(time.Second))
		}
		return [][]byte{answer.Append(nil)}
	})
	answer, err := dialFake(t, server, func(c *Config) { c.Basic = true }).Burst(context.Background(), 4)
	if err != nil || answer.Exchange.Offset().Round(time.Hour) != 2*time.Hour {
		t.Errorf("%v ahead, %v", answer.Exchange.Offset(), err)
	}
}

// In the interleaved mode a burst sends one request more, and takes no exchange of the burst
// before. A request alone, and where requests must be apart, is only one.
func TestBurstInTheInterleavedMode(t *testing.T) {
	var asked atomic.Int32
	var before Timestamp
	server := serveFake(t, func(p Packet, _ int) [][]byte {
		asked.Add(1)
		answer := honest(p, 0)
		if before != 0 && p.Origin == before {
			answer.Origin, answer.Transmit = p.Receive, before
		}
		before = answer.Receive
		return [][]byte{answer.Append(nil)}
	})
	c := dialFake(t, server)
	for n, tc := range []struct {
		count   int
		spacing time.Duration
		want    int32
	}{{4, 0, 5}, {4, 0, 5}, {1, 0, 1}, {4, time.Nanosecond, 1}} {
		c.spacing = tc.spacing
		began := time.Now().Round(0)
		asked.Store(0)
		answer, err := c.Burst(context.Background(), tc.count)
		if err != nil || !answer.Interleaved || asked.Load() != tc.want {
			t.Errorf("burst %d: %d requests, interleaved %t, %v", n, asked.Load(), answer.Interleaved, err)
		}
		if tc.want > 1 && answer.Exchange.T1.Time.Before(began) {
			t.Errorf("burst %d takes an exchange of before", n)
		}
	}
}
