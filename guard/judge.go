package guard

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"wirelab/internal/sys/session"
)

// judge decides whether a process proves that people can still get in, and says
// from where it came.
func (h *holder) judge(pid int) (from string, err error) {
	if pid == 0 {
		return "", fmt.Errorf("%w: the caller is in a process namespace that the guard does not see", ErrRefused)
	}
	chain, err := session.Ancestry(pid)
	if err != nil {
		return "", fmt.Errorf("%w: the caller cannot be looked up: %w", ErrRefused, err)
	}
	own, err := ownAddresses()
	if err != nil {
		return "", fmt.Errorf("%w: the machine's own addresses cannot be read: %w", ErrRefused, err)
	}
	e := evidence{chain: chain, changed: h.changed, audit: h.journal.Audit, own: own}
	e.login, e.connection, e.remote = session.Login(chain)
	return e.judge()
}

// evidence is what is known of somebody who confirms.
type evidence struct {
	chain      []session.Process // the caller and its ancestors
	remote     bool              // one of them serves a remote login:
	login      session.Process
	connection session.Connection

	changed time.Duration // when the change was made
	audit   uint32        // the audit session that made it
	own     []netip.Addr
}

func (e *evidence) judge() (from string, err error) {
	if len(e.chain) == 0 {
		return "", fmt.Errorf("%w: the caller has no ancestors", ErrRefused)
	}
	caller := e.chain[0]
	if !e.remote {
		if caller.Terminal.Console() {
			return "the console", nil
		}
		return "", fmt.Errorf("%w: this is neither a console nor a session of sshd or dropbear, but a child of %v: log in anew and confirm there",
			ErrRefused, e.chain[len(e.chain)-1])
	}
	peer := e.connection.Peer.Addr().WithZone("")
	switch {
	case e.login.Started <= e.changed:
		return "", fmt.Errorf("%w: this session began before the change and proves nothing, since its packets pass as established: log in anew (with ControlMaster: ssh -S none) and confirm there",
			ErrRefused)
	case peer.IsLoopback() || slices.Contains(e.own, peer):
		return "", fmt.Errorf("%w: this session comes from %v, an address of this machine itself: log in from another one", ErrRefused, peer)
	case e.audit != session.NoAudit && caller.Audit == e.audit:
		return "", fmt.Errorf("%w: this is the login session that made the change (audit session %d): log in anew and confirm there", ErrRefused, e.audit)
	}
	return fmt.Sprintf("a login from %v", e.connection.Peer), nil
}

// ownAddresses returns the addresses of all interfaces of the network namespace.
func ownAddresses() ([]netip.Addr, error) {
	prefixes, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	var own []netip.Addr
	for _, p := range prefixes {
		if n, ok := p.(*net.IPNet); ok {
			if a, ok := netip.AddrFromSlice(n.IP); ok {
				own = append(own, a.Unmap())
			}
		}
	}
	return own, nil
}
