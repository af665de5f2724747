// Package relay stands between clients and a server, and shows, delays, loses, doubles,
// reorders or damages what passes, in each direction as it is told.
//
// A [Relay] of TCP has a connection to the target for each of its clients; one of UDP a
// socket for each. Without impairments and a view, TCP passes through the kernel alone.
package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"wirelab/lab/impair"
)

// Direction is which way something passes.
type Direction uint8

// The directions.
const (
	ToTarget Direction = iota
	ToClient
)

// String returns an arrow, seen from the client.
func (d Direction) String() string { return [...]string{"->", "<-"}[d] }

// Config says what a relay does.
type Config struct {
	Network string // "tcp", "udp", or "unix" for streams of a Unix socket
	Listen  string // HOST:PORT, where port 0 takes a free one, or a path
	Target  string // HOST:PORT; of a name all addresses are tried
	// TargetNetwork is what the target speaks, where that is not Network: a stream may come
	// over "tcp" and go on over "unix", and the other way round.
	TargetNetwork string
	Family        string // "4" or "6": only such addresses of the target; "": all

	// To impairs what goes to the target, From what comes from it. Over TCP a stream has
	// nothing to lose, double or reorder: those are errors.
	To, From impair.Config
	Seed     uint64 // of chance

	// View, if not nil, is shown what leaves the relay, never by two goroutines at once. It
	// keeps nothing of data.
	View func(client string, d Direction, data []byte)
	Log  *slog.Logger // nil: nothing is logged
}

// MaxClients bounds the clients of a relay at one time; of UDP, the one that has been
// silent for longest makes room.
const MaxClients = 1024

// silence is how long a UDP client may say nothing until its socket is closed.
const silence = 2 * time.Minute

// Counts are what passed so far.
type Counts struct {
	Clients                  uint64
	BytesTo, BytesFrom       uint64
	MessagesTo               uint64 // datagrams, or pieces of a stream
	MessagesFrom             uint64
	ImpairedTo, ImpairedFrom impair.Counts
}

// Relay relays one network. It listens from Listen on.
type Relay struct {
	cfg      Config
	listener net.Listener     // of streams
	conn     *net.UDPConn     // of datagrams
	targets  []netip.AddrPort // of datagrams
	showing  sync.Mutex
	mu       sync.Mutex
	counts   Counts
}

// Listen opens a relay, and looks up the target of datagrams. The caller calls Run or Close.
func Listen(ctx context.Context, cfg Config) (*Relay, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.TargetNetwork == "" {
		cfg.TargetNetwork = cfg.Network
	}
	if err := cfg.check(); err != nil {
		return nil, err
	}
	r := &Relay{cfg: cfg}
	var err error
	if cfg.Network == "udp" {
		err = r.listenDatagrams(ctx)
	} else {
		r.listener, err = net.Listen(cfg.Network, cfg.Listen)
	}
	if err != nil {
		return nil, err
	}
	if r.isTarget() {
		r.Close()
		return nil, fmt.Errorf("%w: %s is where it listens itself", ErrTarget, cfg.Target)
	}
	return r, nil
}

// ErrTarget reports a target that nothing can be relayed to.
var ErrTarget = errors.New("the target makes no sense")

// isTarget reports whether the relay would relay to itself, without end.
func (r *Relay) isTarget() bool {
	if r.cfg.TargetNetwork == "unix" {
		return r.cfg.Network == "unix" && r.cfg.Target == r.cfg.Listen
	}
	own, err := netip.ParseAddrPort(r.Addr())
	if err != nil { // a path
		return false
	}
	targets := r.targets
	if target, err := netip.ParseAddrPort(r.cfg.Target); err == nil {
		targets = []netip.AddrPort{target}
	}
	return slices.ContainsFunc(targets, func(a netip.AddrPort) bool {
		return a.Port() == own.Port() && (a.Addr().Unmap() == own.Addr().Unmap() || own.Addr().IsUnspecified() && a.Addr().IsLoopback())
	})
}

