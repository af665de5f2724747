package packet

import (
	"cmp"
	"runtime"
	"sync"

	"wirelab/wire/capfile"
	"wirelab/wire/filter"
)

// readParallel is readAll by a goroutine for each processor. Each takes batches of frames,
// scans them and writes their lines, which are put out in the order of the file.
func (v *viewer) readParallel(s *source) error {
	workers := make([]worker, runtime.GOMAXPROCS(0))
	q := newQueue(s, v, len(workers))
	var all sync.WaitGroup
	for i := range workers {
		workers[i].init(v, s)
		all.Go(func() { workers[i].run(q) })
	}
	all.Wait()
	for i := range workers {
		v.totals.merge(&workers[i].totals)
	}
	return firstError(q.failed, q.ended)
}

// queue is the file as batches of frames. Whoever finds none that is ready reads some
// ahead, while others go on with them; batches that are done before it is their turn wait,
// not who has done them. So workers seldom sleep, which would cost more than a batch.
type queue struct {
	source *source
	viewer *viewer
	free   chan *batch
	ready  chan *batch // closed at the end

	reading sync.Mutex // held by who reads the file
	number  uint64     // of the last frame that was read
	place   int        // of the next batch
	closed  bool       // ready is

	state  sync.Mutex     // of what follows
	ended  error          // of the file, or since a worker failed
	failed error          // of what is put out
	turn   int            // place of the next batch to be put out
	done   map[int]*batch // later ones, by place
}

// batch is a piece of the file.
type batch struct {
	memory     []byte
	frames     []capfile.Frame // in memory
	interfaces []capfile.Interface
	number     uint64 // of the frame before the first
	end        int64  // offset behind the last
	place      int    // among all batches
	text       []byte // lines of its frames
	err        error
}

func newQueue(s *source, v *viewer, workers int) *queue {
	q := &queue{source: s, viewer: v, free: make(chan *batch, 3*workers), ready: make(chan *batch, 3*workers), done: make(map[int]*batch)}
	for range cap(q.free) {
		q.free <- &batch{memory: make([]byte, capfile.BufferSize), frames: make([]capfile.Frame, 0, capfile.BufferSize/256)}
	}
	return q
}

// take returns the next batch, nil if there is none.
func (q *queue) take() *batch {
	for {
		select {
		case b := <-q.ready:
			return b
		default:
		}
		if !q.reading.TryLock() {
			return <-q.ready // from who reads
		}
		q.readAhead()
		q.reading.Unlock()
	}
}

// readAhead makes batches ready as long as there are free ones; one at least.
func (q *queue) readAhead() {
	for b := <-q.free; ; b = <-q.free {
		if q.closed {
			q.free <- b
			return
		}
		if more := q.read(b); !more {
			q.closed = true
			close(q.ready)
			return
		}
		if len(q.free) == 0 {
			return
		}
	}
}

// read fills a batch and makes it ready. It reports false at the end.
func (q *queue) read(b *batch) (more bool) {
	if q.hasEnded(nil) {
		return false
	}
	var err error
	b.frames, err = q.source.reader.Batch(b.memory, b.frames[:0])
	if err != nil {
		err = cmp.Or(q.source.ctx.Err(), err)
	}
	b.interfaces, b.end = q.source.reader.Interfaces(), q.source.reader.Offset()
	b.number, b.place = q.number, q.place
	q.number += uint64(len(b.frames))
	q.place++
	q.ready <- b
	return !q.hasEnded(err)
}

// hasEnded notes an end, if err is one, and reports whether there is any.
func (q *queue) hasEnded(err error) bool {
	q.state.Lock()
	defer q.state.Unlock()
	q.ended = firstError(q.ended, err)
	return q.ended != nil
}

// finish puts out a batch, with those that waited for it, or makes it wait for its turn.
func (q *queue) finish(b *batch) {
	q.state.Lock()
	defer q.state.Unlock()
	q.done[b.place] = b
	for ; q.done[q.turn] != nil; q.turn++ {
		b := q.done[q.turn]
		delete(q.done, q.turn)
		q.viewer.progress.Update(uint64(b.end))
		if q.failed == nil {
			_, err := q.viewer.out.Write(b.text)
			q.failed = firstError(err, b.err)
			q.ended = firstError(q.ended, q.failed)
		}
		q.free <- b
	}
}

// worker is who scans batches and writes their lines.
type worker struct {
	viewer
	filter *filter.Links
	one    scanned
}

func (w *worker) init(v *viewer, s *source) {
	w.flags, w.json, w.times.form = v.flags, v.json, v.flags.clock
	w.filter = s.filter.Clone()
}

func (w *worker) run(q *queue) {
	for b := q.take(); b != nil; b = q.take() {
		b.err = w.scan(b)
		q.finish(b)
	}
}

// scan counts the frames of the batch and writes their lines.
func (w *worker) scan(b *batch) error {
	one := &w.one
	b.text, one.interfaces = b.text[:0], b.interfaces
	for i := range b.frames {
		f := &b.frames[i]
		passed, err := w.filter.Match(uint16(f.Link), f.Data, f.Length)
		if err != nil {
			return usageOf(err)
		}
		if passed {
			one.frame, one.number = f, b.number+uint64(i)+1
			one.scan()
			w.totals.add(one)
			b.text = w.append(b.text, one)
		}
	}
	return nil
}
