package connect

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// turns is a connection over UDP to the first of several addresses that does not refuse.
// Only the answer to a datagram shows that, so what was sent meanwhile is kept, to be sent
// again to the next. Once an address has answered, it stays.
type turns struct {
	switched func(net.Conn)

	mu       sync.Mutex
	conn     net.Conn
	others   []netip.AddrPort
	sent     [][]byte
	deadline time.Time
}

// keptDatagrams is how many datagrams are sent again to another address.
const keptDatagrams = 16

func (s *session) dialInTurn() (net.Conn, error) {
	t := &turns{others: s.cfg.Others, switched: func(c net.Conn) { _ = s.connected(c) }}
	var err error
	if t.conn, err = net.Dial("udp", s.cfg.Address); err == nil {
		return t, nil
	}
	t.conn = nil
	if t.advance(nil) {
		return t, nil
	}
	return nil, err
}

func (t *turns) current() net.Conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.conn
}

// passes reports whether another address might do better.
func passes(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH)
}

// advance goes on from failed to the next address, unless that has been done. It reports
// whether there is one.
func (t *turns) advance(failed net.Conn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if failed != t.conn {
		return true
	}
	for len(t.others) > 0 {
		next := t.others[0]
		t.others = t.others[1:]
		conn, err := net.Dial("udp", next.String())
		if err != nil {
			continue
		}
		_ = conn.SetDeadline(t.deadline) // a new socket takes one
		if !t.sendAgain(conn) {
			conn.Close()
			continue
		}
		t.conn = conn
		if failed != nil {
			failed.Close()
			t.switched(conn)
		}
		return true
	}
	return false
}

func (t *turns) sendAgain(conn net.Conn) bool {
	for _, b := range t.sent {
		if _, err := conn.Write(b); err != nil {
			return false
		}
	}
	return true
}

func (t *turns) Read(b []byte) (int, error) {
	for {
		conn := t.current()
		n, err := conn.Read(b)
		switch {
		case err == nil:
			t.settle()
			return n, nil
		case conn != t.current():
		case !passes(err) || !t.advance(conn):
			return n, err
		}
	}
}

// settle keeps the address, which has answered.
func (t *turns) settle() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.others, t.sent = nil, nil
}

func (t *turns) Write(b []byte) (int, error) {
	t.keep(b)
	for {
		conn := t.current()
		n, err := conn.Write(b)
		switch {
		case err == nil:
			return n, nil
		case conn != t.current():
			return len(b), nil // it was sent again
		case !passes(err) || !t.advance(conn):
			return n, err
		default:
			return len(b), nil
		}
	}
}

func (t *turns) keep(b []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.others) == 0 {
		return
	}
	if len(t.sent) == keptDatagrams {
		t.sent = t.sent[1:]
	}
	t.sent = append(t.sent, append([]byte(nil), b...))
}

func (t *turns) SetDeadline(d time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.deadline = d
	return t.conn.SetDeadline(d)
}

func (t *turns) SetReadDeadline(d time.Time) error  { return t.current().SetReadDeadline(d) }
func (t *turns) SetWriteDeadline(d time.Time) error { return t.current().SetWriteDeadline(d) }
func (t *turns) LocalAddr() net.Addr                { return t.current().LocalAddr() }
func (t *turns) RemoteAddr() net.Addr               { return t.current().RemoteAddr() }
func (t *turns) Close() error                       { return t.current().Close() }
