package observe

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/DeRuina/timberjack"

	"wirelab/internal/atomicfile"
	"wirelab/internal/sys"
)

const (
	rotateAfter = 24 * time.Hour // even a small file
	retryAfter  = time.Second    // of a disk that failed
	noticeEvery = time.Second    // at most, in the file, of lines that the queue lost
	maxLogFiles = 64             // of one component: so many processes may share a directory
)

// A logFile is the file of one component. Its lines come through queue, whose
// goroutine alone touches the disk.
//
// timberjack moves a full file aside, compresses it and removes the oldest. When
// that is due is decided here, because timberjack counts in whole megabytes and
// forgets the age of a file with the process; and a file is opened here first, for
// appending, because timberjack would create it without O_APPEND, and would try,
// and complain on standard error, where there is nothing to be tried.
type logFile struct {
	config    LogConfig
	component string
	outage    *outage
	queue     *lineQueue
	written   atomic.Uint64 // lines
	failed    atomic.Uint64 // lines that the disk did not take

	// The rest belongs to the goroutine of queue.
	out      *timberjack.Logger // nil: not open
	lock     *fileLock          // of the path at; nil where the system has no locks
	at       string
	info     os.FileInfo // of the open file
	size     int64
	begun    time.Time // when its first line was written
	torn     bool      // its last line has no end
	down     bool      // the last write failed
	retry    time.Time
	reported uint64 // lost lines that were told
	notice   time.Time
}

func startLogFile(config LogConfig, component string, o *outage) *logFile {
	batch := int(min(maxBatch, config.MaxSize))
	f := &logFile{config: config, component: component, outage: o, queue: newLineQueue(batch, gatherTime)}
	go f.queue.run(f.write, f.end)
	return f
}

// path of the component's nth file: a second process with the same component
// and directory writes "client.2.log".
func (f *logFile) path(n int) string {
	name := f.component + ".log"
	if n > 1 {
		name = f.component + "." + strconv.Itoa(n) + ".log"
	}
	return filepath.Join(f.config.Dir, name)
}

// lost counts the lines that will never be in the file.
func (f *logFile) lost() uint64 { return f.failed.Load() + f.queue.lost.Load() }

func (f *logFile) write(batch []byte, lines int) {
	if f.down && time.Now().Before(f.retry) {
		f.failed.Add(uint64(lines))
		return
	}
	n, err := f.append(batch)
	whole := bytes.Count(batch[:n], []byte{'\n'})
	f.written.Add(uint64(whole))
	f.failed.Add(uint64(lines - whole))
	f.settle(err)
}

// settle tells of the beginning and the end of an outage, and of lines that the
// queue lost.
func (f *logFile) settle(err error) {
	now := time.Now()
	if err != nil {
		f.retry = now.Add(retryAfter)
		if !f.down {
			f.down = true
			f.outage.begin(err)
		}
		return
	}
	lost := f.lost() - f.reported
	if lost > 0 && (f.down || now.After(f.notice)) {
		f.tellLost(lost)
		f.notice = now.Add(noticeEvery)
	}
	if f.down {
		f.down = false
		f.outage.end(lost)
	}
}

// tellLost leaves a note in the file where lines are missing.
func (f *logFile) tellLost(lost uint64) {
	head := jsonHead{time: time.Now(), level: slog.LevelWarn, component: f.component}
	line := head.append(nil, "log lines were lost")
	line = fmt.Appendf(line, ",\"lost_lines\":%d}\n", lost)
	if _, err := f.append(line); err == nil {
		f.reported += lost
	}
}

// end is called when nothing will be queued any more.
func (f *logFile) end() {
	if lost := f.lost() - f.reported; lost > 0 && f.out != nil {
		f.tellLost(lost)
	}
	f.close()
}

func (f *logFile) append(lines []byte) (n int, err error) {
	if f.out != nil && !f.intact() {
		f.close()
	}
	if f.out == nil {
		if err := f.open(); err != nil {
			return 0, err
		}
	}
	full := f.size+int64(len(lines)) > f.config.MaxSize
	if f.size > 0 && (full || time.Since(f.begun) >= rotateAfter) {
		if err := f.rotate(full); err != nil {
			return 0, err
		}
	}
	if f.torn {
		if err := f.mend(); err != nil {
			return 0, err
		}
	}
	n, err = f.out.Write(lines)
	f.size += int64(n)
	f.torn = n > 0 && lines[n-1] != '\n'
	return n, err
}

