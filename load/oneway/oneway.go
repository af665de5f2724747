// Package oneway sends datagrams one way, as fast as this host can or at a rate, and
// accounts for every one of them with what the receiver counted (package delivery).
package oneway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"wirelab/internal/sys"
	"wirelab/internal/sys/datagram"
	"wirelab/internal/sys/process"
	"wirelab/internal/sys/socket"
	"wirelab/load"
	"wirelab/load/delivery"
	"wirelab/load/payload"
	"wirelab/report"
)

// Bounds of a run.
const (
	MaxSenders = 1024
	MaxBatch   = 1024
	MaxRate    = 1e9     // datagrams a second
	MaxMemory  = 1 << 29 // bytes of datagrams that all senders hold ready
)

// defaultBatch messages take the system call's own cost to a few percent; more
// would only take room in the caches.
const defaultBatch = 32

// Config says what a one-way run of datagrams does. What its senders hold ready
// together is bounded by MaxMemory.
type Config struct {
	Target      netip.AddrPort
	Payload     *payload.Payload
	Messages    uint64        // that each sender sends; 0: as many as fit in Duration
	Duration    time.Duration // after which nothing is sent; 0: when all Messages were sent
	Rate        float64       // datagrams a second, of all senders together; 0: as fast as possible
	Senders     int           // each with a socket and an OS thread of its own; 0: 1
	Batch       int           // messages of one system call: datagrams, or with GSO several as segments; 0: 32
	WithoutGSO  bool          // hand over datagrams one by one, not as segments that the kernel cuts apart
	WithoutGRO  bool          // take answers one by one
	AllowPublic bool          // send to addresses that belong to others too

	Socket socket.Options

	// Report, if not nil, is told what was sent in each Interval as soon as it is over, and
	// in the end of the rest: the sum is what the report says. Interval 0: there are none.
	Interval time.Duration
	Report   func(Interval)

	// Progress, if not nil, is told now and then how many datagrams were sent while the run
	// goes on, and never once Run has returned.
	Progress func(sent uint64)
	Log      *slog.Logger // nil: nothing is logged
}

// Run sends datagrams one way, as fast as this host can or at a rate, and
// reports what became of them. What the receiver counted is asked before and after
// the run (package receiver), if it is a wirelab server.
//
// When ctx is cancelled, Run stops sending, or asking, and reports what was sent until
// then as interrupted; the receiver's counts of it are waited for a second at most. The
// error is of kind load.ErrConfig or sys.ErrUnsupported, or says why no socket could be had;
// ECONNREFUSED says that nobody listens at the target.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	r := &run{cfg: cfg}
	defer r.close()
	if err := r.open(); err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	if err := r.ask(ctx, false); err != nil && ctx.Err() == nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	cfg.Log.Info("one-way load begins", "target", cfg.Target, "senders", cfg.Senders, "messages", cfg.Messages,
		"duration", cfg.Duration, "rate", cfg.Rate, "payload", cfg.Payload.String(), "size", cfg.Payload.Len(),
		"batch", cfg.Batch, "gso", r.senders[0].gso())
	if ctx.Err() == nil {
		r.send(ctx)
	}
	if err := r.ask(ctx, true); err != nil {
		cfg.Log.Warn("the receiver's counts are not known", "err", err)
	}
	r.interrupted = ctx.Err() != nil
	report := r.report()
	cfg.Log.Info("one-way load ends", "sent", report.Sent, "refused", report.Refused, "elapsed", r.elapsed)
	return report, nil
}

