package server

import (
	"net/netip"
	"sync/atomic"
)

// Access says from which addresses a server takes connections and datagrams.
// Its rules can be replaced while it is in use. The zero Access, and a nil one, allow all.
type Access struct {
	rules atomic.Pointer[accessRules]
}

type accessRules struct{ allow, deny []netip.Prefix }

// Set replaces the rules. An address in deny is refused; otherwise it is
// allowed if allow is empty or contains it. IPv4 networks are given as IPv4, not mapped
// into IPv6. The slices must not be changed afterwards.
func (a *Access) Set(allow, deny []netip.Prefix) {
	a.rules.Store(&accessRules{allow: allow, deny: deny})
}

// Check returns whether addr, IPv4 unmapped, is allowed, and the reason if not.
func (a *Access) Check(addr netip.Addr) (ok bool, why Reason) {
	if a == nil {
		return true, NotEnded
	}
	rules := a.rules.Load()
	switch {
	case rules == nil:
		return true, NotEnded
	case containsAddr(rules.deny, addr):
		return false, RefusedDenied
	case len(rules.allow) > 0 && !containsAddr(rules.allow, addr):
		return false, RefusedNotAllowed
	}
	return true, NotEnded
}

func containsAddr(prefixes []netip.Prefix, addr netip.Addr) bool {
	addr = addr.WithZone("") // a prefix never contains an address with a zone
	for _, p := range prefixes {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}
