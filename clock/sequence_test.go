package clock

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// counts is what Sequence reports.
type counts struct{ lost, reordered, duplicate, restarts uint64 }

func countsOf(s *Sequence) counts {
	lost, reordered, duplicate := s.Counts()
	return counts{lost, reordered, duplicate, s.restarts}
}

func TestSequence(t *testing.T) {
	const end = 1<<32 - 1
	for name, tc := range map[string]struct {
		numbers []uint32
		want    counts
	}{
		"nothing":                      {nil, counts{}},
		"one":                          {[]uint32{7}, counts{}},
		"in order":                     {[]uint32{0, 1, 2, 3}, counts{}},
		"a gap":                        {[]uint32{0, 1, 4, 5}, counts{lost: 2}},
		"a gap that fills":             {[]uint32{0, 1, 3, 2, 4}, counts{reordered: 1}},
		"before the first":             {[]uint32{5, 3, 4, 6}, counts{reordered: 2}},
		"again":                        {[]uint32{0, 1, 1, 2, 0}, counts{duplicate: 2}},
		"late and again":               {[]uint32{0, 2, 1, 1}, counts{reordered: 1, duplicate: 1}},
		"around the end":               {[]uint32{end - 1, end, 0, 1}, counts{}},
		"a gap and late at the end":    {[]uint32{end - 2, 1, end, 0}, counts{lost: 1, reordered: 2}},
		"a gap longer than the window": {[]uint32{0, 5000, 5001}, counts{lost: 4999}},
		"older than the window":        {[]uint32{0, 5000, 1, 5001}, counts{lost: 4999, reordered: 1}},
		"the oldest of the window":     {[]uint32{0, 1024, 1}, counts{lost: 1022, reordered: 1}},
		"the bit of an older number":   {[]uint32{0, 1024, 1025, 1, 1}, counts{lost: 1023, reordered: 2}},
		"a stray far ahead":            {[]uint32{0, 1, 1 << 30, 2, 3}, counts{}},
		"two strays":                   {[]uint32{0, 1 << 30, 1 << 29, 1}, counts{}},
		"a count far ahead":            {[]uint32{0, 1, 1 << 30, 1<<30 + 1, 1<<30 + 3}, counts{lost: 1, restarts: 1}},
		"a count from 0":               {[]uint32{9000, 9001, 0, 1, 2}, counts{restarts: 1}},
	} {
		var s Sequence
		for i, number := range tc.numbers {
			s.Add(number, time.Unix(0, int64(i)))
		}
		if got := countsOf(&s); got != tc.want {
			t.Errorf("%s: %v counts as %+v, want %+v", name, tc.numbers, got, tc.want)
		}
	}
}

func TestSequenceRestartsAfterSilence(t *testing.T) {
	var s Sequence
	at := time.Unix(1795341784, 0)
	for n := range uint32(50) {
		s.Add(n, at)
	}
	at = at.Add(sequenceSilence)
	s.Add(49, at)
	if got, want := countsOf(&s), (counts{duplicate: 1}); got != want {
		t.Errorf("after less silence: %+v, want %+v", got, want)
	}
	at = at.Add(sequenceSilence + 1)
	for _, n := range []uint32{0, 1, 3} {
		s.Add(n, at)
	}
	if got, want := countsOf(&s), (counts{lost: 1, duplicate: 1, restarts: 1}); got != want {
		t.Errorf("after silence: %+v, want %+v", got, want)
	}
}

// TestSequenceAgainstSets compares with sets of numbers that forget nothing, for
// streams that stay within the window.
func TestSequenceAgainstSets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := rapid.SampledFrom([]uint32{0, 5, 1 << 31, 1<<32 - 700}).Draw(t, "base")
		offsets := rapid.SliceOfN(rapid.Uint32Range(0, sequenceWindow-1), 1, 2000).Draw(t, "offsets")
		var s Sequence
		var want counts
		came := map[uint32]bool{}
		low, high := offsets[0], offsets[0]
		for _, offset := range offsets {
			s.Add(base+offset, time.Unix(0, 0))
			switch {
			case came[offset]:
				want.duplicate++
			case offset < high:
				want.reordered++
			}
			came[offset] = true
			low, high = min(low, offset), max(high, offset)
		}
		want.lost = uint64(high-low+1) - uint64(len(came))
		if got := countsOf(&s); got != want {
			t.Fatalf("%+v, want %+v", got, want)
		}
	})
}

// FuzzSequence checks that no stream of numbers makes more distinct than expected ones.
func FuzzSequence(f *testing.F) {
	f.Add([]byte{1, 2, 3, 250, 4, 9, 9, 128, 128})
	f.Fuzz(func(t *testing.T, steps []byte) {
		var s Sequence
		var number uint32
		for _, step := range steps {
			number += uint32(int8(step)) << (step & 31)
			s.Add(number, time.Unix(int64(step&3), 0))
			lost, reordered, duplicate := s.Counts()
			if lost > s.expected || reordered+duplicate > uint64(len(steps)) {
				t.Fatalf("%v: %d lost of %d, %d reordered, %d again", steps, lost, s.expected, reordered, duplicate)
			}
		}
	})
}

func BenchmarkSequence(b *testing.B) {
	b.ReportAllocs()
	var s Sequence
	at := time.Unix(1795341784, 0)
	for n := uint32(0); b.Loop(); n++ {
		s.Add(n, at)
	}
}
