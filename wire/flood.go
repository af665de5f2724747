package wire

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"wirelab/internal/sys/frame"
	"wirelab/internal/sys/netns"
	"wirelab/internal/sys/process"
)

// Fill writes count frames from the nth on, counted from 0, into memory that may hold any
// others, one every stride bytes.
type Fill = func(memory []byte, stride int, n uint64, count int)

// Flood sends a series of frames.
type Flood struct {
	// Device is where; for packets without a link-layer header (Raw) the kernel's
	// routes decide, and Device is only where the frames are counted.
	Device Device
	Raw    bool
	// Size is the length of each frame, and Filler returns what writes them, for each
	// worker another. Without Varies all frames are the same.
	Size   int
	Filler func() Fill
	Varies bool
	// Count is how many frames, and Rate how many a second; 0 is as fast as it goes.
	Count uint64
	Rate  float64
	// Workers is how many threads share the series, each on a processor of its own and
	// with a queue of its own; 0 is one. The frames of one do not wait for those of others,
	// so that their order is kept for a single worker alone.
	Workers int
	// Via is a back end; "" is the fastest that will do.
	Via string
	// Progress, if set, is told every so often how many were sent.
	Progress func(sent uint64)
}

// Delivery is what became of a series of frames, counted in four places.
type Delivery struct {
	Via         string    // the back end
	Refused     []Refusal // faster ones that were not taken
	Asked       uint64
	Accepted    uint64 // by the kernel
	Interface   uint64 // sent, by the interface's own counter
	Peer        *Peer  // the other end, where it is ours; nil
	Received    uint64 // by the peer's counter
	Elapsed     time.Duration
	Rate        float64 // frames a second between the first and the last
	Late        Lateness
	Interrupted bool
}

// CountError reports that frames were lost: fewer were counted than the kernel took.
type CountError struct {
	Where    string // an interface
	Accepted uint64
	Counted  uint64
}

func (e *CountError) Error() string {
	return fmt.Sprintf("the kernel took %d frames, and %s counted %d: %d are lost", e.Accepted, e.Where, e.Counted, e.Accepted-e.Counted)
}

// Check returns a *CountError if frames were lost on the way.
func (d *Delivery) Check(device string) error {
	if d.Interface < d.Accepted {
		return &CountError{device + " (sent)", d.Accepted, d.Interface}
	}
	if d.Peer != nil && d.Received < d.Accepted {
		return &CountError{d.Peer.Name + " (received)", d.Accepted, d.Received}
	}
	return nil
}

// Run sends the series. When the context ends it returns what was done so far. It
// returns a *ViaError if the back end that was asked for cannot do it.
func (f *Flood) Run(ctx context.Context) (Delivery, error) {
	j := job{device: f.Device, series: frame.Series{Size: f.Size, Varies: f.Varies}, rate: f.Rate, raw: f.Raw, workers: max(f.Workers, 1)}
	senders, chosen, refused, err := choose(j, f.Filler, f.Via)
	if err != nil {
		return Delivery{}, err
	}
	defer closeAll(senders)
	d := Delivery{Via: chosen.name, Refused: refused, Asked: f.Count}
	counts, err := startCounting(f.Device)
	if err != nil {
		return d, err
	}
	run := floodRun{flood: f, delivery: &d, pace: pace{rate: f.Rate}, batch: share(f.Count, j.workers, chosen.batch)}
	err = run.all(ctx, senders)
	if err == nil {
		err = counts.finish(&d)
	}
	return d, err
}

// share returns how many frames a worker takes on at once: at most most, and so many that
// all have something to do to the end.
func share(count uint64, workers, most int) int {
	if workers == 1 || count == 0 {
		return most
	}
	rounds := (count-1)/uint64(workers*most) + 1
	return int((count-1)/(rounds*uint64(workers)) + 1)
}

// floodRun is a flood that is being sent.
type floodRun struct {
	flood *Flood
	batch int

	mutex    sync.Mutex // what the workers share, once for each batch
	delivery *Delivery
	pace     pace
	claimed  uint64    // frames that a worker has sent or is going to
	last     time.Time // when the last of them were due
}