// mend ends a line that a full disk or a crash cut, so that only this one is
// broken.
func (f *logFile) mend() error {
	n, err := f.out.Write([]byte{'\n'})
	f.size += int64(n)
	f.torn = err != nil
	return err
}

// intact reports whether the open file is still the one at its path, with all
// that was written to it.
func (f *logFile) intact() bool {
	info, err := os.Stat(f.at)
	return err == nil && os.SameFile(info, f.info) && info.Size() >= f.size
}

func (f *logFile) open() error {
	if _, err := atomicfile.Follow(f.config.Dir); err != nil {
		return err
	}
	if err := os.MkdirAll(f.config.Dir, 0o750); err != nil {
		return err
	}
	if err := f.claim(); err != nil {
		return err
	}
	if err := f.inspect(); err != nil {
		f.lock.unlock()
		f.lock = nil
		return err
	}
	f.out = &timberjack.Logger{
		Filename:    f.at,
		MaxSize:     int(f.config.MaxSize/(1<<20)) + 2, // never reached
		MaxBackups:  f.config.Keep,
		MaxAge:      days(f.config.MaxAge),
		Compression: "gzip",
		FileMode:    0o640,
	}
	return nil
}

// claim takes the first of the component's files that no other process writes.
func (f *logFile) claim() error {
	for n := range maxLogFiles {
		f.at = f.path(n + 1)
		lock, err := lockFile(filepath.Join(f.config.Dir, "."+filepath.Base(f.at)+".lock"))
		switch {
		case err == nil:
			f.lock = lock
			return nil
		case errors.Is(err, sys.ErrUnsupported):
			return nil
		case !errors.Is(err, errLocked):
			return err
		}
	}
	return fmt.Errorf("log files of %s in %s: all %d are in use", f.component, f.config.Dir, maxLogFiles)
}

// inspect makes the file if need be, and learns its size, its age, and whether its
// last line is whole.
func (f *logFile) inspect() error {
	if _, err := atomicfile.Follow(f.at); err != nil {
		return err
	}
	if info, err := os.Stat(f.at); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("log file %s: not a regular file", f.at)
	}
	file, err := os.OpenFile(f.at, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o640)
	if err != nil {
		return err
	}
	defer file.Close()
	if f.info, err = file.Stat(); err != nil {
		return err
	}
	f.size, f.begun, f.torn = f.info.Size(), time.Now(), false
	if f.size == 0 {
		return nil
	}
	f.begun = f.info.ModTime()
	var first [len(timePrefix) + len(jsonTime)]byte
	if n, _ := file.ReadAt(first[:], 0); n == len(first) {
		if t, ok := peekTime(first[:]); ok {
			f.begun = t
		}
	}
	var last [1]byte
	if _, err := file.ReadAt(last[:], f.size-1); err != nil && err != io.EOF {
		return err
	}
	f.torn = last[0] != '\n'
	return nil
}

func (f *logFile) rotate(full bool) error {
	reason := "time"
	if full {
		reason = "size"
	}
	if err := f.out.RotateWithReason(reason); err != nil {
		return fmt.Errorf("rotate %s: %w", f.at, err)
	}
	info, err := os.Stat(f.at)
	if err != nil {
		return err
	}
	f.info, f.size, f.begun, f.torn = info, 0, time.Now(), false
	return nil
}

// close waits until timberjack has compressed what it began to.
func (f *logFile) close() {
	if f.out == nil {
		return
	}
	// The lines are in the file; what close(2) may still say is nothing that could
	// be repaired here.
	_ = f.out.Close()
	f.out = nil
	f.lock.unlock()
	f.lock = nil
}

// days rounds up, because timberjack knows only whole days.
func days(d time.Duration) int {
	const day = 24 * time.Hour
	return int((max(d, 0) + day - 1) / day)
}
