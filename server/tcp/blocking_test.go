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

// blockingOver makes a connection that blocks on st.
func blockingOver(st blockingStream) *blockingConn {
	s := newQuietServer(Config{})
	bc := &blockingConn{stream: st}
	bc.conn = newConn(s, s.addr, bc)
	return bc
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
	bc := blockingOver(st)
	before := runtime.NumGoroutine()
	bc.conn.Push([]byte("x"))
	bc.conn.underWay()
	const pushes = 100
	for range pushes {
		bc.conn.Push([]byte("x"))
		<-st.taken
		bc.conn.underWay()
	}
	const ending = 8 // goroutines that have sent and not yet gone
	if n := runtime.NumGoroutine() - before; n > 2+ending {
		t.Errorf("%d goroutines send to one connection", n)
	}
	<-st.taken
	bc.flushers.Wait()
	if n := bc.conn.traffic(); n.BytesOut != 1+pushes {
		t.Errorf("%d bytes of %d were sent", n.BytesOut, 1+pushes)
	}
}
