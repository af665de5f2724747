package udp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"wirelab/internal/sys/datagram"
	"wirelab/internal/sys/socket"
	"wirelab/internal/task"
	"wirelab/server"
	"wirelab/server/internal/counts"
)

// Bounds of Config.Buffer. MaxDatagram is the most payload that UDP can carry, and the default.
const (
	MinDatagram = 64
	MaxDatagram = 65535 - 8
)

const (
	// defaultBatch is how many messages are read and answered at once.
	defaultBatch = 32
	// receiveBuffer is what the kernel is asked to hold while the server is
	// busy: 20 ms of small datagrams at the rate that one core can take.
	receiveBuffer = 4 << 20
	// drainTime bounds how long the last answers may wait for the network.
	drainTime = time.Second
)

// Bounds of Config.Batch and Config.Workers: more would only take memory.
const (
	MaxBatch   = 1024
	MaxWorkers = 64
)

// Config says what a UDP server does. Zero values are the defaults.
type Config struct {
	Addr        netip.AddrPort // where to listen; port 0 takes a free one
	AutoPort    bool           // take the next free port when Addr's is busy
	Handler     Responder      // required
	HandlerName string         // for the status and the logs
	Buffer      int            // bytes taken of a datagram; a longer one is counted and not answered
	Workers     int            // sockets that share the port, each with peers of its own; 0: one a core
	Batch       int            // messages in one system call, each a datagram or, with GRO, several; 0: 32
	WithoutGRO  bool           // take datagrams one by one where the kernel would hand over several of one peer as segments
	WithoutGSO  bool           // send answers one by one where the kernel would cut them apart
	ClockOffset time.Duration  // added to every stamp: a clock that is wrong by so much, to try measuring it
	Access      *server.Access // from where datagrams are taken; nil: from everywhere
	Socket      socket.Options // of all workers' sockets
	Log         *slog.Logger
}

// A Server is a UDP server. It listens from Listen on, and answers while Run runs.
//
// It answers each datagram at most once, with at most as many bytes, from the
// address that it was sent to. It does not answer multicast and broadcast, services
// that answer themselves (ports 7, 13, 17, 19 and 37), and, unless its handler knows
// that this cannot go on for ever, peers on its own port number: see Datagram.SetFinal.
type Server struct {
	cfg     Config
	since   time.Time
	workers []*worker // at least one
	log     *slog.Logger
	life    *task.Once
}

