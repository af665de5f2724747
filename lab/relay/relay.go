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
	"sync"
	"sync/atomic"
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
	Network string // "tcp" or "udp"
	Listen  string // HOST:PORT; port 0 takes a free one
	Target  string // HOST:PORT

	// To impairs what goes to the target, From what comes from it. Over TCP a stream has
	// nothing to lose, double or reorder: those are errors.
	To, From impair.Config
	Seed     uint64 // of chance

	// View, if not nil, is shown what leaves the relay, never by two goroutines at once. It
	// keeps nothing of data.
	View func(client netip.AddrPort, d Direction, data []byte)
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
	listener net.Listener // TCP
	conn     *net.UDPConn // UDP
	seeds    atomic.Uint64
	showing  sync.Mutex
	mu       sync.Mutex
	counts   Counts
}

// Listen opens a relay. The caller calls Run or Close.
func Listen(cfg Config) (*Relay, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	for _, way := range []impair.Config{cfg.To, cfg.From} {
		if err := way.Check(); err != nil {
			return nil, err
		}
		if cfg.Network == "tcp" && (way.Loss > 0 || way.Double > 0 || way.Reorder > 0) {
			return nil, fmt.Errorf("%w: a TCP stream has nothing to lose, double or reorder; delay, rate and corrupt work on it", impair.ErrConfig)
		}
	}
	r := &Relay{cfg: cfg}
	r.seeds.Store(cfg.Seed)
	var err error
	switch cfg.Network {
	case "tcp":
		r.listener, err = net.Listen("tcp", cfg.Listen)
	case "udp":
		var addr *net.UDPAddr
		if addr, err = net.ResolveUDPAddr("udp", cfg.Listen); err == nil {
			r.conn, err = net.ListenUDP("udp", addr)
		}
	default:
		err = fmt.Errorf("relay: network %q is neither tcp nor udp", cfg.Network)
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Addr returns where the relay listens.
func (r *Relay) Addr() netip.AddrPort {
	if r.listener != nil {
		return r.listener.Addr().(*net.TCPAddr).AddrPort()
	}
	return r.conn.LocalAddr().(*net.UDPAddr).AddrPort()
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

// came counts a client.
func (r *Relay) came() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts.Clients++
}

// passed counts and shows what leaves.
func (r *Relay) passed(client netip.AddrPort, d Direction, data []byte) {
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
		r.cfg.View(client, d, data)
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

// newLink returns a link of a direction, with chances of its own.
func (r *Relay) newLink(d Direction) *impair.Link {
	return impair.New(r.way(d), r.seeds.Add(1)-1)
}
