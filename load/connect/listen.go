package connect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

// A Waiter waits for peers, to talk to them one at a time.
type Waiter struct {
	stream    net.Listener // TCP
	datagrams *net.UDPConn // UDP
}

// Listen opens a Waiter on "HOST:PORT" of network tcp or udp; port 0 takes a free one.
func Listen(network, address string) (*Waiter, error) {
	switch network {
	case "tcp":
		l, err := net.Listen("tcp", address)
		return &Waiter{stream: l}, cause(err)
	case "udp":
		addr, err := net.ResolveUDPAddr("udp", address)
		if err != nil {
			return nil, err
		}
		c, err := net.ListenUDP("udp", addr)
		return &Waiter{datagrams: c}, cause(err)
	}
	return nil, fmt.Errorf("connect: network %q is neither tcp nor udp", network)
}

// Addr returns where the Waiter listens.
func (w *Waiter) Addr() netip.AddrPort {
	if w.stream != nil {
		return addrPort(w.stream.Addr())
	}
	return addrPort(w.datagrams.LocalAddr())
}

// Wait returns the next peer, for [Talk], which closes it. Of UDP that is whoever sends
// a datagram next, and the Waiter's own socket serves it: Wait is called again after Talk.
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
		return w.stream.(*net.TCPListener).SetDeadline
	}
	return w.datagrams.SetDeadline
}

func (w *Waiter) next() (net.Conn, error) {
	if w.stream != nil {
		return w.stream.Accept()
	}
	first := make([]byte, receiveSize)
	n, peer, err := w.datagrams.ReadFromUDPAddrPort(first)
	if err != nil {
		return nil, err
	}
	return &peerConn{UDPConn: w.datagrams, peer: peer, first: first[:n], waiting: true}, nil
}

// Close ends Wait. Of TCP, a peer that has come stays.
func (w *Waiter) Close() error {
	if w.stream != nil {
		return w.stream.Close()
	}
	return nil // the socket is the peer's too; the process's end closes it
}

// peerConn is a listening socket that speaks to one peer alone.
type peerConn struct {
	*net.UDPConn
	peer    netip.AddrPort
	first   []byte
	waiting bool // first is still to be read
}

func (c *peerConn) Read(b []byte) (int, error) {
	if c.waiting {
		c.waiting = false
		return copy(b, c.first), nil
	}
	for {
		n, from, err := c.ReadFromUDPAddrPort(b)
		if err != nil || from == c.peer {
			return n, err
		}
	}
}

func (c *peerConn) Write(b []byte) (int, error) { return c.WriteToUDPAddrPort(b, c.peer) }

func (c *peerConn) RemoteAddr() net.Addr { return net.UDPAddrFromAddrPort(c.peer) }

// Close leaves the socket to the next peer.
func (c *peerConn) Close() error { return nil }

// Talk is [Run] with a peer that has come, and closes conn.
func Talk(ctx context.Context, cfg Config, conn net.Conn) (Conversation, error) {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	s := &session{cfg: &cfg, source: newSource(&cfg), end: end, result: Conversation{Network: cfg.Network}, conn: conn}
	defer s.source.Close()
	defer conn.Close()
	s.result.Attempts = 1
	if err := s.connected(conn); err != nil {
		return s.result, err
	}
	s.start = time.Now()
	var watcher sync.WaitGroup
	if cfg.Network == "udp" && cfg.IdleTimeout > 0 { // it has no end of its own
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
