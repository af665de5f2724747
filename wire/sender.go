package wire

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"wirelab/internal/sys"
	"wirelab/internal/sys/frame"
	"wirelab/wire/capfile"
)

// A sender sends a series of frames: up to count of them, beginning with the one with
// that number. It returns how many the kernel took, which may be fewer when it has no
// room at the moment.
type sender interface {
	Send(first uint64, count int) (int, error)
	Close() error
}

// job is what a back end is chosen for.
type job struct {
	device  Device
	series  frame.Series
	rate    float64 // frames a second; 0: as fast as it goes
	raw     bool    // IP packets without a link-layer header
	workers int
	queue   int // of the device, for one of the workers
}

// backend is one way to send frames.
type backend struct {
	name  string
	batch int             // frames handed over at once
	suits func(job) error // why it would be wrong, or slower than the next
	able  func(job) error // why it cannot, found out without sending
	open  func(job) (sender, error)
}

// Backends are the names of the ways to send, the fastest first.
func Backends() []string {
	names := make([]string, 0, len(backends))
	for _, b := range backends {
		names = append(names, b.name)
	}
	return names
}

// backends is the table of all ways, the fastest first. Who asks for none gets the first
// that is able and suits.
var backends = []backend{
	{"live", 1 << 20, liveSuits, liveAble, func(j job) (sender, error) { return frame.OpenLive(j.device.Index, j.series) }},
	{"xdp", 1024, always, xdpAble, func(j job) (sender, error) { return frame.OpenXDP(j.device.Index, j.queue, j.series) }},
	{"sendmmsg", 512, always, framesAble, func(j job) (sender, error) { return openFrames(j, false, 512) }},
	{"sendto", 64, always, framesAble, func(j job) (sender, error) { return openFrames(j, true, 64) }},
	{"raw", 64, always, rawAble, func(j job) (sender, error) { return newBatch(&rawSender{}, j.series, 64), nil }},
}

func openFrames(j job, single bool, size int) (sender, error) {
	s, err := frame.OpenPackets(j.device.Index, single)
	if err != nil {
		return nil, err
	}
	return newBatch(s, j.series, size), nil
}

// framesSender sends frames that are in memory.
type framesSender interface {
	Send(frames [][]byte) (int, error)
	Close() error
}

// batch writes a series into memory for a framesSender.
type batch struct {
	framesSender
	series frame.Series
	memory []byte
	stride int
	frames [][]byte // in memory
}

func newBatch(s framesSender, series frame.Series, size int) *batch {
	stride := (series.Size + 63) &^ 63
	b := &batch{framesSender: s, series: series, stride: stride, memory: make([]byte, size*stride), frames: make([][]byte, size)}
	for i := range b.frames {
		b.frames[i] = b.memory[i*stride:][:series.Size:series.Size]
		if !series.Varies {
			b.frames[i] = b.frames[0]
		}
	}
	return b
}

func (b *batch) Send(first uint64, count int) (int, error) {
	count = min(count, len(b.frames))
	fill := count
	if !b.series.Varies {
		fill = 1
	}
	b.series.Fill(b.memory, b.stride, first, fill)
	return b.framesSender.Send(b.frames[:count])
}

func always(job) error { return nil }

// liveRate is from where on live frames are worth it: each run of theirs costs some ten
// milliseconds, in which nothing leaves.
const liveRate = 2_000_000

func liveSuits(j job) error {
	if j.rate > 0 && j.rate < liveRate {
		return fmt.Errorf("for rates from %d/s on", liveRate)
	}
	return nil
}

func liveAble(j job) error {
	switch {
	case j.raw || j.device.Link != capfile.LinkEthernet:
		return errors.New("sends Ethernet frames only")
	case j.device.Loopback:
		return fmt.Errorf("%s takes no frames from XDP programs", j.device.Name)
	}
	takes, err := takesLiveFrames(j.device.Index)
	switch {
	case err != nil:
		return err
	case !takes && j.device.Kind == "veth":
		return fmt.Errorf("the peer of %s takes no frames from XDP programs, and they would vanish unseen; turn GRO on there: ethtool -K PEER gro on", j.device.Name)
	case !takes:
		return fmt.Errorf("%s takes no frames from XDP programs, and they would vanish unseen", j.device.Name)
	}
	if peer := j.device.Peer(); peer != nil {
		return enoughQueues(j, peer.queues, peer.Name)
	}
	return nil
}

