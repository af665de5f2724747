package engines

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// held are TCP connections that are open and silent.
type held struct{ conns []net.Conn }

// hold opens n connections to target, one after the other, and keeps them until
// close. What it could not open is the error, and then nothing stays open.
func hold(ctx context.Context, target netip.AddrPort, n int) (*held, error) {
	h := &held{conns: make([]net.Conn, 0, n)}
	var d net.Dialer
	for range n {
		c, err := d.DialContext(ctx, "tcp", target.String())
		if err != nil {
			return nil, errors.Join(fmt.Errorf("hold %d connections: %d are open: %w", n, len(h.conns), err), h.close())
		}
		h.conns = append(h.conns, c)
	}
	return h, nil
}

// close closes the connections.
func (h *held) close() error {
	var errs []error
	for _, c := range h.conns {
		errs = append(errs, c.Close())
	}
	h.conns = nil
	return errors.Join(errs...)
}
