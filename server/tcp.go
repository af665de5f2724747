package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"wirelab/internal/sys/process"
	"wirelab/internal/sys/stream"
)

// TCP is a TCP server. It listens from ListenTCP on, and accepts while Run runs.
type TCP struct {
	cfg    TCPConfig
	addr   netip.AddrPort
	since  time.Time
	engine engine
	note   string
	conns  *connTable
	failed chan error // what the engine failed of, while it still has connections
	log    *slog.Logger
	trace  bool         // log each message
	tick   atomic.Int64 // the uptime, renewed each tickInterval

	life      lifecycle
	starvedAt atomic.Int64 // the uptime when a descriptor was missed last; 0: none is

	mu       sync.Mutex
	events   map[string]uint64
	refusals lineLimit
}

// ListenTCP binds a server to its address. A busy port is a *PortBusyError.
// The caller must call Run or Close, which close what ListenTCP opened.
func ListenTCP(cfg TCPConfig) (*TCP, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	kinds, err := enginesFor(cfg.Engine, cfg.TLS != nil)
	if err != nil {
		return nil, err
	}
	var failed startErrors
	for _, kind := range kinds {
		s, err := listenUnder(kind, cfg)
		if cannot := (*startError)(nil); errors.As(err, &cannot) {
			failed = append(failed, cannot)
			continue
		}
		if err != nil {
			return nil, err
		}
		s.note = failed.Error()
		return s, nil
	}
	return nil, failed.answer(cfg.Engine)
}

// listenUnder binds a server that this engine hosts, or returns a *startError if it
// cannot: then nothing is left open, and another may.
func listenUnder(kind EngineKind, cfg TCPConfig) (*TCP, error) {
	if err := kind.probe(); err != nil {
		return nil, &startError{kind.Name, err}
	}
	cfg.Engine = kind.Name
	s := &TCP{cfg: cfg, since: time.Now(), conns: newConnTable(), failed: make(chan error, 1), log: cfg.Log, events: map[string]uint64{}, life: newLifecycle()}
	s.trace = s.log.Enabled(context.Background(), slog.LevelDebug)
	s.capConns(kind)
	s.reserveDescriptors()
	s.keepDescriptors()
	listener, err := s.listen()
	if err != nil {
		return nil, err
	}
	if s.engine, err = kind.start(s, listener); err != nil {
		return nil, &startError{kind.Name, err}
	}
	return s, nil
}

// capConns lowers MaxConns to what the engine's model can hold on this machine.
func (s *TCP) capConns(kind EngineKind) {
	n, why := kind.maxConns()
	if n > 0 && (s.cfg.MaxConns <= 0 || s.cfg.MaxConns > n) {
		s.log.Info("connections are limited by the engine", "engine", kind.Name, "max_conns", n, "why", why)
		s.cfg.MaxConns = n
	}
}

// descriptorsKept are left to whoever must be heard when connections have taken all
// others: the control socket, logs, files that are read again on SIGHUP.
const descriptorsKept = 24

// keepDescriptors lowers MaxConns so that connections leave some descriptors free.
func (s *TCP) keepDescriptors() {
	limit, used, err := process.DescriptorLimit()
	room := limit - used - descriptorsKept
	if err == nil && room > 0 && (s.cfg.MaxConns <= 0 || s.cfg.MaxConns > room) {
		s.cfg.MaxConns = room
	}
}

// listen opens the listener, and notes its address.
func (s *TCP) listen() (listener int, err error) {
	err = bindNext("tcp", s.cfg.Addr, s.cfg.AutoPort, func(addr netip.AddrPort) (err error) {
		listener, s.addr, err = stream.Listen(addr)
		return err
	})
	if err != nil {
		return -1, fmt.Errorf("listen on tcp %s: %w", s.cfg.Addr, err)
	}
	return listener, nil
}

// Addr returns the address that the server listens on.
func (s *TCP) Addr() netip.AddrPort { return s.addr }

// Engine returns the name of the engine that hosts the connections, and why it is
// not a better one or the one asked for; the note is empty if there is nothing to say.
func (s *TCP) Engine() (name, note string) { return s.cfg.Engine, s.note }

