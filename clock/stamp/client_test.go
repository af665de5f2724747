package stamp

import (
	"errors"
	"testing"
	"time"

	"wirelab/clock"
)

// asking is a Sender whose packet 7 is under way.
func asking() (*Sender, []byte) {
	at := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	s := &Sender{sequence: 7}
	s.buffer = clock.AppendFollowUp(clock.SenderPacket{Sequence: 7, Timestamp: clock.NTP.Encode(at), Estimate: 1}.Append(nil, clock.TestPacketLen))
	answer, err := clock.AppendReflection(nil, s.buffer, clock.Reflection{Received: at, Sent: at, Bound: 1})
	if err != nil {
		panic(err)
	}
	return s, answer
}

func TestJudge(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 1, 0, time.UTC)
	s, good := asking()
	if _, err := s.judge(good, now); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		forge func(b []byte) []byte
		want  error
	}{
		"short":        {func(b []byte) []byte { return b[:20] }, clock.ErrShortPacket},
		"another":      {func(b []byte) []byte { b[27]++; return b }, ErrOther},
		"another time": {func(b []byte) []byte { b[35]++; return b }, ErrOther},
		"no estimate":  {func(b []byte) []byte { b[13] = 0; return b }, ErrEstimate},
		"no T2":        {func(b []byte) []byte { clear(b[16:24]); return b }, ErrNoTime},
		"echo":         {func([]byte) []byte { return s.buffer }, ErrEcho},
	} {
		_, b := asking()
		if _, err := s.judge(tc.forge(b), now); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzJudge(f *testing.F) {
	s, good := asking()
	f.Add(good)
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := s.judge(b, time.Now()); err == nil && p.SenderSequence != 7 {
			t.Errorf("%x is taken", b)
		}
	})
}