// enoughQueues refuses more workers than a device has queues for, if that is known.
func enoughQueues(j job, queues int, device string) error {
	if queues == 0 || j.workers <= queues {
		return nil
	}
	return fmt.Errorf("%d workers need as many queues, and %s has %d: ethtool -L %s rx %d tx %d", j.workers, device, queues, device, j.workers, j.workers)
}

func xdpAble(j job) error {
	switch {
	case j.raw || j.device.Link != capfile.LinkEthernet:
		return errors.New("sends Ethernet frames only")
	case j.series.Size > frame.MaxXDPFrame:
		return fmt.Errorf("sends frames of at most %d bytes", frame.MaxXDPFrame)
	case j.device.Loopback:
		return fmt.Errorf("does not reach local addresses by way of %s", j.device.Name)
	}
	_, send := queues(j.device.Index)
	return enoughQueues(j, send, j.device.Name)
}

func framesAble(j job) error {
	if j.raw {
		return errors.New("sends whole frames, and these have no link-layer header")
	}
	return nil
}

func rawAble(j job) error {
	if !j.raw {
		return errors.New("sends IP packets, not frames with a link-layer header")
	}
	return nil
}

// Refusal is a back end that was not taken, and why.
type Refusal struct {
	Via    string `json:"via"`
	Reason string `json:"reason"`
}

// openAll opens a sender for each worker, which writes frames of its own and has a queue
// of its own.
func (b backend) openAll(j job, filler func() Fill) ([]sender, error) {
	var all []sender
	for j.queue = range j.workers {
		j.series.Fill = filler()
		s, err := b.open(j)
		if err != nil {
			closeAll(all)
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

func closeAll(senders []sender) {
	for _, s := range senders {
		s.Close()
	}
}

// choose opens the back end with that name, or the first that will do, for each worker.
func choose(j job, filler func() Fill, via string) ([]sender, backend, []Refusal, error) {
	var refused []Refusal
	for _, b := range backends {
		if via != "" && b.name != via || via == "" && j.raw != (b.name == "raw") {
			continue
		}
		err := b.able(j)
		if err == nil && via == "" {
			err = b.suits(j)
		}
		var senders []sender
		if err == nil {
			senders, err = b.openAll(j, filler)
		}
		if err == nil {
			return senders, b, refused, nil
		}
		if via != "" {
			return nil, b, nil, &ViaError{via, err}
		}
		if errors.Is(err, sys.ErrNotPermitted) && b.name == "sendto" || b.name == "raw" {
			return nil, b, refused, err
		}
		refused = append(refused, Refusal{b.name, err.Error()})
	}
	return nil, backend{}, refused, fmt.Errorf("no way to send %q; there are %s", via, strings.Join(Backends(), ", "))
}

// ViaError is why a back end that was asked for cannot do it. It is sys.ErrUnsupported
// unless the cause says otherwise.
type ViaError struct {
	Via string
	Err error
}

func (e *ViaError) Error() string { return "--via " + e.Via + ": " + e.Err.Error() }

// Unwrap returns the cause, and sys.ErrUnsupported where that is no error of the kernel.
func (e *ViaError) Unwrap() []error {
	if errors.Is(e.Err, sys.ErrNotPermitted) {
		return []error{e.Err}
	}
	return []error{e.Err, sys.ErrUnsupported}
}

// rawSender sends IP packets of either version.
type rawSender struct{ four, six *Raw }

func (r *rawSender) Send(packets [][]byte) (int, error) {
	for i, p := range packets {
		if err := r.send(p); err != nil {
			return i, err
		}
	}
	return len(packets), nil
}

func (r *rawSender) send(p []byte) error {
	to, ok := Destination(p)
	if !ok {
		return errors.New("a raw socket sends IP packets, and this is none")
	}
	socket := &r.four
	if to.Is6() {
		socket = &r.six
	}
	if *socket == nil {
		opened, err := OpenRaw(to.Is6())
		if err != nil {
			return err
		}
		*socket = opened
	}
	return (*socket).Send(p, to)
}

func (r *rawSender) Close() error {
	var err error
	for _, s := range []*Raw{r.four, r.six} {
		if s != nil {
			err = errors.Join(err, s.Close())
		}
	}
	return err
}

// Destination returns where the header of an IP packet says that it goes.
func Destination(p []byte) (netip.Addr, bool) {
	switch {
	case len(p) >= 20 && p[0]>>4 == 4:
		return netip.AddrFrom4([4]byte(p[16:20])), true
	case len(p) >= 40 && p[0]>>4 == 6:
		return netip.AddrFrom16([16]byte(p[24:40])), true
	}
	return netip.Addr{}, false
}
