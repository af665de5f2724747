package wire

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"wirelab/internal/sys"
	"wirelab/internal/sys/frame"
	"wirelab/internal/sys/process"
	"wirelab/wire/capfile"
)

// Replay sends the frames of a capture again. Their bytes are what Next gives.
type Replay struct {
	Device Device
	// Next fills in the next frame and returns io.EOF after the last.
	Next func(*capfile.Frame) error
	// Speed scales the times of the capture: 2 is twice as fast. 0 ignores them.
	Speed float64
	// Rate, unless it is 0, is frames a second, whatever their times are.
	Rate float64
	Via  string // sendmmsg or sendto; "" is the first
	// Progress, if set, is told every so often how many were sent.
	Progress func(sent uint64)
}

// LinkError reports a frame of a link type that the device does not send.
type LinkError struct {
	Frame  uint64 // counted from 1
	Link   capfile.LinkType
	Device string
	Needs  capfile.LinkType
}

func (e *LinkError) Error() string {
	return fmt.Sprintf("frame %d is of type %v, and %s sends %v", e.Frame, e.Link, e.Device, e.Needs)
}

// Run sends the frames. It returns what was done so far when the context ends, and with
// an error too.
func (r *Replay) Run(ctx context.Context) (Delivery, error) {
	s, err := frame.OpenPackets(r.Device.Index, r.Via == "sendto")
	if err != nil {
		return Delivery{}, err
	}
	defer s.Close()
	defer exactTimers()()
	d := Delivery{Via: cmp.Or(r.Via, "sendmmsg")}
	counts, err := startCounting(r.Device)
	if err != nil {
		return d, err
	}
	run := replayRun{replay: r, sender: s, delivery: &d, buffer: make([]byte, 0, 1<<20)}
	err = run.loop(ctx)
	d.Elapsed = time.Since(run.start)
	if d.Accepted > 1 {
		d.Rate = float64(d.Accepted-1) / run.last.Sub(run.start).Seconds()
	}
	d.Interrupted = ctx.Err() != nil
	if counted := counts.finish(&d); err == nil {
		err = counted
	}
	return d, err
}

// replayRun gathers the frames that are due at once into one batch.
type replayRun struct {
	replay   *Replay
	sender   *frame.Packets
	delivery *Delivery
	start    time.Time
	last     time.Time // when a batch was last sent
	first    int64     // time of the first frame
	batch    [][]byte
	buffer   []byte // what the batch points into
}

func (r *replayRun) loop(ctx context.Context) error {
	var f capfile.Frame
	r.start = time.Now()
	for ctx.Err() == nil {
		if err := r.replay.Next(&f); err != nil {
			return firstOf(r.flush(ctx), err)
		}
		d := r.delivery
		if f.Link != r.replay.Device.Link {
			return firstOf(r.flush(ctx), &LinkError{d.Asked + 1, f.Link, r.replay.Device.Name, r.replay.Device.Link})
		}
		if d.Asked == 0 {
			r.first = f.Time
		}
		if due, paced := r.due(&f); paced {
			if err := r.await(ctx, due); err != nil {
				return err
			}
		}
		if ctx.Err() != nil {
			break
		}
		d.Asked++
		if err := r.add(ctx, f.Data); err != nil {
			return err
		}
	}
	return nil
}

func firstOf(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// due returns when a frame is to leave, from the start on, or false if that is at once.
func (r *replayRun) due(f *capfile.Frame) (time.Duration, bool) {
	switch {
	case r.replay.Rate > 0:
		return time.Duration(float64(r.delivery.Asked) / r.replay.Rate * 1e9), true
	case r.replay.Speed > 0 && f.Timed:
		return time.Duration(float64(f.Time-r.first) / r.replay.Speed), true
	}
	return 0, false
}

// await sends what was due before and waits, and takes down how late the frame is.
func (r *replayRun) await(ctx context.Context, due time.Duration) error {
	if due > time.Since(r.start) {
		if err := r.flush(ctx); err != nil {
			return err
		}
	}
	for ctx.Err() == nil {
		left := due - time.Since(r.start)
		if left <= 0 {
			late := &r.delivery.Late
			late.Count, late.Sum, late.Max = late.Count+1, late.Sum-left, max(late.Max, -left)
			break
		}
		process.Sleep(min(max(left, leastSleep), mostSleep))
	}
	return nil
}

// add puts a frame into the batch, and sends the batch once it is full.
func (r *replayRun) add(ctx context.Context, data []byte) error {
	if len(r.buffer)+len(data) > cap(r.buffer) || len(r.batch) == 512 {
		if err := r.flush(ctx); err != nil {
			return err
		}
		if len(data) > cap(r.buffer) {
			r.buffer = make([]byte, 0, len(data))
		}
	}
	if len(data) == 0 {
		return fmt.Errorf("frame %d has no bytes", r.delivery.Asked)
	}
	at := len(r.buffer)
	r.buffer = append(r.buffer, data...)
	r.batch = append(r.batch, r.buffer[at:])
	return nil
}

// flush sends the batch.
func (r *replayRun) flush(ctx context.Context) error {
	for rest := r.batch; len(rest) > 0 && ctx.Err() == nil; {
		n, err := r.sender.Send(rest)
		r.delivery.Accepted += uint64(n)
		if err != nil {
			return &sys.OpError{Op: "replay", Object: fmt.Sprintf("frame %d (%d bytes)", r.delivery.Accepted+1, len(rest[n])), Err: err}
		}
		rest, r.last = rest[n:], time.Now()
	}
	r.batch, r.buffer = r.batch[:0], r.buffer[:0]
	if r.replay.Progress != nil {
		r.replay.Progress(r.delivery.Accepted)
	}
	return nil
}
