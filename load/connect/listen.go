package connect

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"wirelab/internal/sys/socket"
)

// A Waiter waits for peers, to talk to them one at a time.
type Waiter struct {
	stream    net.Listener   // of "tcp" or "unix"
	datagrams net.PacketConn // of "udp" or "unixgram"
	everyone  bool
}

// Listen opens a Waiter on the address of a network as in [Config]; TCP and UDP port 0
// takes a free one. A Unix socket that nobody listens on any more gives way. With everyone,
// a conversation of datagrams takes them from all who send, and answers who was the last.
func Listen(ctx context.Context, network, address string, options socket.Options, everyone bool) (*Waiter, error) {
	if !slices.Contains(networks[:], network) {
		return nil, networkError(network)
	}
	w, err := listen(ctx, network, address, options)
	if errors.Is(err, syscall.EADDRINUSE) && removeStale(network, address) {
		w, err = listen(ctx, network, address, options)
	}
	if err != nil {
		return nil, cause(err)
	}
	w.everyone = everyone
	return w, nil
}

func listen(ctx context.Context, network, address string, options socket.Options) (*Waiter, error) {
	config := net.ListenConfig{Control: options.Control}
	if datagramNetwork(network) {
		c, err := config.ListenPacket(ctx, network, address)
		return &Waiter{datagrams: c}, err
	}
	l, err := config.Listen(ctx, network, address)
	return &Waiter{stream: l}, err
}

// removeStale removes a Unix socket that is left of a process that has ended, and reports
// whether it did.
func removeStale(network, path string) bool {
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Type() != fs.ModeSocket {
		return false
	}
	conn, err := net.Dial(network, path)
	if err == nil {
		conn.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED) && os.Remove(path) == nil
}

// Addr returns where the Waiter listens: an address and port, or a path.
func (w *Waiter) Addr() string {
	if w.stream != nil {
		return endpoint(w.stream.Addr())
	}
	return endpoint(w.datagrams.LocalAddr())
}

// Wait returns the next peer, for [Talk], which closes it. Of datagrams that is whoever
// sends one next, and the Waiter's own socket serves it: Wait is called again after Talk.
func (w *Waiter) Wait(ctx context.Context) (net.Conn, error) {
	deadline := w.deadline()
	_ = deadline(time.Time{}) // it fails only when closed, and then Accept does
	stop := context.AfterFunc(ctx, func() { _ = deadline(time.Unix(1, 0)) })
	defer stop()
	conn, err := w.next()
	if err != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return conn, err
}

func (w *Waiter) deadline() func(time.Time) error {
	if w.stream != nil {
		return w.stream.(interface{ SetDeadline(time.Time) error }).SetDeadline
	}
	return w.datagrams.SetDeadline
}

func (w *Waiter) next() (net.Conn, error) {
	if w.stream != nil {
		return w.stream.Accept()
	}
	first := make([]byte, receiveSize)
	n, peer, err := w.datagrams.ReadFrom(first)
	if err != nil {
		return nil, err
	}
	return &peerConn{PacketConn: w.datagrams, peer: named(peer), first: first[:n], waiting: true, everyone: w.everyone}, nil
}

// Close ends Wait. Of streams, a peer that has come stays.
func (w *Waiter) Close() error {
	if w.stream != nil {
		return w.stream.Close()
	}
	if unix, ok := w.datagrams.LocalAddr().(*net.UnixAddr); ok && !strings.HasPrefix(unix.Name, "@") {
		_ = os.Remove(unix.Name) // nobody can send to it any more
	}
	return w.datagrams.Close()
}

// peerConn is a listening socket of datagrams that speaks to one peer alone, or takes what
// everyone sends.
type peerConn struct {
	net.PacketConn
	first    []byte
	waiting  bool // first is still to be read
	everyone bool
	changed  func() // another peer has sent a datagram

	mu   sync.Mutex
	peer net.Addr
}

// errUnnamed is the failure of an answer to a Unix socket without a path.
var errUnnamed = errors.New("the sender has bound its socket to no path, so that nothing can be sent to it")

// named returns an address that can be shown, where a datagram came from none.
func named(peer net.Addr) net.Addr {
	if peer == nil {
		return &net.UnixAddr{Net: "unixgram"}
	}
	return peer
}

func (c *peerConn) Read(b []byte) (int, error) {
	if c.waiting {
		c.waiting = false
		return copy(b, c.first), nil
	}
	for {
		n, from, err := c.ReadFrom(b)
		if err != nil || c.takes(named(from)) {
			return n, err
		}
	}
}

// takes reports whether a datagram of that peer belongs to the conversation.
func (c *peerConn) takes(from net.Addr) bool {
	c.mu.Lock()
	known := from.String() == c.peer.String()
	if c.everyone {
		c.peer = from
	}
	c.mu.Unlock()
	if c.everyone && !known && c.changed != nil {
		c.changed()
	}
	return known || c.everyone
}

func (c *peerConn) Write(b []byte) (int, error) {
	peer := c.RemoteAddr()
	if endpoint(peer) == Unnamed {
		return 0, errUnnamed
	}
	return c.WriteTo(b, peer)
}

func (c *peerConn) RemoteAddr() net.Addr {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.peer
}

// Close leaves the socket to the next peer.
func (c *peerConn) Close() error { return nil }

// Talk is [Run] with a peer that has come, and closes conn.
func Talk(ctx context.Context, cfg Config, conn net.Conn) (Conversation, error) {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	s := &session{cfg: &cfg, source: newSource(&cfg), end: end, result: Conversation{Network: cfg.Network}, conn: conn}
	defer s.source.Close()
	defer conn.Close()
	cfg.tune(conn)
	s.result.Attempts = 1
	if err := s.connected(conn); err != nil {
		return s.result, err
	}
	if peer, ok := conn.(*peerConn); ok {
		peer.changed = func() { _ = s.connected(conn) }
	}
	s.start = time.Now()
	var watcher sync.WaitGroup
	if datagramNetwork(cfg.Network) && cfg.IdleTimeout > 0 { // it has no end of its own
		watcher.Go(func() { s.watchIdle(ctx, cfg.IdleTimeout) })
	}
	err := s.run(ctx)
	s.result.Duration = time.Since(s.start)
	end(nil)
	watcher.Wait()
	return s.result, err
}

// Patient returns an input that does not end: after its last byte it waits for Close. A
// listener of datagrams goes on listening when there is nothing more to say.
func Patient(input io.ReadCloser) io.ReadCloser {
	return &patient{input: input, closed: make(chan struct{})}
}

type patient struct {
	input  io.ReadCloser
	once   sync.Once
	closed chan struct{}
}

func (p *patient) Read(b []byte) (int, error) {
	n, err := p.input.Read(b)
	if n == 0 && errors.Is(err, io.EOF) {
		<-p.closed
	}
	return n, err
}

func (p *patient) Close() error {
	p.once.Do(func() { close(p.closed) })
	return p.input.Close()
}
