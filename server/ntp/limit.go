package ntp

import (
	"hash/maphash"
	"net/netip"
	"time"
)

// A limiter keeps clients to a rate: a token bucket for each address, of IPv6 for each
// /64, in a table of fixed size.
type limiter struct {
	seed    maphash.Seed
	perNano float64 // tokens
	burst   float64
	buckets []bucket
}

type bucket struct {
	owner  uint32
	kissed bool
	at     int64 // when tokens were counted
	tokens float64
}

// limitSlots is the size of the table, a power of two.
const limitSlots = 1 << 14

// What becomes of a request.
type permission uint8

const (
	allowed permission = iota
	kiss               // the first in excess is told so
	refused
)

func newLimiter(perSecond float64, burst int) *limiter {
	return &limiter{seed: maphash.MakeSeed(), perNano: perSecond / 1e9, burst: float64(burst), buckets: make([]bucket, limitSlots)}
}

// take spends a token of the address. A bucket whose owner changes is full.
func (l *limiter) take(a netip.Addr, now time.Time) permission {
	if a.Is6() {
		prefix, _ := a.WithZone("").Prefix(64) // 64 is in range
		a = prefix.Addr()
	}
	h := maphash.Comparable(l.seed, a)
	b, at := &l.buckets[h%limitSlots], now.UnixNano()
	if owner := uint32(h >> 32); b.owner != owner || b.at == 0 {
		*b = bucket{owner: owner, at: at, tokens: l.burst}
	}
	b.tokens = min(b.tokens+float64(max(at-b.at, 0))*l.perNano, l.burst)
	b.at = at
	if b.tokens >= 1 {
		b.tokens--
		b.kissed = false
		return allowed
	}
	if !b.kissed {
		b.kissed = true
		return kiss
	}
	return refused
}
