package load

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// Held are TCP connections that are open and silent.
type Held struct{ conns []net.Conn }

// Hold opens n connections to target, one after the other, and keeps them until
// Close. What it could not open is the error, and then nothing stays open.
func Hold(ctx context.Context, target netip.AddrPort, n int) (*Held, error) {
	h := &Held{conns: make([]net.Conn, 0, n)}
	var d net.Dialer
	for range n {
		c, err := d.DialContext(ctx, "tcp", target.String())
		if err != nil {
			return nil, errors.Join(fmt.Errorf("hold %d connections: %d are open: %w", n, len(h.conns), err), h.Close())
		}
		h.conns = append(h.conns, c)
	}
	return h, nil
}

// Close closes the connections.
func (h *Held) Close() error {
	var errs []error
	for _, c := range h.conns {
		errs = append(errs, c.Close())
	}
	h.conns = nil
	return errors.Join(errs...)
}
