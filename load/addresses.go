package load

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"wirelab/internal/sys"
	"wirelab/internal/sys/datagram"
	"wirelab/internal/sys/stream"
)

// Sources are the addresses of this host that clients connect from, in turn: an
// address has some 28,000 ports for a server. The zero Sources leave the choice to
// the kernel.
type Sources struct {
	text        string
	first, last netip.Addr
}

// SourcesSyntax shows what ParseSources understands.
const SourcesSyntax = "127.0.0.2, 127.0.0.2-127.0.0.20 or 127.0.0.0/28"

// maxSources bounds how many addresses are used: an address is one addition away
// from the one before.
const maxSources = 1 << 16

var errSources = errors.New("write one address, a range or a prefix: " + SourcesSyntax)

// ParseSources reads one address, FIRST-LAST, or a prefix, which stands for its
// hosts: of IPv4, all addresses but the first and the last. Of very many addresses,
// the first 65,536 are used.
func ParseSources(spec string) (Sources, error) {
	first, last, err := parseRange(spec)
	if err != nil {
		return Sources{}, fmt.Errorf("source %.60q: %w", spec, err)
	}
	return Sources{text: spec, first: first, last: last}, nil
}

func parseRange(spec string) (first, last netip.Addr, err error) {
	if strings.Contains(spec, "/") {
		p, err := netip.ParsePrefix(spec)
		if err != nil {
			return first, last, errSources
		}
		first, last = hosts(p)
		return first, last, nil
	}
	from, to, isRange := strings.Cut(spec, "-")
	if !isRange {
		to = from
	}
	first, err1 := netip.ParseAddr(strings.TrimSpace(from))
	last, err2 := netip.ParseAddr(strings.TrimSpace(to))
	switch {
	case err1 != nil || err2 != nil || first.Zone() != "" || last.Zone() != "":
		return first, last, errSources
	case first.Is4() != last.Is4() || last.Less(first):
		return first, last, errors.New("the range ends before it begins")
	}
	return first, last, nil
}

// hosts returns the first and the last address that a host may have.
func hosts(p netip.Prefix) (first, last netip.Addr) {
	p = p.Masked()
	b := p.Addr().AsSlice()
	for bit := p.Bits(); bit < len(b)*8; bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	first = p.Addr()
	last, _ = netip.AddrFromSlice(b)
	if first.Is4() && p.Bits() <= 30 {
		return first.Next(), last.Prev()
	}
	return first, last
}

// String returns what the sources were parsed from.
func (s Sources) String() string { return s.text }

// list returns the addresses, none for the zero Sources.
func (s Sources) list() []netip.Addr {
	var addrs []netip.Addr
	if !s.first.IsValid() {
		return nil
	}
	for a := s.first; len(addrs) < maxSources; a = a.Next() {
		addrs = append(addrs, a)
		if a == s.last {
			break
		}
	}
	return addrs
}

// endpoints deals addresses out to clients.
type endpoints struct {
	targets []netip.AddrPort
	sources []netip.Addr
}

func (e *endpoints) target(client uint64) netip.AddrPort {
	return e.targets[client%uint64(len(e.targets))]
}

// source is such that the clients of every target use all sources alike.
func (e *endpoints) source(client uint64) netip.Addr {
	if len(e.sources) == 0 {
		return netip.Addr{}
	}
	source := e.sources[client/uint64(len(e.targets))%uint64(len(e.sources))]
	if source.IsLinkLocalUnicast() && source.Is6() {
		return source.WithZone(e.target(client).Addr().Zone()) // it is on the link of the target
	}
	return source
}

// mostChecked bounds how many sources are tried before a run.
const mostChecked = 4096

// check returns an error of kind ErrConfig if clients are to connect from an address that
// is not of this host.
func (e *endpoints) check(clients int) error {
	sources := e.sources[:min(len(e.sources), clients, mostChecked)]
	for i, source := range sources {
		client := uint64(i * len(e.targets)) // the first from there
		fd, err := datagram.ConnectFrom(e.source(client), e.target(client))
		if sys.NotOurs(err) {
			return fmt.Errorf("%w: the source %s is not an address of this host (see: ip address)", ErrConfig, source)
		}
		if err == nil {
			stream.Close(fd)
		}
	}
	return nil
}
