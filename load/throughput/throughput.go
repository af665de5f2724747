// Package throughput measures how many bits per second TCP carries to a server, from it, or
// both ways at once, over one connection or many. The server counts as well: it is one of
// wirelab with the handler throughput, and both ends' counts are compared.
package throughput

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"wirelab/internal/sys/process"
	"wirelab/internal/sys/socket"
	"wirelab/load"
)

// A Direction says who sends.
type Direction string

const (
	Up   Direction = "up"   // the client
	Down Direction = "down" // the server
	Both Direction = "both" // each, on connections of their own
)

// Bounds of a run.
const (
	MaxClients  = 1024
	MaxBlock    = 16 << 20
	MaxDuration = 24 * time.Hour

	defaultBlock   = 128 << 10 // what iperf3 takes
	defaultTimeout = 5 * time.Second
	leastInterval  = 50 * time.Millisecond
)

// Config says what a run does.
type Config struct {
	Target    netip.AddrPort
	Clients   int // connections that go at once, each way; 0: 1
	Direction Direction
	Duration  time.Duration
	Block     int           // bytes that are written or read at once; 0: 128 KiB
	Timeout   time.Duration // of a connect, and of the server's last word; 0: 5 s
	Socket    socket.Options
	TLS       *tls.Config // nil: plain TCP

	// Report, if not nil, is told what each Interval carried as soon as it is over, and in
	// the end of the rest: the sum is what the report has. Interval 0: there are none.
	Interval time.Duration
	Report   func(Interval)
	// Progress, if not nil, is told now and then how many bytes went.
	Progress func(bytes uint64)
	Log      *slog.Logger // nil: nothing is logged
}

func (c Config) withDefaults() (Config, error) {
	if c.Clients == 0 {
		c.Clients = 1
	}
	if c.Block == 0 {
		c.Block = defaultBlock
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	var wrong string
	switch {
	case !c.Target.IsValid() || c.Target.Port() == 0:
		wrong = "the target has no address or no port"
	case c.Clients < 1 || c.Clients > MaxClients:
		wrong = fmt.Sprintf("clients must be between 1 and %d, not %d", MaxClients, c.Clients)
	case c.Block < 1 || c.Block > MaxBlock:
		wrong = fmt.Sprintf("the size must be between 1 and %d bytes, not %d", MaxBlock, c.Block)
	case c.Duration < time.Millisecond || c.Duration > MaxDuration:
		wrong = fmt.Sprintf("the duration must be between 1ms and %v, not %v", MaxDuration, c.Duration)
	case c.Timeout < time.Millisecond || c.Timeout > load.MaxTimeout:
		wrong = fmt.Sprintf("timeout must be between 1ms and %v, not %v", load.MaxTimeout, c.Timeout)
	case c.Interval < 0 || c.Interval > 0 && c.Interval < leastInterval:
		wrong = fmt.Sprintf("an interval takes at least %v", leastInterval)
	default:
		return c, nil
	}
	return c, fmt.Errorf("%w: %s", load.ErrConfig, wrong)
}

// A run is one Run.
type run struct {
	cfg     Config
	streams []*stream
	began   time.Time
	elapsed time.Duration
	cpu     time.Duration // of this process

	intervals []Interval
	told      Interval // the sum of them
}

// Run connects all clients, has them send or take for the duration, and compares what both
// ends counted. When ctx is cancelled, it ends at once, and reports what went until then as
// interrupted. The error is of kind [load.ErrConfig], or says why no connection was to be
// had; what befell connections later is in the report.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	r := &run{cfg: cfg}
	defer r.close()
	if err := r.open(ctx); err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	cfg.Log.Info("throughput begins", "target", cfg.Target, "direction", cfg.Direction, "clients", cfg.Clients, "duration", cfg.Duration)
	r.exchange(ctx)
	report := r.report(ctx.Err() != nil)
	cfg.Log.Info("throughput ends", "up", report.Up, "down", report.Down, "elapsed", r.elapsed)
	return report, nil
}

// open opens all connections, a few at a time.
func (r *run) open(ctx context.Context) error {
	for _, d := range []Direction{Up, Down} {
		for range r.cfg.Clients {
			if r.cfg.Direction == d || r.cfg.Direction == Both {
				r.streams = append(r.streams, &stream{direction: d, cfg: &r.cfg})
			}
		}
	}
	opening, ctx := errgroup.WithContext(ctx)
	opening.SetLimit(16)
	for _, s := range r.streams {
		opening.Go(func() error { return s.open(ctx) })
	}
	return opening.Wait()
}

func (r *run) close() {
	for _, s := range r.streams {
		if s.conn != nil {
			s.conn.Close()
		}
	}
}

// exchange lets all streams go until they have ended.
func (r *run) exchange(ctx context.Context) {
	var streams, watcher sync.WaitGroup
	before, _ := process.CPUTime() // where there is none, no share of it is reported
	r.began = time.Now()
	over, end := context.WithCancel(ctx)
	watcher.Go(func() { r.watch(over) })
	for _, s := range r.streams {
		streams.Go(func() { s.run(ctx, r.began) })
	}
	streams.Wait()
	r.elapsed = time.Since(r.began)
	after, _ := process.CPUTime()
	r.cpu = after - before
	end()
	watcher.Wait()
	if r.cfg.Interval > 0 {
		r.endInterval(r.elapsed)
	}
}

// errServer reports an other end that is no throughput server.
var errServer = errors.New("the server does not measure throughput: it is to be a wirelab server with --handler throughput")
