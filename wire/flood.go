package wire

import (
	"context"
	"fmt"
	"time"

	"wirelab/internal/sys/frame"
)

// Flood sends a series of frames.
type Flood struct {
	// Device is where; for packets without a link-layer header (Raw) the kernel's
	// routes decide, and Device is only where the frames are counted.
	Device Device
	Raw    bool
	// Size is the length of each frame, and Fill writes count of them from the nth on,
	// counted from 0, into memory that may hold any others, one every stride bytes.
	// Without Varies all frames are the same.
	Size   int
	Fill   func(memory []byte, stride int, n uint64, count int)
	Varies bool
	// Count is how many frames, and Rate how many a second; 0 is as fast as it goes.
	Count uint64
	Rate  float64
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
	series := frame.Series{Size: f.Size, Fill: f.Fill, Varies: f.Varies}
	s, chosen, refused, err := choose(job{device: f.Device, series: series, rate: f.Rate, raw: f.Raw}, f.Via)
	if err != nil {
		return Delivery{}, err
	}
	defer s.Close()
	defer exactTimers()()
	d := Delivery{Via: chosen.name, Refused: refused, Asked: f.Count}
	counts, err := startCounting(f.Device)
	if err != nil {
		return d, err
	}
	run := floodRun{flood: f, sender: s, delivery: &d, pace: pace{rate: f.Rate}, batch: chosen.batch}
	err = run.loop(ctx)
	if err == nil {
		err = counts.finish(&d)
	}
	return d, err
}

// floodRun is a flood that is being sent.
type floodRun struct {
	flood    *Flood
	sender   sender
	delivery *Delivery
	pace     pace
	batch    int
}

func (r *floodRun) loop(ctx context.Context) error {
	d := r.delivery
	r.pace.start = time.Now()
	last := r.pace.start
	for d.Accepted < d.Asked && ctx.Err() == nil {
		n := r.pace.ready(d.Accepted, int(min(uint64(r.batch), d.Asked-d.Accepted)))
		if n == 0 {
			r.pace.wait(ctx, d.Accepted)
			continue
		}
		last = time.Now()
		taken, err := r.sender.Send(d.Accepted, n)
		d.Accepted += uint64(taken)
		if err != nil {
			return err
		}
		if r.flood.Progress != nil {
			r.flood.Progress(d.Accepted)
		}
	}
	d.Elapsed, d.Late, d.Interrupted = time.Since(r.pace.start), r.pace.late, d.Accepted < d.Asked
	d.Rate = r.rate(last)
	return nil
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