// Processors returns how many goroutines Go should run at a time (see
// runtime.GOMAXPROCS) for the server to run well: one more than it has event loops. A
// loop that sleeps in the kernel has its place taken away at once if no other is
// free, and for that Go's monitor looks every 20 microseconds: on two cores a tenth
// of the server's processor time. The setting is the process's, so its owner makes it.
func (s *TCP) Processors() int {
	if e, ok := s.engine.(*loopEngine); ok {
		return len(e.loops) + 1
	}
	return 1
}

// Accepted returns how many connections have been admitted so far.
func (s *TCP) Accepted() uint64 { return s.conns.count() }

// Run accepts and serves connections until ctx ends. Then it takes no more,
// lets every connection finish what has arrived, breaks off those that have not
// within the drain timeout, and returns nil. When the engine fails, it does the
// same, and returns why. When it returns, no goroutine,
// thread or descriptor of the server is left. It may be called once; after that, and
// after Close, it returns ErrClosed.
func (s *TCP) Run(ctx context.Context) error {
	if !s.life.begin() {
		return ErrClosed
	}
	defer s.life.end()
	s.log.Info("listening", "addr", s.addr, "engine", s.cfg.Engine, "handler", s.cfg.HandlerName)
	housekeeping, stopHousekeeping := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { s.keepTime(housekeeping) })

	served := make(chan error, 1)
	wg.Go(func() { served <- s.engine.run() })
	err := s.serveUntil(ctx, served)

	stopHousekeeping()
	wg.Wait()
	s.logSummary()
	return err
}

// Close ends the server at once, without letting connections finish, and returns when
// Run has. Of a server that is not run it closes what ListenTCP opened. It may be called
// at any time and more than once.
func (s *TCP) Close() error {
	if !s.life.close() {
		return nil
	}
	defer s.life.end()
	s.conns.close()
	s.engine.stop()
	return s.engine.run()
}

// serveUntil waits for the engine's end, and brings it about when ctx ends or the
// engine has failed.
func (s *TCP) serveUntil(ctx context.Context, served <-chan error) error {
	select {
	case err := <-served:
		return err
	case err := <-s.failed:
		s.log.Error("the engine has failed: connections are drained", "engine", s.cfg.Engine, "err", err)
	case <-ctx.Done():
	case <-s.life.closing:
	}
	s.conns.close()
	s.engine.stop()
	for _, c := range s.conns.all() {
		c.drain()
	}
	deadline := time.NewTimer(s.cfg.DrainTimeout)
	defer deadline.Stop()
	select {
	case err := <-served:
		return err
	case <-deadline.C:
	case <-s.life.closing:
	}
	for _, c := range s.conns.all() {
		c.end(ReasonDeadline)
	}
	return <-served
}

// fail has the server end because of err, and returns it. An engine calls it before
// it waits for its last connections, which nobody would end otherwise.
func (s *TCP) fail(err error) error {
	select {
	case s.failed <- err:
	default: // the first is enough
	}
	return err
}

func (s *TCP) count(event string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events[event]++
}

// Kick ends the connection with that id and reports whether there was one.
func (s *TCP) Kick(id uint64) bool {
	c := s.conns.get(id)
	if c == nil {
		return false
	}
	c.end(ReasonKicked)
	return true
}

func (s *TCP) logSummary() {
	st := s.Status()
	logNotLogged(s.log, "refusals", s.refusals.hidden) // the engine has ended
	s.log.Info("stopped", "accepted", st.Accepted, logCounts("refused", st.Refused), logCounts("closed", st.Closed), "peak", st.PeakActive,
		"bytes_in", st.Traffic.BytesIn, "bytes_out", st.Traffic.BytesOut)
}

// logCounts makes a group of counts that have names.
func logCounts(name string, counts map[string]uint64) slog.Attr {
	var attrs []slog.Attr
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		attrs = append(attrs, slog.Uint64(what, counts[what]))
	}
	return slog.GroupAttrs(name, attrs...)
}
