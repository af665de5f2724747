package tcp

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"wirelab/internal/sys/stream"
)

// goroutineEngine gives each connection a goroutine that waits on Go's network
// poller. A waiting goroutine should cost little more than its smallest stack: so
// it holds no buffer (those are shared through a pool), and what needs a deep stack,
// such as logging that the connection has come, is done by the one that accepts.
type goroutineEngine struct {
	server     *Server
	listener   *net.TCPListener
	stopped    atomic.Bool
	goroutines sync.WaitGroup
	buffers    sync.Pool // of *buffers
}

// buffers are what one turn needs: bytes received, and the answer.
type buffers struct{ in, out []byte }

func startGoroutines(s *Server, listener int) (engine, error) {
	f := os.NewFile(uintptr(listener), "listener")
	defer f.Close() // FileListener duplicates it
	l, err := net.FileListener(f)
	if err != nil {
		return nil, err
	}
	e := &goroutineEngine{server: s, listener: l.(*net.TCPListener)}
	e.buffers.New = func() any {
		return &buffers{in: make([]byte, s.cfg.Buffer), out: make([]byte, 0, s.cfg.Buffer)}
	}
	return e, nil
}

func (e *goroutineEngine) run() error {
	defer e.goroutines.Wait()
	defer e.listener.Close()
	for {
		tcp, err := e.listener.AcceptTCP()
		if err == nil {
			if e.server.cfg.Socket.Nagle {
				_ = tcp.SetNoDelay(false) // fails only when it is closed already
			}
			e.host(tcp)
			continue
		}
		if e.stopped.Load() {
			return nil
		}
		wait, ok := e.server.acceptFailed(err)
		if !ok {
			return e.server.fail(fmt.Errorf("accept on %s: %w", e.server.addr, err))
		}
		time.Sleep(wait)
	}
}

func (e *goroutineEngine) stop() {
	e.stopped.Store(true)
	e.listener.Close()
}

// host admits a connection and starts its goroutine.
func (e *goroutineEngine) host(tcp *net.TCPConn) {
	st, err := e.open(tcp)
	if err != nil {
		tcp.Close()
		return
	}
	peer := tcp.RemoteAddr().(*net.TCPAddr).AddrPort()
	bc := &blockingConn{stream: st}
	bc.conn = newConn(e.server, netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port()), bc)
	if !e.server.admit(bc.conn) {
		tcp.Close()
		return
	}
	e.goroutines.Add(1)
	go e.converse(bc)
}

func (e *goroutineEngine) converse(bc *blockingConn) {
	defer e.goroutines.Done()
	bc.run()
}

func (e *goroutineEngine) open(tcp *net.TCPConn) (blockingStream, error) {
	if e.server.cfg.TLS != nil {
		return newTLSStream(tcp, e.server), nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil, err
	}
	return &parkedStream{netStream: netStream{tcp: tcp}, raw: raw, pool: &e.buffers}, nil
}

// netStream is what plain and TLS connections on a net.TCPConn have in common.
type netStream struct {
	tcp   *net.TCPConn
	ended atomic.Bool // endInput was called
}

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

func (st *netStream) endInput() {
	st.ended.Store(true)
	st.tcp.SetReadDeadline(longAgo)
}

func (st *netStream) abort() {
	st.tcp.CloseRead()
	st.tcp.CloseWrite()
}

func (st *netStream) open() error       { return nil }
func (st *netStream) close()            { st.tcp.Close() }
func (st *netStream) closeWrite() error { return st.tcp.CloseWrite() }

// linger is not cut short by endInput, which makes a read end before its time.
func (st *netStream) linger(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		st.tcp.SetReadDeadline(end)
		if _, err := io.Copy(io.Discard, st.tcp); !errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
	}
}

// parkedStream is plain TCP. While it waits it holds no buffer, and as long as
// every answer can be sent at once, the wait is one call of RawConn.Read: the
// poller calls back whenever there is something to read, and a whole turn, from
// the read to the send, is taken in that call.
type parkedStream struct {
	netStream
	raw  syscall.RawConn
	pool *sync.Pool
	hold *buffers // nil while waiting

	last lastBytes

	// The outcome of the turns, for await.
	unsent []byte
	next   Next
	errno  syscall.Errno
}

func (st *parkedStream) await(bc *blockingConn) ([]byte, Next, error) {
	take := func(fd uintptr) bool { return st.takeTurns(bc, int(fd)) }
	err := st.raw.Read(take)
	if errors.Is(err, os.ErrDeadlineExceeded) && st.ended.Load() {
		err = st.raw.Control(func(fd uintptr) { take(fd) })
	}
	if err == nil && st.errno != 0 {
		err = st.errno
	}
	return st.unsent, st.next, err
}

// takeTurns takes turns until there is nothing to read, for which it returns
// false, or until the next step is not to read.
func (st *parkedStream) takeTurns(bc *blockingConn, fd int) bool {
	for {
		b := st.take()
		in := b.in
		if st.ended.Load() {
			in = st.last.limit(fd, in)
		}
		n, errno := 0, syscall.Errno(0)
		if len(in) > 0 {
			n, errno = stream.TryReceive(fd, in)
		}
		if errno == syscall.EAGAIN {
			st.release()
			return false
		}
		if st.errno = errno; errno != 0 {
			return true
		}
		st.last.took(n)
		st.unsent, st.next = bc.turn(in[:n], b.out[:0])
		if st.next != Wait || !st.sendNow(bc, fd) {
			return true
		}
	}
}

// sendNow sends the answer if that needs no waiting, and reports whether it did.
// If it sent a part, sendMu stays locked, so that nothing comes before the rest.
func (st *parkedStream) sendNow(bc *blockingConn, fd int) bool {
	if len(st.unsent) == 0 {
		return true
	}
	if !bc.sendMu.TryLock() {
		return false
	}
	n, _ := stream.TrySend(fd, st.unsent)
	if n == len(st.unsent) {
		bc.sendMu.Unlock()
		bc.conn.sent(n)
		return true
	}
	if n > 0 {
		bc.conn.sentPart(n)
	}
	st.unsent, bc.midway = st.unsent[n:], true
	return false
}

func (st *parkedStream) take() *buffers {
	if st.hold == nil {
		st.hold = st.pool.Get().(*buffers)
	}
	return st.hold
}

func (st *parkedStream) release() {
	if st.hold != nil {
		st.pool.Put(st.hold)
		st.hold = nil
	}
}

func (st *parkedStream) scratch() []byte { return st.take().out[:0] }

func (st *parkedStream) send(p []byte) error {
	_, err := st.tcp.Write(p)
	return err
}

func (st *parkedStream) close() {
	st.release()
	st.netStream.close()
}
