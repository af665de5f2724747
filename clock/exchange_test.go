package clock

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func stampAt(t time.Time) Stamp { return Stamp{Time: t, Source: Kernel} }

func ExampleExchange() {
	sent := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	other := sent.Add(10 * time.Millisecond) // the other clock is 10 ms ahead
	e := Exchange{
		T1: stampAt(sent),
		T2: stampAt(other.Add(100 * time.Microsecond)),
		T3: stampAt(other.Add(150 * time.Microsecond)),
		T4: stampAt(sent.Add(250 * time.Microsecond)),
	}
	fmt.Println("offset", e.Offset(), "±", e.Bound(), "delay", e.Delay(), "held", e.Held())
	// Output: offset 10ms ± 100µs delay 200µs held 50µs
}

// The bound holds however the delay is shared between the two ways.
func TestExchangeBoundHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string, limit int64) time.Duration {
			return time.Duration(rapid.Int64Range(0, limit).Draw(t, name))
		}
		offset := draw("offset", 1<<61) - 1<<60
		forward, held, backward := draw("forward", 1<<40), draw("held", 1<<40), draw("backward", 1<<40)
		sent := time.Unix(1795341784, 5)
		e := Exchange{
			T1: stampAt(sent), T2: stampAt(sent.Add(forward + offset)),
			T3: stampAt(sent.Add(forward + held + offset)), T4: stampAt(sent.Add(forward + held + backward)),
		}
		if wrong := (e.Offset() - offset).Abs(); wrong > e.Bound() || e.Delay() != forward+backward || e.Held() != held {
			t.Fatalf("offset %v off by %v, bound %v, delay %v, held %v", e.Offset(), wrong, e.Bound(), e.Delay(), e.Held())
		}
	})
}

func TestExchangeNamesItsSources(t *testing.T) {
	e := Exchange{T1: Stamp{Source: User}, T4: Stamp{Source: Kernel}}
	if !e.Mixed() || e.Source() != User {
		t.Errorf("mixed %t, source %v", e.Mixed(), e.Source())
	}
	e.T1.Source = Hardware
	if !e.Mixed() || e.Source() != Kernel {
		t.Errorf("mixed %t, source %v", e.Mixed(), e.Source())
	}
}

// Stamps are of the wall clock, whatever else a time.Time carries.
func TestStampsAreOfTheWallClock(t *testing.T) {
	now := time.Now()
	later := Stamp{Time: now.Round(0).Add(time.Second)}
	if d := later.Sub(Stamp{Time: now}); d != time.Second {
		t.Errorf("%v", d)
	}
}