// all sends the series by a worker for each sender.
func (r *floodRun) all(ctx context.Context, senders []sender) error {
	r.pace.start = time.Now()
	r.last = r.pace.start
	if err := r.spread(ctx, senders); err != nil {
		return err
	}
	d := r.delivery
	d.Elapsed, d.Late, d.Interrupted = time.Since(r.pace.start), r.pace.late, d.Accepted < d.Asked
	d.Rate = r.rate(r.last)
	return nil
}

// spread gives each sender a thread on a processor of its own, which ends with it. A single
// one has the thread that called.
func (r *floodRun) spread(ctx context.Context, senders []sender) error {
	if len(senders) == 1 {
		return r.work(ctx, senders[0])
	}
	here, err := netns.Current()
	if err != nil {
		return err
	}
	defer here.Close()
	workers, ctx := errgroup.WithContext(ctx)
	for i, s := range senders {
		workers.Go(func() error {
			return here.Do(func() error {
				if err := process.PinThread(i); err != nil {
					return err
				}
				return r.work(ctx, s)
			})
		})
	}
	return workers.Wait()
}

// work sends frames until none are left or the context ends.
func (r *floodRun) work(ctx context.Context, s sender) error {
	defer exactTimers()()
	for ctx.Err() == nil {
		first, count := r.claim()
		switch {
		case first == r.delivery.Asked:
			return nil
		case count == 0:
			r.pace.wait(ctx, first)
		}
		for ctx.Err() == nil && count > 0 {
			taken, err := s.Send(first, count)
			r.sent(taken)
			if err != nil {
				return err
			}
			first, count = first+uint64(taken), count-taken
		}
	}
	return nil
}

// claim returns the first of the frames that nobody has claimed, and how many of them are
// due, which are now the caller's.
func (r *floodRun) claim() (first uint64, count int) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	first = r.claimed
	if left := r.delivery.Asked - first; left > 0 {
		count = r.pace.ready(first, int(min(uint64(r.batch), left)))
	}
	if count > 0 {
		r.claimed += uint64(count)
		r.last = time.Now()
	}
	return first, count
}

// sent takes down that the kernel took frames.
func (r *floodRun) sent(taken int) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.delivery.Accepted += uint64(taken)
	if r.flood.Progress != nil {
		r.flood.Progress(r.delivery.Accepted)
	}
}

// rate returns how many frames a second left. Where they were paced n frames are n-1
// intervals, up to when the last left.
func (r *floodRun) rate(last time.Time) float64 {
	d := r.delivery
	frames, span := d.Accepted, d.Elapsed
	if r.flood.Rate > 0 && frames > 1 {
		frames, span = frames-1, last.Sub(r.pace.start)
	}
	if span <= 0 {
		return 0
	}
	return float64(frames) / span.Seconds()
}

// counting compares the counters of interfaces before and after.
type counting struct {
	device       Device
	peer         *Peer
	before, past Counters // of the device, of the peer
}

func startCounting(d Device) (*counting, error) {
	c := &counting{device: d, peer: d.Peer()}
	var err error
	if d.Index == 0 {
		return c, nil
	}
	if c.before, err = d.Counters(); err != nil {
		return nil, err
	}
	if c.peer != nil {
		if c.past, err = c.peer.Counters(); err != nil {
			c.peer = nil // it has gone; nobody knows what it gets
		}
	}
	return c, nil
}

// finish takes down what the counters grew by. Frames may be on their way still, so it
// looks again for a while until all have arrived.
func (c *counting) finish(d *Delivery) error {
	d.Peer = c.peer
	for attempt := 0; ; attempt++ {
		now, err := c.device.Counters()
		if err != nil {
			return err
		}
		d.Interface = now.Sent - c.before.Sent
		if c.peer != nil {
			past, err := c.peer.Counters()
			if err != nil {
				return err
			}
			d.Received = past.Received - c.past.Received
		}
		if attempt == 50 || d.Interface >= d.Accepted && (c.peer == nil || d.Received >= d.Accepted) {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
}
