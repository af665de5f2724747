package server

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

	"wirelab/internal/sys"
)

// goroutineEngine gives each connection a goroutine that waits on Go's network
// poller. While it waits it holds no buffer: those are shared through a pool.
type goroutineEngine struct {
	server     *TCP
	listener   *net.TCPListener
	stopped    atomic.Bool
	goroutines sync.WaitGroup
	buffers    sync.Pool // of *buffers
}

// buffers are what one turn needs: bytes received, and the answer.
type buffers struct{ in, out []byte }

func startGoroutines(s *TCP, listener int) (engine, error) {
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
		conn, err := e.listener.AcceptTCP()
		if err == nil {
			e.server.acceptWorked()
			e.goroutines.Go(func() { e.host(conn) })
			continue
		}
		if e.stopped.Load() {
			return nil
		}
		wait, ok := e.server.acceptFailed(err)
		if !ok {
			return fmt.Errorf("accept on %s: %w", e.server.addr, err)
		}
		time.Sleep(wait)
	}
}

func (e *goroutineEngine) stop() {
	e.stopped.Store(true)
	e.listener.Close()
}

func (e *goroutineEngine) host(conn *net.TCPConn) {
	peer := conn.RemoteAddr().(*net.TCPAddr).AddrPort()
	peer = netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port())
	if e.server.cfg.TLS != nil {
		e.server.converse(peer, newTLSStream(conn, e.server))
		return
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		conn.Close()
		return
	}
	e.server.converse(peer, newParkedStream(conn, raw, &e.buffers))
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
func (st *netStream) threadID() int     { return 0 }

func (st *netStream) linger(d time.Duration) {
	st.tcp.SetReadDeadline(time.Now().Add(d))
	io.Copy(io.Discard, st.tcp)
}

// parkedStream is plain TCP. It takes buffers from the pool only when there is
// something to read, so that a silent connection costs a goroutine and no buffer.
type parkedStream struct {
	netStream
	raw  syscall.RawConn
	pool *sync.Pool
	hold *buffers // nil while waiting

	n     int           // what the last read brought
	errno syscall.Errno // and how it went
	read  func(fd uintptr) bool
}

func newParkedStream(tcp *net.TCPConn, raw syscall.RawConn, pool *sync.Pool) *parkedStream {
	st := &parkedStream{netStream: netStream{tcp: tcp}, raw: raw, pool: pool}
	st.read = st.tryRead
	return st
}

// tryRead is called by the poller's side of RawConn.Read, first at once and then
// whenever the socket has become readable; it reports whether the wait is over.
func (st *parkedStream) tryRead(fd uintptr) bool {
	b := st.take()
	st.n, st.errno = sys.TryReceive(int(fd), b.in)
	if st.errno == syscall.EAGAIN {
		st.release()
		return false
	}
	return true
}

func (st *parkedStream) receive() ([]byte, error) {
	err := st.raw.Read(st.read)
	if errors.Is(err, os.ErrDeadlineExceeded) && st.ended.Load() {
		err = st.raw.Control(func(fd uintptr) { st.tryRead(fd) })
	}
	switch {
	case err != nil:
		return nil, err
	case st.errno == syscall.EAGAIN || st.errno == 0 && st.n == 0:
		return nil, io.EOF
	case st.errno != 0:
		return nil, st.errno
	}
	return st.hold.in[:st.n], nil
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
