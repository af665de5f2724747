package tcp_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"wirelab/server/tcp"
	"wirelab/server/tcp/handlers"
)

func TestEchoReturnsEveryByte(t *testing.T) {
	onEveryEngine(t, func(t *testing.T, engine string) {
		s := serve(t, engine, "echo")
		c := s.dial()
		want := make([]byte, 3<<20)
		rand.NewChaCha8([32]byte{1}).Read(want)
		var wg sync.WaitGroup
		wg.Go(func() {
			c.Write(want)
			c.CloseWrite()
		})
		got, err := io.ReadAll(c)
		wg.Wait()
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes came back (%v), want the %d sent", len(got), err, len(want))
		}
		s.stop()
		st := s.Status()
		if st.Traffic.BytesIn != uint64(len(want)) || st.Traffic.BytesOut != uint64(len(want)) {
			t.Errorf("counted %+v, want %d bytes each way", st.Traffic, len(want))
		}
		if st.Closed["peer_closed"] != 1 || st.Active != 0 {
			t.Errorf("closed %v, active %d", st.Closed, st.Active)
		}
	})
}

func TestEchoOneByteAtATime(t *testing.T) {
	onEveryEngine(t, func(t *testing.T, engine string) {
		c := serve(t, engine, "echo").dial()
		for i := range 200 {
			b := []byte{byte(i)}
			c.Write(b)
			if _, err := io.ReadFull(c, b); err != nil || b[0] != byte(i) {
				t.Fatalf("byte %d came back as %d (%v)", i, b[0], err)
			}
		}
	})
}

func TestDiscardAnswersNothing(t *testing.T) {
	onEveryEngine(t, func(t *testing.T, engine string) {
		s := serve(t, engine, "discard")
		if got := roundTrip(t, s.dial(), strings.Repeat("x", 1<<20)); got != "" {
			t.Fatalf("answered %d bytes", len(got))
		}
		s.stop()
		if in := s.Status().Traffic.BytesIn; in != 1<<20 {
			t.Fatalf("counted %d bytes", in)
		}
	})
}

func TestChargenWaitsForItsReader(t *testing.T) {
	onEveryEngine(t, func(t *testing.T, engine string) {
		s := serve(t, engine, "chargen", narrow)
		c := s.dial()
		narrowPeer(c)
		io.ReadFull(c, make([]byte, 1000))
		s.stalls()
		newLines(t, s.dial()).expect("!\"#$%") // others are served meanwhile
	})
}

func TestEndlessLineIsAnsweredAndEnded(t *testing.T) {
	for _, handler := range []string{"timediff", "chat"} {
		onEveryEngine(t, func(t *testing.T, engine string) {
			s := serve(t, engine, handler)
			c := s.dial()
			go io.Copy(c, endless{})
			got := readAll(t, c)
			if !strings.Contains(got, "error: a line has at most") {
				t.Fatalf("%s answered %q", handler, got)
			}
		})
	}
}

// endless is 4 MiB without a line end: far more than any buffer.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return 0, io.EOF }
func (endless) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(make([]byte, 4<<20))
	return int64(n), err
}