func (c Config) withDefaults() (Config, error) {
	if c.Senders == 0 {
		c.Senders = 1
	}
	if c.Batch == 0 {
		c.Batch = defaultBatch
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	for _, rule := range c.rules() {
		if rule.broken {
			return c, fmt.Errorf("%w: %s", load.ErrConfig, rule.text)
		}
	}
	return c, nil
}

type rule struct {
	broken bool
	text   string
}

func (c *Config) rules() []rule {
	return []rule{
		{!c.Target.IsValid() || c.Target.Port() == 0, "the target has no address or no port"},
		{!c.AllowPublic && !ownNetwork(c.Target.Addr()),
			fmt.Sprintf("%s is a public address: a flood belongs into networks of your own; --allow-public sends it all the same", c.Target.Addr())},
		{c.Senders < 1 || c.Senders > MaxSenders, fmt.Sprintf("senders must be between 1 and %d, not %d", MaxSenders, c.Senders)},
		{c.Batch < 1 || c.Batch > MaxBatch, fmt.Sprintf("the batch must be between 1 and %d, not %d", MaxBatch, c.Batch)},
		{c.Messages > load.MaxMessages, fmt.Sprintf("messages must be at most %d, not %d", uint64(load.MaxMessages), c.Messages)},
		{c.Duration < 0, "the duration is negative"},
		{c.Interval < 0 || c.Interval > 0 && c.Interval < leastInterval, fmt.Sprintf("an interval takes at least %v", leastInterval)},
		{c.Messages == 0 && c.Duration == 0, "neither messages nor duration say when to end"},
		{!(c.Rate >= 0 && c.Rate <= MaxRate), fmt.Sprintf("the rate must be between 0 and %.0f a second, not %v", float64(MaxRate), c.Rate)},
		{c.Payload == nil, "no payload"},
		{c.Payload != nil && c.Payload.Len() > load.MaxDatagram, fmt.Sprintf("a datagram carries at most %d bytes", load.MaxDatagram)},
		{c.memory() > MaxMemory, fmt.Sprintf("%d senders with batches of %d would hold %d MiB of datagrams, more than %d: use fewer senders or a smaller batch",
			c.Senders, c.Batch, c.memory()>>20+1, MaxMemory>>20)},
	}
}

// perMessage returns how many datagrams are handed over as one where the kernel cuts segments apart.
func (c *Config) perMessage() int {
	if c.WithoutGSO {
		return 1
	}
	return max(1, min(datagram.MaxSegments, load.MaxDatagram/c.Payload.Len()))
}

// memory returns how many bytes the senders' batches have, as far as it can be told.
func (c *Config) memory() int64 {
	if c.Payload == nil {
		return 0
	}
	return int64(c.Senders) * int64(c.Batch) * int64(c.perMessage()) * int64(c.Payload.Len())
}

// ownNetwork reports whether an address can be nobody else's: loopback, private,
// link-local, or for documentation (RFC 5737, RFC 3849) and measurements (RFC 2544).
func ownNetwork(a netip.Addr) bool {
	a = a.Unmap()
	if a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() {
		return true
	}
	for _, text := range []string{"192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15", "2001:db8::/32"} {
		if netip.MustParsePrefix(text).Contains(a.WithZone("")) {
			return true
		}
	}
	return false
}

// An Interval is what was sent in a part of a run.
type Interval struct {
	FromS float64 `json:"from_s"`
	ToS   float64 `json:"to_s"`
	Sent  uint64  `json:"sent"`
}

// leastInterval is the shortest that can be told.
const leastInterval = 50 * time.Millisecond

// run is what the senders of one run share.
type run struct {
	told        Interval // the sum of those that were told
	cfg         Config
	senders     []*sender
	unknown     error // why the receiver's counts are not known; nil: they are
	began       time.Time
	elapsed     time.Duration
	stopped     atomic.Bool
	interrupted bool
}

func (r *run) open() error {
	for i := range r.cfg.Senders {
		s, err := newSender(r, i)
		if errors.Is(err, syscall.EMFILE) {
			return r.noDescriptors(err)
		}
		if err != nil {
			return err
		}
		r.senders = append(r.senders, s)
	}
	return nil
}

// noDescriptors says how many descriptors the senders need, when this process may
// open no more. It gives up those that it has, because counting takes one too.
func (r *run) noDescriptors(err error) error {
	r.close()
	r.senders = nil
	limit, used, limitErr := process.DescriptorLimit()
	if limitErr != nil {
		return fmt.Errorf("%w: %w; raise the limit (ulimit -Hn)", sys.ErrNotPermitted, err)
	}
	need := used + r.cfg.Senders + load.DescriptorReserve
	return fmt.Errorf("%w: %d senders need %d descriptors and this process may open %d; raise the limit (ulimit -Hn %d) or use fewer senders",
		sys.ErrNotPermitted, r.cfg.Senders, need, limit, need)
}

func (r *run) close() {
	for _, s := range r.senders {
		s.conn.Close() // nothing of it is wanted any more
	}
}

// How long the receiver may take to say what it counted: before a run, when it has
// nothing else to do, and after one, when it has a full buffer to read first; after one
// that was interrupted, see askInterrupted.
const (
	askBefore = 300 * time.Millisecond
	askAfter  = 10 * time.Second
)

// ask asks the receiver for its counts, at the sockets of many senders at once. It
// fails when nobody listens or ctx is cancelled; that the receiver is no wirelab is
// noted in r.unknown.
func (r *run) ask(ctx context.Context, after bool) error {
	if r.unknown != nil {
		return nil
	}
	ctx, end := delivery.TimeToAsk(ctx, after)
	defer end()
	asking, each := errgroup.WithContext(ctx)
	asking.SetLimit(delivery.AskedAtOnce)
	for _, s := range r.senders {
		asking.Go(func() error { return s.ask(each, after) })
	}
	err := asking.Wait()
	if err == nil {
		return nil
	}
	r.unknown = delivery.AskingError(ctx, err)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !after && errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	return nil
}

// send has the senders send until they are done or ctx is cancelled.
func (r *run) send(ctx context.Context) {
	ctx, end := context.WithCancel(ctx)
	var senders, watcher sync.WaitGroup
	r.began = time.Now()
	watcher.Go(func() { r.watch(ctx) })
	for _, s := range r.senders {
		senders.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			s.run()
		})
	}
	senders.Wait()
	r.elapsed = max(time.Since(r.began), r.scheduled())
	end()
	watcher.Wait()
	if r.cfg.Interval > 0 && r.cfg.Report != nil {
		r.endInterval(r.elapsed)
	}
	for _, s := range r.senders {
		_ = s.conn.SetWriteDeadline(time.Time{})
	}
}

