package packet

import (
	"cmp"
	"runtime"
	"sync"

	"wirelab/wire/capfile"
	"wirelab/wire/filter"
)

// readParallel is readAll by a goroutine for each processor. Each takes a batch of frames
// from the file, scans them, and puts out their lines when its turn comes.
func (v *viewer) readParallel(s *source) error {
	q := &queue{source: s, turn: make(chan struct{})}
	close(q.turn)
	workers := make([]worker, runtime.GOMAXPROCS(0))
	var all sync.WaitGroup
	for i := range workers {
		workers[i].init(v, s)
		all.Go(func() { workers[i].run(q, v) })
	}
	all.Wait()
	for i := range workers {
		v.totals.merge(&workers[i].totals)
	}
	return firstError(q.failed, q.ended)
}

// queue is the file that workers read in turn.
type queue struct {
	sync.Mutex
	source *source
	number uint64        // of the last frame taken
	ended  error         // of the file, or since a worker failed
	turn   chan struct{} // closed when all that was taken is put out
	failed error         // of what is put out; belongs to whose turn it is
}

// batch is a piece of the file.
type batch struct {
	memory     []byte
	frames     []capfile.Frame // in memory
	interfaces []capfile.Interface
	number     uint64          // of the frame before the first
	end        int64           // offset behind the last
	before     <-chan struct{} // closed when it is its turn to be put out
	done       chan struct{}   // to be closed when it is put out
}

// take reads the next batch. It reports false if there is none.
func (q *queue) take(b *batch) bool {
	q.Lock()
	defer q.Unlock()
	if q.ended != nil {
		return false
	}
	b.frames, q.ended = q.source.reader.Batch(b.memory, b.frames[:0])
	if q.ended != nil {
		q.ended = cmp.Or(q.source.ctx.Err(), q.ended)
	}
	b.interfaces, b.end = q.source.reader.Interfaces(), q.source.reader.Offset()
	b.number = q.number
	q.number += uint64(len(b.frames))
	b.before, b.done = q.turn, make(chan struct{})
	q.turn = b.done
	return true
}

// fail ends the reading. Only who has the turn calls it.
func (q *queue) fail(err error) {
	q.Lock()
	defer q.Unlock()
	q.failed, q.ended = firstError(q.failed, err), firstError(q.ended, err)
}

// worker is who scans batches and writes their lines.
type worker struct {
	viewer
	filter *filter.Links
	batch  batch
	one    scanned
	text   []byte
}

func (w *worker) init(v *viewer, s *source) {
	w.flags, w.json, w.times.form = v.flags, v.json, v.flags.clock
	w.batch.memory = make([]byte, capfile.BufferSize)
	w.filter = s.filter.Clone()
}

func (w *worker) run(q *queue, v *viewer) {
	for b := &w.batch; q.take(b); close(b.done) {
		err := w.scan()
		<-b.before
		v.progress.Update(uint64(b.end))
		if q.failed == nil {
			_, put := v.out.Write(w.text)
			if err = firstError(put, err); err != nil {
				q.fail(err)
			}
		}
	}
}

// scan counts the frames of the batch and writes their lines.
func (w *worker) scan() error {
	b, one := &w.batch, &w.one
	w.text, one.interfaces = w.text[:0], b.interfaces
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
			w.text = w.append(w.text, one)
		}
	}
	return nil
}
