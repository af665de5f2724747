package wire

import (
	"context"
	"net"
	"time"

	"wirelab/internal/sys/frame"
	"wirelab/wire/capfile"
	"wirelab/wire/filter"
)

// CaptureConfig says what to capture.
type CaptureConfig struct {
	// Device is where. The zero Device means all interfaces.
	Device Device
	// Filter is in tcpdump's language; "" is every frame. It runs in the kernel where
	// one interface is captured, and here where all are.
	Filter string
	// SnapLength cuts frames to so many bytes; 0: not at all.
	SnapLength int
	// Promiscuous asks for frames to other machines too.
	Promiscuous bool
	// Memory is the size of the kernel's buffer in bytes; 0: 64 MiB.
	Memory int
	// Latency is how long frames may wait before they are handed over, in whole
	// milliseconds; 0: 60 ms. The shorter, the sooner a slow reader loses frames.
	Latency time.Duration
}

// Capture takes frames that pass an interface. It belongs to one goroutine.
type Capture struct {
	config  CaptureConfig
	ring    *frame.Ring
	filter  *filter.Links // nil: the kernel filters
	devices map[int]int   // indexes of interfaces, as numbers of described
	list    []capfile.Interface
	raw     frame.Captured
}

// OpenCapture begins to capture. It returns a *filter.Error for a wrong filter.
func OpenCapture(config CaptureConfig) (*Capture, error) {
	c := &Capture{config: config, devices: make(map[int]int)}
	ring := frame.RingConfig{Interface: config.Device.Index, Memory: config.Memory, Latency: int(config.Latency.Milliseconds()), Promiscuous: config.Promiscuous}
	var err error
	if config.Device.Index == 0 {
		c.filter, err = filter.NewLinks(config.Filter)
	} else {
		c.describe(config.Device.Index, config.Device.Name, config.Device.Link)
		ring.Filter, err = kernelFilter(config.Filter, config.Device.Link)
	}
	if err != nil {
		return nil, err
	}
	c.ring, err = frame.OpenRing(ring)
	return c, err
}

func kernelFilter(text string, link capfile.LinkType) ([]frame.Instruction, error) {
	if text == "" {
		return nil, nil
	}
	program, err := filter.Compile(text, filter.Options{Link: uint16(link), Live: true})
	instructions := make([]frame.Instruction, len(program))
	for i, p := range program {
		instructions[i] = frame.Instruction(p)
	}
	return instructions, err
}

// Interfaces returns the interfaces that frames came from so far, by their number.
func (c *Capture) Interfaces() []capfile.Interface { return c.list }

func (c *Capture) describe(index int, name string, link capfile.LinkType) int {
	number := len(c.list)
	c.devices[index] = number
	c.list = append(c.list, capfile.Interface{Name: name, Link: link, Filter: c.config.Filter, SnapLength: uint32(c.config.SnapLength)})
	return number
}

// Next fills in the next frame. It returns false if none comes within the limit; a
// limit of 0 does not wait. The frame's Data is valid until the next call.
func (c *Capture) Next(f *capfile.Frame, limit time.Duration) (bool, error) {
	deadline := time.Time{}
	for {
		for c.ring.Next(&c.raw) {
			if passed, err := c.take(f); passed || err != nil {
				return passed, err
			}
		}
		now := time.Now()
		if deadline.IsZero() {
			deadline = now.Add(limit)
		}
		left := deadline.Sub(now)
		if left <= 0 {
			return false, nil
		}
		if err := c.ring.Wait(max(left, time.Millisecond)); err != nil {
			return false, err
		}
	}
}

// take turns what the ring gave into a frame, if it is wanted. What a machine sends to
// itself passes its loopback twice, out and in; the second is kept.
func (c *Capture) take(f *capfile.Frame) (bool, error) {
	raw := &c.raw
	const loopback = 772
	if raw.Kind == frame.Outgoing && raw.Hardware == loopback {
		return false, nil
	}
	link := linkTypeOf(raw.Hardware)
	if c.filter != nil {
		if passed, err := c.filter.Match(uint16(link), raw.Data, raw.Length); !passed || err != nil {
			return false, err
		}
	}
	number, ok := c.devices[raw.Interface]
	if !ok {
		number = c.describe(raw.Interface, nameOf(raw.Interface), link)
	}
	*f = capfile.Frame{Data: raw.Data, Length: raw.Length, Time: raw.Time, Timed: true, Interface: number, Link: link, Flags: flagsOf(raw)}
	if snap := c.config.SnapLength; snap > 0 && len(f.Data) > snap {
		f.Data = f.Data[:snap]
	}
	return true, nil
}

func nameOf(index int) string {
	if i, err := net.InterfaceByIndex(index); err == nil {
		return i.Name
	}
	return ""
}

func flagsOf(c *frame.Captured) capfile.Flags {
	flags := capfile.FlagInbound
	if c.Kind == frame.Outgoing {
		flags = capfile.FlagOutbound
	}
	if c.ChecksumNotReady {
		flags |= capfile.FlagChecksumNotReady
	}
	if c.ChecksumValid {
		flags |= capfile.FlagChecksumValid
	}
	if c.Segmented {
		flags |= capfile.FlagSegmented
	}
	return flags
}

// Run hands frames to handle until the context ends, which is no error, or handle
// returns one. idle is called whenever there is no frame at the moment, ten times a
// second at least.
func (c *Capture) Run(ctx context.Context, handle func(*capfile.Frame) error, idle func() error) error {
	var f capfile.Frame
	for ctx.Err() == nil {
		ok, err := c.Next(&f, 0)
		if ok && err == nil {
			err = handle(&f)
		}
		if !ok && err == nil {
			if err = idle(); err == nil {
				err = c.ring.Wait(100 * time.Millisecond)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Counts returns how many frames passed the filter of the kernel, and how many of them
// were lost because nobody took them in time.
func (c *Capture) Counts() (received, dropped uint64, err error) {
	counts, err := c.ring.Counts()
	return counts.Packets, counts.Dropped, err
}

// Close ends the capture.
func (c *Capture) Close() error { return c.ring.Close() }
