package packet

import (
	"io"
	"runtime"
	"sync"
	"sync/atomic"

	"wirelab/packet"
)

const (
	blockFrames = 512
	blockBytes  = 256 << 10
)

// block is a run of frames that is scanned and written by one worker.
type block struct {
	frames []scanned
	data   []byte // what the frames point into
	text   []byte // their lines
	end    int64  // offset in the file behind them
	done   chan struct{}
}

// readParallel is readAll with a goroutine that reads, some that scan, verify and write
// lines, and this one, which puts out the lines in the order of the frames.
func (v *viewer) readParallel(s *source) error {
	workers := runtime.GOMAXPROCS(0)
	blocks := 2 * workers
	free, jobs, order := make(chan *block, blocks), make(chan *block, blocks), make(chan *block, blocks)
	for range blocks {
		free <- &block{done: make(chan struct{}, 1)}
	}
	var stop atomic.Bool
	var ended error // of the file; read once order is closed
	var all sync.WaitGroup
	all.Go(func() {
		defer close(order)
		defer close(jobs)
		ended = v.readBlocks(s, &stop, free, jobs, order)
	})
	counts := make([]totals, workers)
	for i := range workers {
		all.Go(func() { v.work(&counts[i], jobs) })
	}
	var failed error
	for b := range order {
		<-b.done
		v.progress.Update(uint64(b.end))
		if failed == nil {
			if _, failed = v.out.Write(b.text); failed != nil {
				stop.Store(true)
			}
		}
		free <- b
	}
	all.Wait()
	for i := range counts {
		v.totals.merge(&counts[i])
	}
	return firstError(failed, ended)
}

// readBlocks fills blocks with frames until the file ends.
func (v *viewer) readBlocks(s *source, stop *atomic.Bool, free <-chan *block, jobs, order chan<- *block) error {
	left := v.flags.count
	for !stop.Load() {
		b := <-free
		err := b.fill(s, &left, v.flags.count > 0)
		if b.end = s.reader.Offset(); len(b.frames) > 0 {
			jobs <- b
			order <- b
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// fill reads frames into the block. It returns io.EOF after the last that is wanted.
func (b *block) fill(s *source, left *uint64, limited bool) error {
	if b.frames == nil {
		b.frames, b.data = make([]scanned, blockFrames), make([]byte, 0, blockBytes)
		checks := make([]packet.Check, blockFrames*packet.MaxHeaders)
		for i := range b.frames {
			b.frames[i].checks = checks[i*packet.MaxHeaders : i*packet.MaxHeaders : (i+1)*packet.MaxHeaders]
		}
	}
	b.frames, b.data = b.frames[:0], b.data[:0]
	for len(b.frames) < blockFrames {
		if limited && *left == 0 {
			return io.EOF
		}
		if err := s.next(); err != nil {
			return err
		}
		*left--
		b.frames = b.frames[:len(b.frames)+1]
		f := &b.frames[len(b.frames)-1]
		f.frame, f.number, f.interfaces = s.frame, s.number, s.interfaces
		b.data = f.frame.Keep(b.data)
		if len(b.data) > blockBytes/2 {
			return nil
		}
	}
	return nil
}

// work scans, verifies and writes blocks.
func (v *viewer) work(counts *totals, jobs <-chan *block) {
	own := viewer{flags: v.flags, json: v.json}
	own.times.form = v.flags.clock
	for b := range jobs {
		b.text = b.text[:0]
		for i := range b.frames {
			f := &b.frames[i]
			f.scan()
			counts.add(f)
			b.text = own.append(b.text, f)
		}
		b.done <- struct{}{}
	}
}