// Listen binds a server to its address. A busy port is a *server.PortBusyError.
// The caller must call Run or Close, which close what Listen opened.
func Listen(cfg Config) (*Server, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, since: time.Now(), log: cfg.Log, life: task.NewOnce()}
	err := server.BindNext("udp", cfg.Addr, cfg.AutoPort, func(addr netip.AddrPort) error {
		conns, err := datagram.ListenGroup(datagram.Config{
			Addr: addr, ReceiveBuffer: receiveBuffer, Socket: cfg.Socket, GRO: !cfg.WithoutGRO, SendStamps: true, Prompt: cfg.Workers == 1,
		}, cfg.Workers)
		for i, conn := range conns {
			s.workers = append(s.workers, newWorker(conn, cfg, i, s.since))
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listen on udp %s: %w", cfg.Addr, err)
	}
	return s, nil
}

func (cfg *Config) complete() error {
	if cfg.Handler == nil {
		return errors.New("a UDP server needs a handler")
	}
	if cfg.Buffer == 0 {
		cfg.Buffer = MaxDatagram
	}
	if cfg.Buffer < MinDatagram || cfg.Buffer > MaxDatagram {
		return fmt.Errorf("a buffer of %d bytes is outside %d to %d", cfg.Buffer, MinDatagram, MaxDatagram)
	}
	if cfg.Batch == 0 {
		cfg.Batch = defaultBatch
	}
	if cfg.Batch < 1 || cfg.Batch > MaxBatch {
		return fmt.Errorf("a batch of %d is outside 1 to %d", cfg.Batch, MaxBatch)
	}
	if cfg.Workers == 0 {
		cfg.Workers = min(runtime.GOMAXPROCS(0), MaxWorkers)
	}
	if cfg.Workers < 1 || cfg.Workers > MaxWorkers {
		return fmt.Errorf("%d workers are outside 1 to %d", cfg.Workers, MaxWorkers)
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Addr returns the address that the server listens on.
func (s *Server) Addr() netip.AddrPort { return s.workers[0].conn.LocalAddr() }

// Run receives and answers datagrams until ctx ends. Then it answers those that
// had come by then, closes the socket and returns nil. When it returns, no
// goroutine or descriptor of the server is left. It may be called once; after that, and
// after Close, it returns server.ErrClosed.
func (s *Server) Run(ctx context.Context) error {
	if !s.life.Begin() {
		return server.ErrClosed
	}
	defer s.life.End()
	s.log.Info("listening", "addr", s.Addr(), "handler", s.cfg.HandlerName, "workers", len(s.workers),
		"gro", s.workers[0].conn.GRO(), "gso", s.workers[0].join)
	ctx, end := context.WithCancel(ctx)
	defer end()
	var watcher, workers sync.WaitGroup
	watcher.Go(func() { s.interruptWhen(ctx) })
	errs := make([]error, len(s.workers))
	for i, w := range s.workers {
		workers.Go(func() {
			defer end() // one that fails ends all
			errs[i] = w.run()
		})
	}
	workers.Wait()
	end()
	watcher.Wait()
	s.logSummary()
	return errors.Join(append(errs, s.closeSockets())...)
}

// Close ends the server at once, and returns when Run has. Of a server that is not run
// it closes what Listen opened. It may be called at any time and more than once.
func (s *Server) Close() error {
	if !s.life.Close() {
		return nil
	}
	defer s.life.End()
	return s.closeSockets()
}

func (s *Server) closeSockets() error {
	var errs []error
	for _, w := range s.workers {
		errs = append(errs, w.conn.Close())
	}
	return errors.Join(errs...)
}

// interruptWhen interrupts the workers when ctx ends or the server is closed.
func (s *Server) interruptWhen(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-s.life.Closing():
	}
	s.interrupt()
}

// interrupt makes the workers' waits end. Deadlines of an open socket cannot fail to be set.
func (s *Server) interrupt() {
	now := time.Now()
	for _, w := range s.workers {
		_ = w.conn.SetWriteDeadline(now.Add(drainTime))
		_ = w.conn.SetReadDeadline(now)
	}
}

// maxPeersLogged bounds the summary: the log is no place for 65,536 lines.
const maxPeersLogged = 100

func (s *Server) logSummary() {
	s.logHidden()
	st := s.Status()
	for _, p := range st.Peers[:min(len(st.Peers), maxPeersLogged)] {
		args := []any{"peer", p.Peer, "packets", p.Packets, "bytes", p.Bytes, "lost", p.Lost,
			"reordered", p.Reordered, "duplicate", p.Duplicate, "jitter_us", p.JitterUS}
		if d := p.Diff; d != nil {
			args = append(args, "difference_min_us", d.Min, "difference_median_us", d.Median,
				"difference_p99_us", d.P99, "difference_last_us", d.Last)
		}
		s.log.Info("peer summary", append(args, "first_seen", p.FirstSeen, "last_seen", p.LastSeen)...)
	}
	s.log.Info("stopped", "peers", st.PeakActive, "packets", st.Traffic.MessagesIn, "bytes_in", st.Traffic.BytesIn,
		"bytes_out", st.Traffic.BytesOut, "stamps", st.StampSource, counts.Attr("refused", st.Refused), counts.Attr("events", st.Events),
		"datagrams_per_read", st.Batches.DatagramsPerRead, "segments_per_message", st.Batches.SegmentsPerMessage)
}
