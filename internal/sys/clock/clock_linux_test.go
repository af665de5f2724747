package clock

import (
	"testing"
	"time"
)

// These tests only read: no test steers the clock of the machine that it runs on.

func TestRead(t *testing.T) {
	before := time.Now()
	r, err := Read()
	if err != nil {
		t.Fatal(err)
	}
	if off := time.Duration(before.UnixNano()) - r.Real; off.Abs() > time.Second {
		t.Errorf("CLOCK_REALTIME is %v off time.Now", off)
	}
	if r.Apart <= 0 || r.Apart > 10*time.Millisecond {
		t.Errorf("the clocks were read %v apart", r.Apart)
	}
	if r.Boot < r.Monotonic-time.Millisecond {
		t.Errorf("CLOCK_BOOTTIME %v is before CLOCK_MONOTONIC %v", r.Boot, r.Monotonic)
	}
	time.Sleep(20 * time.Millisecond)
	later, err := Read()
	if err != nil {
		t.Fatal(err)
	}
	for _, passed := range []time.Duration{later.Raw - r.Raw, later.Monotonic - r.Monotonic, later.Boot - r.Boot} {
		if passed < 19*time.Millisecond || passed > 10*time.Second {
			t.Errorf("%v passed in 20 ms", passed)
		}
	}
}

func TestReadStateChangesNothing(t *testing.T) {
	first, err := ReadState()
	if err != nil {
		t.Fatal(err)
	}
	second, err := ReadState()
	if err != nil {
		t.Fatal(err)
	}
	if first.Frequency != second.Frequency || first.Tick != second.Tick || first.Tick <= 0 {
		t.Errorf("%+v, then %+v", first, second)
	}
}

func BenchmarkRead(b *testing.B) {
	for b.Loop() {
		if _, err := Read(); err != nil {
			b.Fatal(err)
		}
	}
}
