package observe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"sync"
	"time"
)

// The defaults and bounds of LogConfig.
const (
	DefaultLogSize = 10_000_000
	DefaultLogKeep = 7
	minLogSize     = 4096
)

// closeTimeout bounds how long Close waits for a disk or a terminal that does
// not take what is queued.
const closeTimeout = 5 * time.Second

// ErrLogsStuck reports that a disk or a terminal did not take the queued lines
// in time. The lines that were still queued are lost.
var ErrLogsStuck = errors.New("log lines could not be written in time")

// LogConfig says where the log lines of a process go. Its zero value discards
// them all.
type LogConfig struct {
	Dir     string        // of the log files, made when the first line is written; empty: no files
	Level   slog.Level    // the least level that reaches the files
	MaxSize int64         // bytes of a file before it is rotated; 0: DefaultLogSize, at least 4096
	Keep    int           // rotated files of each component; 0: DefaultLogKeep
	MaxAge  time.Duration // of rotated files, in whole days, rounded up; 0: no limit

	Terminal io.Writer // for people; nil: none. Close returns before its last write only with ErrLogsStuck
	Color    bool      // levels in colour on Terminal
	Verbose  bool      // all levels on Terminal, with function and line, not only warnings and errors
	Contents bool      // LevelContents on Terminal too
}

// LevelContents is the level of what passes, byte by byte. It never reaches the files.
const LevelContents = slog.LevelDebug - 4

// Contents are bytes that passed, as an attribute of a record. A terminal has the first
// of them below the line, as hexadecimal digits and ASCII.
type Contents []byte

// Logs is the logging of one process: a file of JSON lines for each
// component, and lines for people on the terminal.
//
// Logging never blocks and never fails. Lines pass through a bounded queue to one
// goroutine for each file and one for the terminal; lines that find the queue full,
// or the disk full, read-only or gone, are counted as lost.
type Logs struct {
	config   LogConfig
	terminal *lineQueue // nil: none
	outage   outage
	callers  callers

	mu     sync.Mutex
	files  map[string]*logFile // by component
	closed bool
}

// OpenLogs starts logging as config says. The caller closes it.
func OpenLogs(config LogConfig) *Logs {
	if config.MaxSize <= 0 {
		config.MaxSize = DefaultLogSize
	}
	config.MaxSize = max(config.MaxSize, minLogSize)
	if config.Keep <= 0 {
		config.Keep = DefaultLogKeep
	}
	l := &Logs{config: config, files: make(map[string]*logFile)}
	if config.Terminal != nil {
		l.terminal = startTerminal(config.Terminal)
		l.outage.tell = func(level slog.Level, msg string) {
			l.terminal.putText(config.textStyle(), time.Now(), level, "logs", msg)
		}
	}
	return l
}

// Component returns the logger of one component, such as "server-tcp". Its
// lines go to the file of that name. A call below the levels of file and terminal
// costs neither an allocation nor a lock. After Close it discards.
func (l *Logs) Component(name string) *slog.Logger {
	h := &logHandler{
		component:     fileSafe(name),
		style:         l.config.textStyle(),
		terminal:      l.terminal,
		terminalLevel: slog.LevelWarn,
		fileLevel:     l.config.Level,
		callers:       &l.callers,
	}
	if l.config.Verbose {
		h.terminalLevel = slog.LevelDebug
	}
	if l.config.Contents {
		h.terminalLevel = LevelContents
	}
	if l.terminal == nil {
		h.terminalLevel = math.MaxInt
	}
	if h.file = l.file(h.component); h.file == nil {
		h.fileLevel = math.MaxInt
	}
	return slog.New(h)
}

// file returns the queue of component's file, or nil if it has none.
func (l *Logs) file(component string) *lineQueue {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.config.Dir == "" || l.closed {
		return nil
	}
	f := l.files[component]
	if f == nil {
		f = startLogFile(l.config, component, &l.outage)
		l.files[component] = f
	}
	return f.queue
}

// Status returns how many lines went to files, and how many were lost.
func (l *Logs) Status() LogStatus {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := LogStatus{Dir: l.config.Dir}
	for _, f := range l.files {
		s.Lines += f.written.Load()
		s.LostLines += f.lost()
	}
	return s
}

// Close writes what is queued and waits until that is done, for five seconds at
// most: then it returns ErrLogsStuck. Lines logged after Close are lost.
func (l *Logs) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	var stuck error
	for _, f := range l.files {
		f.queue.stop()
	}
	for _, f := range l.files {
		if !f.queue.wait(ctx) {
			stuck = fmt.Errorf("log file %s: %w", f.path(1), ErrLogsStuck)
		}
	}
	// The terminal comes last: the files may have had something to say on it.
	if l.terminal != nil {
		l.terminal.stop()
		if !l.terminal.wait(ctx) {
			stuck = fmt.Errorf("terminal: %w", ErrLogsStuck)
		}
	}
	return stuck
}

func (c LogConfig) textStyle() TextStyle {
	return TextStyle{Color: c.Color, Verbose: c.Verbose}
}

// An outage makes one warning of what a full disk does to several files, and one
// message of their recovery.
type outage struct {
	tell func(level slog.Level, msg string) // nil: nobody to tell
	mu   sync.Mutex
	down int    // files that cannot be written
	lost uint64 // lines of the files that came back
}

func (o *outage) begin(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.down++; o.down == 1 {
		o.lost = 0
		o.say(slog.LevelWarn, fmt.Sprintf("log files are not written, lost lines are counted: %v", err))
	}
}

func (o *outage) end(lost uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lost += lost
	if o.down--; o.down == 0 {
		o.say(slog.LevelWarn, fmt.Sprintf("log files are written again, %d lines were lost", o.lost))
	}
}

func (o *outage) say(level slog.Level, msg string) {
	if o.tell != nil {
		o.tell(level, msg)
	}
}

// fileSafe makes a file name of a component's name.
func fileSafe(component string) string {
	safe := []byte(component)
	for i, c := range safe {
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_') {
			safe[i] = '_'
		}
	}
	if len(safe) == 0 {
		return "_"
	}
	return string(safe[:min(len(safe), 64)])
}

// startTerminal writes lines for people to w, and says when it had to skip some.
func startTerminal(w io.Writer) *lineQueue {
	var told uint64
	q := newLineQueue(maxBatch, 0)
	go q.run(func(batch []byte, _ int) {
		if lost := q.lost.Load(); lost > told {
			batch = fmt.Appendf(batch, "(%d lines not shown: this terminal is too slow)\n", lost-told)
			told = lost
		}
		// A terminal that went away is no reason to stop; there is nobody to tell.
		_, _ = w.Write(batch)
	}, func() {})
	return q
}
