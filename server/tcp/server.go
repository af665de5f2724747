package tcp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"wirelab/internal/sys/process"
	"wirelab/internal/sys/stream"
	"wirelab/internal/task"
	"wirelab/observe"
	"wirelab/server"
	"wirelab/server/internal/counts"
)

// A Server is a TCP server. It listens from Listen on, and accepts while Run runs.
type Server struct {
	cfg    Config
	addr   netip.AddrPort
	since  time.Time
	engine engine
	note   string
	conns  *connTable
	failed chan error // what the engine failed of, while it still has connections
	log    *slog.Logger
	trace  bool // log each message

	contents bool         // and its bytes
	tick     atomic.Int64 // the uptime, renewed each tickInterval

	life      *task.Once
	starvedAt atomic.Int64 // the uptime when a descriptor was missed last; 0: none is

	mu       sync.Mutex
	events   map[string]uint64
	refusals counts.LineLimit
}

// Listen binds a server to its address. A busy port is a *server.PortBusyError.
// The caller must call Run or Close, which close what Listen opened.
func Listen(cfg Config) (*Server, error) {
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
func listenUnder(kind EngineKind, cfg Config) (*Server, error) {
	if err := kind.probe(); err != nil {
		return nil, &startError{kind.Name, err}
	}
	cfg.Engine = kind.Name
	s := &Server{cfg: cfg, since: time.Now(), conns: newConnTable(), failed: make(chan error, 1), log: cfg.Log, events: map[string]uint64{}, life: task.NewOnce()}
	s.trace = s.log.Enabled(context.Background(), slog.LevelDebug)
	s.contents = s.log.Enabled(context.Background(), observe.LevelContents)
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
func (s *Server) capConns(kind EngineKind) {
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
func (s *Server) keepDescriptors() {
	limit, used, err := process.DescriptorLimit()
	room := limit - used - descriptorsKept
	if err == nil && room > 0 && (s.cfg.MaxConns <= 0 || s.cfg.MaxConns > room) {
		s.cfg.MaxConns = room
	}
}

// listen opens the listener, and notes its address.
func (s *Server) listen() (listener int, err error) {
	err = server.BindNext("tcp", s.cfg.Addr, s.cfg.AutoPort, func(addr netip.AddrPort) (err error) {
		listener, s.addr, err = stream.Listen(addr)
		return err
	})
	if err == nil {
		if err = s.cfg.Socket.Set(listener); err != nil {
			stream.Close(listener)
		}
	}
	if err != nil {
		return -1, fmt.Errorf("listen on tcp %s: %w", s.cfg.Addr, err)
	}
	return listener, nil
}

// Addr returns the address that the server listens on.
func (s *Server) Addr() netip.AddrPort { return s.addr }

// Engine returns the name of the engine that hosts the connections, and why it is
// not a better one or the one asked for; the note is empty if there is nothing to say.
func (s *Server) Engine() (name, note string) { return s.cfg.Engine, s.note }

// Processors returns how many goroutines Go should run at a time (see
// runtime.GOMAXPROCS) for the server to run well: one more than it has event loops. A
// loop that sleeps in the kernel has its place taken away at once if no other is
// free, and for that Go's monitor looks every 20 microseconds: on two cores a tenth
// of the server's processor time. The setting is the process's, so its owner makes it.
func (s *Server) Processors() int {
	if e, ok := s.engine.(*loopEngine); ok {
		return len(e.loops) + 1
	}
	return 1
}

// Accepted returns how many connections have been admitted so far.
func (s *Server) Accepted() uint64 { return s.conns.count() }

// Run accepts and serves connections until ctx ends. Then it takes no more,
// lets every connection finish what has arrived, breaks off those that have not
// within the drain timeout, and returns nil. When the engine fails, it does the
// same, and returns why. When it returns, no goroutine,
// thread or descriptor of the server is left. It may be called once; after that, and
// after Close, it returns server.ErrClosed.
func (s *Server) Run(ctx context.Context) error {
	if !s.life.Begin() {
		return server.ErrClosed
	}
	defer s.life.End()
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
// Run has. Of a server that is not run it closes what Listen opened. It may be called
// at any time and more than once.
func (s *Server) Close() error {
	if !s.life.Close() {
		return nil
	}
	defer s.life.End()
	s.conns.close()
	s.engine.stop()
	return s.engine.run()
}

// serveUntil waits for the engine's end, and brings it about when ctx ends or the
// engine has failed.
func (s *Server) serveUntil(ctx context.Context, served <-chan error) error {
	select {
	case err := <-served:
		return err
	case err := <-s.failed:
		s.log.Error("the engine has failed: connections are drained", "engine", s.cfg.Engine, "err", err)
	case <-ctx.Done():
	case <-s.life.Closing():
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
	case <-s.life.Closing():
	}
	for _, c := range s.conns.all() {
		c.end(server.ReasonDeadline)
	}
	return <-served
}

// fail has the server end because of err, and returns it. An engine calls it before
// it waits for its last connections, which nobody would end otherwise.
func (s *Server) fail(err error) error {
	select {
	case s.failed <- err:
	default: // the first is enough
	}
	return err
}

func (s *Server) count(event string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events[event]++
}

// Kick ends the connection with that id and reports whether there was one.
func (s *Server) Kick(id uint64) bool {
	c := s.conns.get(id)
	if c == nil {
		return false
	}
	c.end(server.ReasonKicked)
	return true
}

func (s *Server) logSummary() {
	st := s.Status()
	counts.LogHidden(s.log, "refusals", s.refusals.TakeHidden()) // the engine has ended
	s.log.Info("stopped", "accepted", st.Accepted, counts.Attr("refused", st.Refused), counts.Attr("closed", st.Closed), "peak", st.PeakActive,
		"bytes_in", st.Traffic.BytesIn, "bytes_out", st.Traffic.BytesOut)
}
