package load

import (
	"testing"
	"time"

	"wirelab/clock"
)

func TestRecordersMerge(t *testing.T) {
	a, b := newRecorder(true), newRecorder(true)
	a.fail("connection reset")
	b.fail("connection reset")
	b.fail("no answer in time")
	b.connect(time.Millisecond, true)
	b.answer(2 * time.Millisecond)
	exchange := clock.UserExchange(testTime, testTime.Add(5), testTime.Add(6), testTime.Add(3))
	b.exchanges.add(&exchange)
	a.merge(b)
	if a.failures != 3 || a.errors["connection reset"] != 2 || a.errors["no answer in time"] != 1 {
		t.Errorf("errors %v, %d", a.errors, a.failures)
	}
	if a.connected != 1 || a.received != 1 || a.latencies.Greatest() != 2*time.Millisecond || a.exchanges.bestDelay != 2 {
		t.Errorf("%+v", a)
	}
}

func BenchmarkRecordAnswer(b *testing.B) {
	r := newRecorder(false)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r.answer(time.Duration(i & 0xfffff))
	}
}
