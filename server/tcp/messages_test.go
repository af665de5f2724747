package tcp_test

import (
	"testing"

	"wirelab/server/tcp"
)

// Messages are counted alike on every engine: one answer to each that came, in however many
// pieces the kernel took it.
func TestMessagesOutAreAnswers(t *testing.T) {
	onEveryEngine(t, func(t *testing.T, engine string) {
		s := serve(t, engine, "echo", narrow, func(cfg *tcp.Config) { cfg.Loops = 1 })
		const size = 2 << 20
		c := s.dial()
		sent := make(chan error, 1)
		go func() {
			_, err := c.Write(make([]byte, size))
			c.CloseWrite()
			sent <- err
		}()
		s.stalls() // so that answers go in pieces
		if got := readAll(t, c); len(got) != size {
			t.Errorf("%d bytes came back, not %d", len(got), size)
		}
		if err := <-sent; err != nil {
			t.Error(err)
		}
		st := s.eventually("all is counted", func(st tcp.Status) bool { return st.Traffic.BytesOut == size && st.Active == 0 })
		if st.Traffic.MessagesOut != st.Traffic.MessagesIn {
			t.Errorf("%d messages came and %d went", st.Traffic.MessagesIn, st.Traffic.MessagesOut)
		}
	})
}
