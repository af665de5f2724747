package tcp

import (
	"runtime"
	"testing"
)

// takenStream is a stream whose peer takes what is sent from a channel.
type takenStream struct {
	blockingStream
	taken chan []byte
}

func (st takenStream) send(p []byte) error {
	st.taken <- p
	return nil
}

// converseWith makes a connection that converses over st.
func converseWith(st blockingStream) *conversation {
	s := newQuietServer(Config{})
	v := &conversation{stream: st}
	v.conn = newConn(s, s.addr, v)
	return v
}

// underWay waits until somebody has taken what was pushed, to send it.
func (c *Conn) underWay() {
	for left := 1; left > 0; runtime.Gosched() {
		c.mu.Lock()
		left = len(c.outbox)
		c.mu.Unlock()
	}
}

// However much is pushed while other things are sent, one goroutine waits to send it.
func TestOneFlushWaitsForAnother(t *testing.T) {
	st := takenStream{taken: make(chan []byte)}
	v := converseWith(st)
	before := runtime.NumGoroutine()
	v.conn.Push([]byte("x"))
	v.conn.underWay()
	const pushes = 100
	for range pushes {
		v.conn.Push([]byte("x"))
		<-st.taken
		v.conn.underWay()
	}
	const ending = 8 // goroutines that have sent and not yet gone
	if n := runtime.NumGoroutine() - before; n > 2+ending {
		t.Errorf("%d goroutines send to one connection", n)
	}
	<-st.taken
	v.flushers.Wait()
	if n := v.conn.traffic(); n.BytesOut != 1+pushes {
		t.Errorf("%d bytes of %d were sent", n.BytesOut, 1+pushes)
	}
}
