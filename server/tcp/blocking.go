package tcp

import (
	"sync"
	"time"

	"wirelab/internal/sys/stream"
	"wirelab/server"
)

// lingerTime bounds how long a connection that the server ends first is read
// and thrown away, so that a late byte of the peer does not make the kernel reset
// the connection and destroy the answer before the peer has read it.
const lingerTime = time.Second

// A blockingStream is a socket whose calls block: what the goroutine and the thread
// engines have in common. One goroutine, its owner, uses it; send, endInput and
// abort may be called by others too, as long as it is not closed, the last two
// also afterwards.
type blockingStream interface {
	// open does what comes before the first byte: a TLS handshake, if any.
	open() error
	// scratch returns an empty buffer to answer in, the owner's until the next await.
	scratch() []byte
	// await waits for bytes or their end, whether the peer or endInput brought it, and
	// gives them to c for a turn. It may send the answer and go on as long as that
	// takes no waiting; it returns what is left to send and what is to be done then.
	await(bc *blockingConn) (unsent []byte, next Next, err error)
	// send writes all of p, and waits for the peer to take it.
	send(p []byte) error
	// closeWrite tells the peer that nothing more will come.
	closeWrite() error
	// linger reads and drops until end of input or for d.
	linger(d time.Duration)
	// endInput makes await see the end of input after what has already arrived.
	endInput()
	// abort makes await and send fail.
	abort()
	// close frees the socket.
	close()
}

// lastBytes counts down what had arrived when a connection was told to end its
// input. It would not end otherwise: a busy peer goes on sending.
type lastBytes struct {
	begun bool
	left  int32
}

// limit cuts buf to what may still be read of fd, nothing at the end.
func (l *lastBytes) limit(fd int, buf []byte) []byte {
	if !l.begun {
		n, _ := stream.Unread(fd) // of a broken socket there is nothing to read
		l.begun, l.left = true, int32(n)
	}
	return buf[:min(int(l.left), len(buf))]
}

// took counts n bytes that were read.
func (l *lastBytes) took(n int) { l.left -= int32(n) }

// blockingConn runs one connection's turns over a stream that blocks, and is
// that connection's link to everyone else.
type blockingConn struct {
	conn     *Conn
	stream   blockingStream
	eof      bool           // the input has ended
	midway   bool           // the owner has sent a part of its answer and holds sendMu
	sendMu   sync.Mutex     // order between answers and what others push
	flushers sync.WaitGroup // short-lived goroutines that send what others push
}

// run hosts an admitted connection on the calling goroutine until it ends.
func (bc *blockingConn) run() {
	defer bc.stream.close()
	seen := bc.takeTurns()
	bc.conn.server.retire(bc.conn, seen)
	bc.stream.abort()
	bc.flushers.Wait()
}

// takeTurns returns what ended the connection.
func (bc *blockingConn) takeTurns() server.Reason {
	c := bc.conn
	if err := bc.stream.open(); err != nil {
		return c.handshakeFailed(err)
	}
	if err := bc.sendOutbox(); err != nil { // what opening has pushed comes first
		return server.ReasonReset
	}
	answer, next := c.turn(nil, false, bc.stream.scratch())
	for {
		if err := bc.answer(answer); err != nil {
			return server.ReasonReset
		}
		switch next {
		case Finish:
			return bc.finish()
		case More:
			answer, next = c.turn(nil, bc.eof, bc.stream.scratch())
		case Wait:
			var err error
			if answer, next, err = bc.stream.await(bc); err != nil {
				return server.ReasonReset
			}
		}
	}
}

// turn takes the turn for what await has got; nothing is the end of input.
func (bc *blockingConn) turn(got, out []byte) (answer []byte, next Next) {
	bc.eof = len(got) == 0
	return bc.conn.turn(got, bc.eof, out)
}

func (bc *blockingConn) answer(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	if !bc.midway {
		bc.sendMu.Lock()
	}
	defer bc.sendMu.Unlock()
	bc.midway = false
	return bc.sendCounted(p)
}

// sendPiece is how much is sent and counted at a time. A peer that takes a large
// answer slowly is not idle, and only what is counted shows.
const sendPiece = 64 << 10

// sendCounted sends p, which counts as one answer however many pieces it takes.
func (bc *blockingConn) sendCounted(p []byte) error {
	for len(p) > sendPiece {
		if err := bc.stream.send(p[:sendPiece]); err != nil {
			return err
		}
		bc.conn.sentPart(sendPiece)
		p = p[sendPiece:]
	}
	if err := bc.stream.send(p); err != nil {
		return err
	}
	bc.conn.sent(len(p))
	return nil
}

// sendOutbox sends what others have pushed to this connection up to now. What they
// push meanwhile is for the next, which waits: to send that too would leave it, and
// one more for each push, waiting for nothing.
func (bc *blockingConn) sendOutbox() error {
	return bc.sendTaken((*Conn).takeOutbox)
}

// sendLast sends what others have pushed up to now; what they push from now on would
// find the connection closed for writing.
func (bc *blockingConn) sendLast() error {
	return bc.sendTaken((*Conn).closeOutbox)
}

func (bc *blockingConn) sendTaken(take func(*Conn) []byte) error {
	bc.sendMu.Lock()
	defer bc.sendMu.Unlock()
	p := take(bc.conn)
	if len(p) == 0 {
		return nil
	}
	return bc.sendCounted(p)
}

// finish closes a connection in such an order that the peer gets all that was
// said, and returns who ended it.
func (bc *blockingConn) finish() server.Reason {
	if err := bc.sendLast(); err != nil {
		return server.ReasonReset
	}
	if why := bc.conn.finished(bc.stream.closeWrite(), bc.eof); why != server.NotEnded {
		return why
	}
	bc.stream.linger(lingerTime)
	return server.ReasonFinished
}

// flush implements link. A blocked owner cannot send, so another goroutine does.
func (bc *blockingConn) flush() {
	bc.flushers.Go(func() {
		if bc.sendOutbox() != nil {
			bc.stream.abort() // the owner finds out why
		}
	})
}

// endInput implements link.
func (bc *blockingConn) endInput() { bc.stream.endInput() }

// abort implements link.
func (bc *blockingConn) abort() { bc.stream.abort() }
