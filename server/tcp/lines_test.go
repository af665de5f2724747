package tcp_test

import (
	"io"
	"strings"
	"testing"
	"time"

	"wirelab/server/tcp"
)

// A line of the greatest length is taken, however it arrives; one byte more is not.
func TestLongestLineInAnyPieces(t *testing.T) {
	onEveryEngine(t, func(t *testing.T, engine string) {
		s := serve(t, engine, "timediff")
		for _, end := range []string{"\n", "\r\n"} {
			line := "1795342984.1 " + strings.Repeat("x", maxLine-len("1795342984.1 ")) + end
			for _, cut := range []int{1, 10000, maxLine - 1, maxLine, len(line) - 1, len(line)} {
				if got := s.inTwoPieces(line, cut); !strings.HasSuffix(got, " us\n") {
					t.Errorf("with %q, cut at %d: %q", end, cut, got)
				}
				if got := s.inTwoPieces("1"+line, cut); !strings.HasPrefix(got, "error: a line has at most") {
					t.Errorf("one byte too many, with %q, cut at %d: %q", end, cut, got)
				}
			}
		}
	})
}

// inTwoPieces sends text in two pieces, the second after the server has taken the
// first, and returns all that comes back.
func (r *running) inTwoPieces(text string, cut int) string {
	r.t.Helper()
	before := r.Status().Traffic.BytesIn
	c := r.dial()
	if _, err := io.WriteString(c, text[:cut]); err != nil {
		r.t.Fatal(err)
	}
	r.eventually("the first piece is in", func(st tcp.Status) bool { return st.Traffic.BytesIn >= before+uint64(cut) })
	return roundTrip(r.t, c, text[cut:])
}

// Joins and leaves are announced to a table, not to a stadium.
func TestLargeChatIsNotToldWhoComes(t *testing.T) {
	onEveryEngine(t, func(t *testing.T, engine string) {
		const members = 120
		s := serve(t, engine, "chat")
		first := newLines(t, s.dial())
		first.expect("welcome")
		for range members - 2 {
			newLines(t, s.dial()).expect("welcome")
		}
		last := newLines(t, s.dial())
		last.expect("120 here")
		last.send("this comes after all that was announced")
		announced := 0
		for !strings.HasSuffix(first.next(), "this comes after all that was announced") {
			announced++
		}
		if announced != 99 {
			t.Errorf("%d joins were announced, want those of the first 100 members", announced)
		}
	})
}

// Lines whose answers are more than goes at once are all answered, also those that a
// server which stops has read and not answered yet.
func TestDrainAnswersEveryLine(t *testing.T) {
	onEveryEngine(t, func(t *testing.T, engine string) {
		s := serve(t, engine, "timediff", narrow, func(cfg *tcp.Config) { cfg.DrainTimeout = patience })
		c := s.dial()
		if err := sendUntilStuck(c, "\n"); err != nil {
			t.Fatal(err)
		}
		other := s.dial() // it is drained after c
		s.eventually("both are in", func(st tcp.Status) bool { return st.Active == 2 })
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			s.stop()
		}()
		readAll(t, other)
		other.Close()
		c.SetDeadline(time.Now().Add(patience))
		answers := strings.Count(readAll(t, c), "\n")
		c.Close()
		<-stopped
		if st := s.Status(); uint64(answers) != st.Traffic.BytesIn || answers == 0 {
			t.Errorf("%d answers to %d lines", answers, st.Traffic.BytesIn)
		}
	})
}
