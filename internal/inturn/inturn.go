// Package inturn speaks UDP to the first of several addresses that does not refuse, such as
// those of a name of which the server has bound only some.
package inturn

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// A Conn is a connection over UDP to the first of several addresses that does not refuse.
// Only the answer to a datagram shows that, so what was sent meanwhile is kept, to be sent
// again to the next. Once an address has answered, it stays.
type Conn struct {
	dialer   net.Dialer
	switched func(net.Conn)

	mu       sync.Mutex
	conn     net.Conn
	others   []netip.AddrPort
	sent     [][]byte
	deadline time.Time
}

// keptDatagrams is how many datagrams are sent again to another address.
const keptDatagrams = 16

// Dial returns a connection to the first of addrs, of which there is one at least. It calls
// switched, if that is not nil, whenever it goes on to another.
func Dial(dialer net.Dialer, addrs []netip.AddrPort, switched func(net.Conn)) (*Conn, error) {
	t := &Conn{dialer: dialer, others: addrs[1:], switched: switched}
	var err error
	if t.conn, err = dialer.Dial("udp", addrs[0].String()); err == nil {
		return t, nil
	}
	t.conn = nil
	if t.advance(nil) {
		return t, nil
	}
	return nil, err
}

func (t *Conn) current() net.Conn {
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
func (t *Conn) advance(failed net.Conn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if failed != t.conn {
		return true
	}
	for len(t.others) > 0 {
		next := t.others[0]
		t.others = t.others[1:]
		conn, err := t.dialer.Dial("udp", next.String())
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
			if t.switched != nil {
				t.switched(conn)
			}
		}
		return true
	}
	return false
}

func (t *Conn) sendAgain(conn net.Conn) bool {
	for _, b := range t.sent {
		if _, err := conn.Write(b); err != nil {
			return false
		}
	}
	return true
}

// Read returns the next datagram of the address in use.
func (t *Conn) Read(b []byte) (int, error) {
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
func (t *Conn) settle() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.others, t.sent = nil, nil
}

// Write sends a datagram, and again to the next address where this one refuses it.
func (t *Conn) Write(b []byte) (int, error) {
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

func (t *Conn) keep(b []byte) {
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

// SetDeadline is that of [net.Conn], for addresses to come too.
func (t *Conn) SetDeadline(d time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.deadline = d
	return t.conn.SetDeadline(d)
}

// SetReadDeadline is that of the address in use, as all that follow.
func (t *Conn) SetReadDeadline(d time.Time) error  { return t.current().SetReadDeadline(d) }
func (t *Conn) SetWriteDeadline(d time.Time) error { return t.current().SetWriteDeadline(d) }
func (t *Conn) LocalAddr() net.Addr                { return t.current().LocalAddr() }
func (t *Conn) RemoteAddr() net.Addr               { return t.current().RemoteAddr() }
func (t *Conn) Close() error                       { return t.current().Close() }
