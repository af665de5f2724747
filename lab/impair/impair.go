// Package impair is a bad link as a queue: what goes in comes out later, not at all,
// twice, damaged, or out of order. It is pure: time is what its caller says, chance
// follows from a seed, and it does no I/O, so that a test can know what comes of a run.
//
//	link := impair.New(impair.Config{Delay: 20 * time.Millisecond, Loss: 0.01}, 1)
//	link.Push(now, packet)
//	for b, ok := link.Pop(now); ok; b, ok = link.Pop(now) { … }
//	at, waiting := link.Next() // when to Pop again
package impair

import (
	"container/heap"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Config says what a link does to what passes it, in one direction. Shares are from 0
// to 1; the zero Config changes nothing.
type Config struct {
	Delay   time.Duration // one way
	Jitter  time.Duration // added to or taken from the delay, evenly; order is kept
	Loss    float64       // share that never arrives
	Double  float64       // share that arrives twice
	Reorder float64       // share that overtakes: it has no delay
	Corrupt float64       // share of which one bit is turned
	Rate    float64       // bits a second; 0: no bound
	Queue   int           // bytes that wait for the rate, the packet that leaves included; more are lost. 0: DefaultQueue
}

// DefaultQueue is how many bytes wait for the rate: more than most devices have.
const DefaultQueue = 1 << 20

// ErrConfig reports a Config that makes no sense.
var ErrConfig = errors.New("impairments out of range")

// Check returns an error of kind ErrConfig if something in c is out of range.
func (c *Config) Check() error {
	for _, share := range []struct {
		name  string
		value float64
	}{{"loss", c.Loss}, {"double", c.Double}, {"reorder", c.Reorder}, {"corrupt", c.Corrupt}} {
		if !(share.value >= 0 && share.value <= 1) {
			return fmt.Errorf("%w: %s is %v, and a share is between 0 and 1", ErrConfig, share.name, share.value)
		}
	}
	if c.Reorder > 0 && c.Delay == 0 && c.Jitter == 0 {
		return fmt.Errorf("%w: reorder lets packets overtake those that are delayed, and no delay is given", ErrConfig)
	}
	if c.Delay < 0 || c.Jitter < 0 || !(c.Rate >= 0) || c.Queue < 0 {
		return fmt.Errorf("%w: delay, jitter, rate and queue are not negative", ErrConfig)
	}
	return nil
}

// Counts are what became of what was pushed.
type Counts struct {
	Pushed, Lost, Overflowed, Doubled, Reordered, Corrupted, Popped uint64
}

// A Link is one direction of a link. One goroutine at a time uses it.
type Link struct {
	cfg     Config
	random  *rand.Rand
	waiting queue
	number  uint64
	free    time.Time // when the rate lets the next one begin
	last    time.Time // when the latest that keeps its order leaves
	held    int       // bytes that wait for the rate
	counts  Counts
}

// New returns a link whose chances follow from seed.
func New(cfg Config, seed uint64) *Link {
	if cfg.Queue == 0 {
		cfg.Queue = DefaultQueue
	}
	return &Link{cfg: cfg, random: rand.New(rand.NewPCG(seed, seed))}
}

// Push gives the link a packet that comes at now. It copies what it keeps.
func (l *Link) Push(now time.Time, packet []byte) {
	l.counts.Pushed++
	if l.chance(l.cfg.Loss) {
		l.counts.Lost++
		return
	}
	packet = slices.Clone(packet)
	if len(packet) > 0 && l.chance(l.cfg.Corrupt) {
		packet[l.random.IntN(len(packet))] ^= 1 << l.random.IntN(8)
		l.counts.Corrupted++
	}
	l.schedule(now, packet)
	if l.chance(l.cfg.Double) {
		l.counts.Doubled++
		l.schedule(now, packet)
	}
}

// schedule decides when a packet leaves.
func (l *Link) schedule(now time.Time, packet []byte) {
	begins := now
	if l.cfg.Rate > 0 {
		if l.free.After(now) {
			if l.held += len(packet); l.held > l.cfg.Queue {
				l.held -= len(packet)
				l.counts.Overflowed++
				return
			}
			begins = l.free
		} else {
			l.held = len(packet)
		}
		l.free = begins.Add(time.Duration(float64(len(packet)*8) / l.cfg.Rate * 1e9))
		begins = l.free
	}
	if l.chance(l.cfg.Reorder) {
		l.counts.Reordered++
		l.add(begins, packet)
		return
	}
	delay := l.cfg.Delay
	if l.cfg.Jitter > 0 {
		delay += time.Duration(l.random.Int64N(int64(2*l.cfg.Jitter)+1)) - l.cfg.Jitter
	}
	leaves := begins.Add(max(delay, 0))
	if leaves.Before(l.last) {
		leaves = l.last
	}
	l.last = leaves
	l.add(leaves, packet)
}

func (l *Link) add(leaves time.Time, packet []byte) {
	l.number++
	heap.Push(&l.waiting, waiting{leaves, l.number, packet})
}

// chance draws one number for each share that is not 0.
func (l *Link) chance(share float64) bool { return share > 0 && l.random.Float64() < share }

// Next returns when the next packet leaves, and whether there is one.
func (l *Link) Next() (at time.Time, ok bool) {
	if len(l.waiting) == 0 {
		return time.Time{}, false
	}
	return l.waiting[0].leaves, true
}

// Pop returns a packet that has left by now, the earliest first. It is the caller's.
func (l *Link) Pop(now time.Time) (packet []byte, ok bool) {
	if len(l.waiting) == 0 || l.waiting[0].leaves.After(now) {
		return nil, false
	}
	w := heap.Pop(&l.waiting).(waiting)
	l.counts.Popped++
	l.held = max(l.held-len(w.packet), 0)
	return w.packet, true
}

// Counts returns what became of what was pushed so far.
func (l *Link) Counts() Counts { return l.counts }

// waiting is a packet under way.
type waiting struct {
	leaves time.Time
	number uint64 // of two that leave at once, the first goes first
	packet []byte
}

type queue []waiting

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	if c := q[i].leaves.Compare(q[j].leaves); c != 0 {
		return c < 0
	}
	return q[i].number < q[j].number
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(waiting)) }
func (q *queue) Pop() any {
	last := len(*q) - 1
	w := (*q)[last]
	*q = (*q)[:last]
	return w
}