func TestChat(t *testing.T) {
	onEveryEngine(t, func(t *testing.T, engine string) {
		var mu sync.Mutex
		var shown []string
		s := serve(t, engine, "chat", func(cfg *tcp.Config) {
			cfg.Handler = handlers.NewChat(maxLine, func(line string) {
				mu.Lock()
				defer mu.Unlock()
				shown = append(shown, line)
			})
		})
		ada := newLines(t, s.dial())
		ada.expect("welcome, you are guest1; 1 here")
		bob := newLines(t, s.dial())
		bob.expect("welcome, you are guest2; 2 here")
		ada.expect("* guest2 has joined")
		bob.send("/who")
		bob.expect("* 2 here: guest1 guest2")
		ada.send("/nick ada")
		ada.expect("* you are ada")
		bob.expect("* guest1 is now ada")
		bob.send("/nick ADA")
		bob.expect("is taken")
		bob.send("/nick bob")
		bob.expect("* you are bob")
		ada.expect("* guest2 is now bob")
		bob.send("/nick Bob") // only their own name is like it
		bob.expect("* you are Bob")
		ada.expect("* bob is now Bob")
		bob.send("/nick Bob") // which is news for nobody
		bob.expect("* you are Bob")
		bob.send("/nick \x1b[31m")
		bob.expect("a nickname is")
		bob.send("/who")
		bob.expect("* 2 here: Bob ada")
		bob.send("hello \x1b]0;title\x07 there")
		if got := ada.next(); got != "<Bob> hello ]0;title there" {
			t.Errorf("got %q", got)
		}
		if names := s.Status().Connections; names[0].Name != "ada" {
			t.Errorf("the table calls ada %q", names[0].Name)
		}
		bob.send("/quit")
		bob.expect("* goodbye")
		ada.expect("* Bob has left")
		ada.send("/who")
		ada.expect("* 1 here: ada")
		bob.Close()
		mu.Lock()
		defer mu.Unlock()
		if text := strings.Join(shown, "\n"); !strings.Contains(text, "<Bob> hello") || !strings.Contains(text, "* Bob has left") {
			t.Errorf("the server shows %q", shown)
		}
	})
}

// Whoever speaks at once is welcomed first all the same.
func TestChatWelcomesFirst(t *testing.T) {
	onEveryEngine(t, func(t *testing.T, engine string) {
		s := serve(t, engine, "chat")
		for i := range 200 {
			c := s.dial()
			heard := strings.Split(roundTrip(t, c, fmt.Sprintf("/nick bob%d\n/quit\n", i)), "\n")
			if !strings.HasPrefix(heard[0], "* welcome") || len(heard) < 4 {
				t.Fatalf("visitor %d heard %q", i, heard)
			}
			c.Close()
		}
	})
}

func TestChatDropsWhoDoesNotRead(t *testing.T) {
	onEveryEngine(t, func(t *testing.T, engine string) {
		s := serve(t, engine, "chat", narrow)
		slow := s.dial()
		narrowPeer(slow)
		s.eventually("one member", func(st tcp.Status) bool { return st.Active == 1 })
		talker := newLines(t, s.dial())
		talker.expect("welcome")
		text := strings.Repeat("x", 8000)
		for range 5000 {
			talker.send("%s", text)
			if s.Status().Closed["too_slow"] == 1 {
				return
			}
		}
		s.eventually("the silent reader is dropped", func(st tcp.Status) bool { return st.Closed["too_slow"] == 1 })
	})
}

// Whoever has said goodbye hears no more of what others say, and what they say does
// not break the connection off: it lingers for a second, or until its peer closes.
func TestChatGoesOnAfterGoodbye(t *testing.T) {
	onEveryEngine(t, func(t *testing.T, engine string) {
		const lingers = time.Second
		s := serve(t, engine, "chat")
		goes := newLines(t, s.dial())
		goes.expect("welcome")
		stays := newLines(t, s.dial())
		stays.expect("welcome")
		goes.expect("guest2 has joined")
		began := time.Now()
		goes.send("/quit")
		goes.expect("goodbye")
		if rest := readAll(t, goes.r); rest != "" {
			t.Errorf("after goodbye comes %q", rest)
		}
		goes.send("one more")
		text := strings.Repeat("x", 16000)
		for range 40 { // much more than waits for anybody
			stays.send("%s", text)
		}
		stays.send("/nick eve")
		for stays.next() != "* you are eve" { // then all before it has been said
		}
		for time.Since(began) < lingers/2 {
			if st := s.Status(); st.Active != 2 && time.Since(began) < lingers {
				t.Fatalf("broken off after %v: %v", time.Since(began), st.Closed)
			}
			time.Sleep(10 * time.Millisecond)
		}
		goes.Close()
		s.eventually("it has ended as it began to", func(st tcp.Status) bool { return st.Closed["finished"] == 1 })
	})
}
