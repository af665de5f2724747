package observe

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

const (
	queuedLines = 4096     // in one queue
	queuedBytes = 16 << 20 // in one queue
	maxBatch    = 32 << 10 // bytes that one write takes together
	maxLine     = 64 << 10 // bytes of one line

	// gatherTime is how long a file's first line waits for others. Without it each
	// line of a burst, of connections for example, wakes a thread for a write of its
	// own, in the way of those who serve. At two million lines a second the queue would be full.
	gatherTime = 2 * time.Millisecond
)

// A lineQueue carries lines from many goroutines to the one that writes them. It
// never blocks the former: what does not fit is lost, and counted.
type lineQueue struct {
	lines   chan *[]byte
	bytes   atomic.Int64  // queued now
	lost    atomic.Uint64 // lines that did not fit, or came after stop
	stopped atomic.Bool
	stopC   chan struct{}
	done    chan struct{}
	free    sync.Pool // of *[]byte
	batch   int       // bytes that one write takes together, unless one line alone is longer
	gather  time.Duration
}

// newLineQueue makes a queue whose first line waits for others as long as gather.
func newLineQueue(batch int, gather time.Duration) *lineQueue {
	return &lineQueue{
		lines:  make(chan *[]byte, queuedLines),
		stopC:  make(chan struct{}),
		done:   make(chan struct{}),
		free:   sync.Pool{New: func() any { b := make([]byte, 0, 512); return &b }},
		batch:  batch,
		gather: gather,
	}
}

// buffer returns an empty buffer for one line, to be given to put.
func (q *lineQueue) buffer() *[]byte {
	b := q.free.Get().(*[]byte)
	*b = (*b)[:0]
	return b
}

// put queues one line with its newline, and takes the buffer back.
func (q *lineQueue) put(line *[]byte) {
	queued := q.bytes.Add(int64(len(*line)))
	if queued > queuedBytes || q.stopped.Load() {
		q.drop(line)
		return
	}
	select {
	case q.lines <- line:
	default:
		q.drop(line)
	}
}

func (q *lineQueue) drop(line *[]byte) {
	q.lost.Add(1)
	q.release(line)
}

// release ends the life of a line that was counted in q.bytes.
func (q *lineQueue) release(line *[]byte) {
	q.bytes.Add(-int64(len(*line)))
	if cap(*line) <= 4096 {
		q.free.Put(line)
	}
}

// run gives the queued lines to write, as many together as one batch takes,
// until stop; then what is left, and at last calls end. The batch is write's to
// change, until it returns.
func (q *lineQueue) run(write func(batch []byte, lines int), end func()) {
	defer close(q.done)
	defer end()
	var held *[]byte // received, but too long for the batch before it
	buf := make([]byte, 0, q.batch)
	for {
		if held == nil {
			if held = q.next(); held == nil {
				return
			}
		}
		batch, n := buf[:0], 0
		for held != nil && (n == 0 || len(batch)+len(*held) <= q.batch) {
			batch = append(batch, *held...)
			n++
			q.release(held)
			held = q.poll()
		}
		write(batch, n)
	}
}

// next waits for a line, and for others to come after it; nil means that the queue
// was stopped and is empty.
func (q *lineQueue) next() *[]byte {
	if line := q.poll(); line != nil {
		return line
	}
	select {
	case line := <-q.lines:
		q.pause()
		return line
	case <-q.stopC:
		return q.poll()
	}
}

// pause lets lines gather, unless the queue is stopped.
func (q *lineQueue) pause() {
	if q.gather == 0 {
		return
	}
	select {
	case <-time.After(q.gather):
	case <-q.stopC:
	}
}

func (q *lineQueue) poll() *[]byte {
	select {
	case line := <-q.lines:
		return line
	default:
		return nil
	}
}

// stop makes run return once the queue is empty. It is called once.
func (q *lineQueue) stop() {
	q.stopped.Store(true)
	close(q.stopC)
}

// wait waits until run has returned, and reports false if ctx ended first.
func (q *lineQueue) wait(ctx context.Context) bool {
	select {
	case <-q.done:
		return true
	case <-ctx.Done():
		return false
	}
}