// scheduled returns how long a run at a rate takes that has sent all its messages: the
// last one, too, has its share of the time. It returns 0 for any other.
func (r *run) scheduled() time.Duration {
	all, tried := r.cfg.Messages*uint64(len(r.senders)), uint64(0)
	for _, s := range r.senders {
		tried += s.sent + s.refused
	}
	if r.cfg.Rate == 0 || tried < all || r.cfg.Messages == 0 {
		return 0
	}
	return time.Duration(float64(all) / r.cfg.Rate * float64(time.Second))
}

// watch shows progress until ctx is cancelled, and then stops the senders.
func (r *run) watch(ctx context.Context) {
	ticker := time.NewTicker(load.ProgressInterval)
	defer ticker.Stop()
	var over <-chan time.Time
	if r.cfg.Interval > 0 && r.cfg.Report != nil {
		intervals := time.NewTicker(r.cfg.Interval)
		defer intervals.Stop()
		over = intervals.C
	}
	for {
		select {
		case <-over:
			r.endInterval(time.Since(r.began))
		case <-ticker.C:
			if r.cfg.Progress != nil {
				r.cfg.Progress(r.progress())
			}
		case <-ctx.Done():
			r.stopped.Store(true)
			for _, s := range r.senders {
				_ = s.conn.SetWriteDeadline(time.Now())
			}
			return
		}
	}
}

// endInterval tells what was sent since the last interval.
func (r *run) endInterval(now time.Duration) {
	sent := r.progress()
	i := Interval{FromS: r.told.ToS, ToS: max(now.Seconds(), r.told.ToS), Sent: sent - r.told.Sent}
	r.told = Interval{ToS: i.ToS, Sent: sent}
	r.cfg.Report(i)
}

func (r *run) progress() (sent uint64) {
	for _, s := range r.senders {
		sent += s.published.Load()
	}
	return sent
}

// Kind returns the kind of the reports here.
func Kind() report.Kind {
	return report.Kind{Schema: Schema, Check: report.CheckAs(func(r *Report) error {
		return report.Known("network", r.Network, "udp")
	})}
}
