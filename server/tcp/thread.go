package tcp

import (
	"fmt"
	"net/netip"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"wirelab/internal/sys/process"
	"wirelab/internal/sys/stream"
)

// Keep-alive of engines that own their sockets: a peer that vanished is noticed
// after about two and a half minutes, as with Go's own net package.
const (
	keepAliveIdle     = 15 * time.Second
	keepAliveInterval = 15 * time.Second
	keepAliveCount    = 9
)

// Go ends the process when it has more threads than it allows itself, 10,000 unless
// told, or when the kernel refuses one; so the engine stays well below both. A
// connection may need two: one that reads, and one that sends what others push.
const (
	threadLimit  = 20000
	threadsSpare = 500 // for Go's runtime, threads that are ending, and others under the same limit
)

func maxThreadConns() (int, string) {
	if n := process.MaxThreads(); n < threadLimit {
		return max((n-threadsSpare)/2, 1), "the system's limit on threads"
	}
	return (threadLimit - threadsSpare) / 2, "this engine's limit on threads"
}

// allowThreads raises Go's own limit to that of the engine.
func allowThreads() {
	if before := debug.SetMaxThreads(threadLimit); before > threadLimit {
		debug.SetMaxThreads(before)
	}
}

// threadEngine gives each connection an OS thread that blocks in read and write,
// as a textbook server with pthread_create does: descriptors are blocking, and
// Go's network poller knows nothing of them. A goroutine locked to its thread is
// only the way to get a thread in Go; when it ends, the thread ends.
type threadEngine struct {
	server   *Server
	listener int
	threads  sync.WaitGroup
	slots    chan struct{} // holds as many as there are threads
	mu       sync.Mutex
	stopped  bool
}

// threadsEnding is how many threads there may be beside those of the listed
// connections: one that has been retired still has to close its socket and to be logged.
const threadsEnding = 100

func startThreads(s *Server, listener int) (engine, error) {
	allowThreads()
	return &threadEngine{server: s, listener: listener, slots: make(chan struct{}, s.cfg.MaxConns+threadsEnding)}, nil
}

func (e *threadEngine) run() error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		done <- e.accept()
	}()
	err := <-done
	e.threads.Wait()
	return err
}

func (e *threadEngine) accept() error {
	defer e.close()
	for {
		fd, peer, err := stream.Accept(e.listener)
		if err == nil {
			e.host(fd, peer)
			continue
		}
		if e.isStopped() {
			return nil
		}
		wait, ok := e.server.acceptFailed(err)
		if !ok {
			return e.server.fail(fmt.Errorf("accept on %s: %w", e.server.addr, err))
		}
		time.Sleep(wait)
	}
}

func (e *threadEngine) stop() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.stopped {
		e.stopped = true
		stream.ShutdownBoth(e.listener) // ends accept
	}
}

func (e *threadEngine) isStopped() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.stopped
}

func (e *threadEngine) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stopped = true
	stream.Close(e.listener)
}

// host admits a connection and then gives it a thread. It waits for one if too many are
// still ending. Refused connections never get one.
func (e *threadEngine) host(fd int, peer netip.AddrPort) {
	st := &threadStream{fd: fd}
	bc := &blockingConn{stream: st}
	bc.conn = newConn(e.server, peer, bc)
	if !e.server.admit(bc.conn) {
		st.close()
		return
	}
	e.slots <- struct{}{}
	e.threads.Go(func() {
		runtime.LockOSThread()
		defer func() { <-e.slots }()
		bc.conn.thread.Store(int32(process.ThreadID()))
		st.setUp(e.server)
		bc.run()
	})
}

// threadStream reads and writes with system calls that block the thread.
type threadStream struct {
	in, out []byte

	mu     sync.Mutex // so that nobody touches a number that is by now another descriptor
	fd     int
	closed bool
	said   bool // nothing more will be sent

	inputEnded, aborted atomic.Bool
	last                lastBytes
}

// setUp is called by the thread, before it serves the connection.
func (st *threadStream) setUp(s *Server) {
	_ = s.setUp(st.fd) // one that is broken already shows so soon
	buffer := s.cfg.Buffer
	st.in, st.out = make([]byte, buffer), make([]byte, 0, buffer)
}

func (st *threadStream) open() error { return nil }

func (st *threadStream) await(bc *blockingConn) ([]byte, Next, error) {
	in, n := st.in, 0
	if st.inputEnded.Load() {
		in = st.last.limit(st.fd, in)
	}
	if len(in) > 0 {
		var err error
		if n, err = stream.Receive(st.fd, in); err != nil {
			return nil, Finish, err
		}
	}
	st.last.took(n)
	answer, next := bc.turn(in[:n], st.out[:0])
	return answer, next, nil
}

func (st *threadStream) scratch() []byte     { return st.out[:0] }
func (st *threadStream) send(p []byte) error { return stream.Send(st.fd, p) }

// endInput uses the one call that wakes a thread out of a blocking read. It has a
// price, see awaitAcknowledged, which a stream that lingers cannot pay any more: there
// it does nothing, and lingering has an end of its own.
func (st *threadStream) endInput() {
	st.mu.Lock()
	defer st.mu.Unlock()
	if !st.closed && !st.said {
		st.inputEnded.Store(true)
		stream.ShutdownRead(st.fd)
	}
}

func (st *threadStream) abort() {
	st.aborted.Store(true)
	st.mu.Lock()
	defer st.mu.Unlock()
	if !st.closed {
		stream.ShutdownBoth(st.fd)
	}
}

func (st *threadStream) closeWrite() error {
	st.mu.Lock()
	st.said = true
	st.mu.Unlock()
	if st.inputEnded.Load() {
		st.awaitAcknowledged()
	}
	return stream.ShutdownWrite(st.fd)
}

// awaitAcknowledged waits until the peer's kernel has all that was sent. When
// both directions are shut down, Linux answers the next byte of the peer with a
// reset (RFC 1122, 4.2.2.13), which would destroy what is still on its way. What a peer
// that has gone did not confirm it never will.
func (st *threadStream) awaitAcknowledged() {
	for !st.aborted.Load() && stream.SocketError(st.fd) == 0 {
		if n, err := stream.Unacknowledged(st.fd); n == 0 || err != nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func (st *threadStream) close() {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.closed = true
	stream.Close(st.fd)
}

func (st *threadStream) linger(d time.Duration) {
	for end := time.Now().Add(d); ; {
		left := time.Until(end)
		if left <= 0 || stream.SetReceiveTimeout(st.fd, max(left, time.Millisecond)) != nil {
			return
		}
		if n, err := stream.Receive(st.fd, st.in); n == 0 || err != nil {
			return
		}
	}
}