// check returns an error for what cannot be relayed, or not in that way.
func (cfg *Config) check() error {
	isStream := func(network string) bool { return network == "tcp" || network == "unix" }
	if cfg.Network != "udp" && !isStream(cfg.Network) || isStream(cfg.Network) != isStream(cfg.TargetNetwork) {
		return fmt.Errorf("relay: %q to %q: streams of tcp and unix are relayed, and datagrams of udp", cfg.Network, cfg.TargetNetwork)
	}
	for _, way := range []impair.Config{cfg.To, cfg.From} {
		if err := way.Check(); err != nil {
			return err
		}
		if cfg.Network != "udp" && (way.Loss > 0 || way.Double > 0 || way.Reorder > 0) {
			return fmt.Errorf("%w: a stream has nothing to lose, double or reorder; delay, rate and corrupt work on it", impair.ErrConfig)
		}
	}
	return nil
}

// Addr returns where the relay listens: HOST:PORT, or a path.
func (r *Relay) Addr() string {
	if r.listener != nil {
		return r.listener.Addr().String()
	}
	return r.conn.LocalAddr().String()
}

// Close closes what Listen opened; Run then returns.
func (r *Relay) Close() error {
	if r.listener != nil {
		return r.listener.Close()
	}
	return r.conn.Close()
}

// Run relays until ctx ends. Nothing of it is left when it returns.
func (r *Relay) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = r.Close() }) // it may be closed already
	defer stop()
	var err error
	if r.listener != nil {
		err = r.runStreams(ctx)
	} else {
		err = r.runDatagrams(ctx)
	}
	if ctx.Err() != nil && errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Counts returns what passed so far.
func (r *Relay) Counts() Counts {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counts
}

// A client is who has come to a relay.
type client struct {
	name   string // its address, or where it has none its number
	number uint64 // from 1
}

// came counts a client at addr.
func (r *Relay) came(addr string) client {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts.Clients++
	c := client{addr, r.counts.Clients}
	if addr == "" || addr == "@" { // of a Unix socket
		c.name = "#" + strconv.FormatUint(c.number, 10)
	}
	return c
}

// passed counts and shows what leaves.
func (r *Relay) passed(c client, d Direction, data []byte) {
	r.mu.Lock()
	if d == ToTarget {
		r.counts.MessagesTo++
		r.counts.BytesTo += uint64(len(data))
	} else {
		r.counts.MessagesFrom++
		r.counts.BytesFrom += uint64(len(data))
	}
	r.mu.Unlock()
	if r.cfg.View != nil {
		r.showing.Lock()
		defer r.showing.Unlock()
		r.cfg.View(c.name, d, data)
	}
}

// impaired adds what became of packets on a link that has ended, or of some more of them.
func (r *Relay) impaired(d Direction, before, now impair.Counts) {
	r.mu.Lock()
	defer r.mu.Unlock()
	sum := &r.counts.ImpairedTo
	if d == ToClient {
		sum = &r.counts.ImpairedFrom
	}
	sum.Pushed += now.Pushed - before.Pushed
	sum.Lost += now.Lost - before.Lost
	sum.Overflowed += now.Overflowed - before.Overflowed
	sum.Doubled += now.Doubled - before.Doubled
	sum.Reordered += now.Reordered - before.Reordered
	sum.Corrupted += now.Corrupted - before.Corrupted
	sum.Popped += now.Popped - before.Popped
}

// way returns the impairments of a direction.
func (r *Relay) way(d Direction) impair.Config {
	if d == ToTarget {
		return r.cfg.To
	}
	return r.cfg.From
}

// newLink returns a link of a direction for a client, with chances of its own, which are the
// same in every run.
func (r *Relay) newLink(c client, d Direction) *impair.Link {
	return impair.New(r.way(d), r.cfg.Seed+2*(c.number-1)+uint64(d))
}

// overflowed counts a datagram for which a direction has no room.
func (r *Relay) overflowed(d Direction) {
	r.impaired(d, impair.Counts{}, impair.Counts{Pushed: 1, Overflowed: 1})
}
