package observe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"wirelab/internal/require"
)

// terminal is a terminal that a test can read while it is written.
type terminal struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (t *terminal) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.Write(p)
}

func (t *terminal) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.String()
}

// logEvent is the line that the tests of this file log.
func logEvent(log *slog.Logger, n int) {
	log.LogAttrs(context.Background(), slog.LevelInfo, "event", slog.Int("n", n))
}

// eventually polls for what another goroutine does to files.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}

func closeLogs(t *testing.T, l *Logs) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// readAll returns the entries of dir, copied.
func readAll(t *testing.T, dir string, filter Filter) []Entry {
	t.Helper()
	var entries []Entry
	err := ReadLogs(dir, filter, func(e Entry) error {
		entries = append(entries, e.clone())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

// numbers returns the values of the attribute n, and the lines that lack it.
func numbers(entries []Entry) (ns []int, others []Entry) {
	for _, e := range entries {
		var n int
		if len(e.Attrs) == 0 || e.Attrs[0].Key != "n" {
			others = append(others, e)
			continue
		}
		if _, err := fmt.Sscan(string(e.Attrs[0].Value), &n); err != nil {
			others = append(others, e)
			continue
		}
		ns = append(ns, n)
	}
	return ns, others
}

func TestLogsReachFilesAndTerminal(t *testing.T) {
	require.NoLeaks(t)
	dir := filepath.Join(t.TempDir(), "logs")
	term := new(terminal)
	logs := OpenLogs(LogConfig{Dir: dir, Terminal: term})
	tcp := logs.Component("server-tcp")
	tcp.Debug("not shown")
	tcp.With("connection", 17).Info("client connected", "peer", "127.0.0.1:4711")
	logs.Component("server-udp").Warn("peer forgotten", "peer", "127.0.0.1:4712")
	closeLogs(t, logs)

	if got, want := logs.Status(), (LogStatus{Dir: dir, Lines: 2}); got != want {
		t.Errorf("status %+v, want %+v", got, want)
	}
	entries := readAll(t, dir, Filter{})
	if len(entries) != 2 || entries[0].Component != "server-tcp" || entries[1].Level != slog.LevelWarn {
		t.Errorf("entries %+v", entries)
	}
	if e := entries[0]; !strings.HasPrefix(e.Function, "observe.TestLogsReach") || e.Line == 0 {
		t.Errorf("logged by %s:%d", e.Function, e.Line)
	}
	if got := term.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "WARN  server-udp  peer forgotten") {
		t.Errorf("the terminal shows %q", got)
	}
	info, err := os.Stat(filepath.Join(dir, "server-tcp.log"))
	if err != nil || info.Mode().Perm()&0o007 != 0 {
		t.Errorf("others may read the file: %v, %v", info.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*.lock")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestVerboseTerminalShowsAll(t *testing.T) {
	term := new(terminal)
	logs := OpenLogs(LogConfig{Terminal: term, Verbose: true})
	logs.Component("client").Debug("sent", "bytes", 5)
	closeLogs(t, logs)
	if got := term.String(); !strings.Contains(got, "DEBUG client") || !strings.Contains(got, "  observe.TestVerboseTerminalShowsAll:") {
		t.Errorf("the terminal shows %q", got)
	}
}

func TestDisabledLevelsCostNothing(t *testing.T) {
	logs := OpenLogs(LogConfig{Dir: t.TempDir(), Terminal: new(terminal)})
	defer closeLogs(t, logs)
	log := logs.Component("server-tcp")
	ctx := context.Background()
	if n := testing.AllocsPerRun(100, func() {
		log.LogAttrs(ctx, slog.LevelDebug, "message", slog.Int("bytes", 64), slog.String("peer", "127.0.0.1:1"))
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	nowhere := OpenLogs(LogConfig{})
	defer closeLogs(t, nowhere)
	if nowhere.Component("client").Enabled(ctx, slog.LevelError) {
		t.Error("enabled, with nowhere to log to")
	}
}

func TestConcurrentLoggersLoseNothing(t *testing.T) {
	require.NoLeaks(t)
	const loggers, each = 4, 300
	dir := t.TempDir()
	logs := OpenLogs(LogConfig{Dir: dir, MaxSize: 16 << 10, Keep: 1000})
	var wg sync.WaitGroup
	for i := range loggers {
		wg.Go(func() {
			log := logs.Component([]string{"server-tcp", "server-udp"}[i%2])
			for n := range each {
				logEvent(log, i*each+n)
			}
		})
	}
	wg.Wait()
	closeLogs(t, logs)
	ns, others := numbers(readAll(t, dir, Filter{}))
	slices.Sort(ns)
	if ns = slices.Compact(ns); len(ns) != loggers*each || len(others) != 0 {
		t.Errorf("%d different lines of %d, and %v", len(ns), loggers*each, others)
	}
}

func TestLoggingAfterClose(t *testing.T) {
	logs := OpenLogs(LogConfig{Dir: t.TempDir()})
	log := logs.Component("client")
	logEvent(log, 1)
	closeLogs(t, logs)
	logEvent(log, 2)
	logEvent(logs.Component("client"), 3)
	closeLogs(t, logs)
	if s := logs.Status(); s.Lines != 1 || s.LostLines != 1 {
		t.Errorf("status %+v", s)
	}
}

// stuck is a terminal that takes nothing until it is released.
type stuck chan struct{}

func (s stuck) Write(p []byte) (int, error) {
	<-s
	return len(p), nil
}

func TestStuckTerminalBlocksNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		term := make(stuck)
		logs := OpenLogs(LogConfig{Terminal: term})
		log := logs.Component("server-tcp")
		for range 2 * queuedLines {
			log.Error("busy")
		}
		if lost := logs.terminal.lost.Load(); lost < queuedLines/2 {
			t.Errorf("%d lines lost", lost)
		}
		begun := time.Now()
		if err := logs.Close(); !errors.Is(err, ErrLogsStuck) || time.Since(begun) != closeTimeout {
			t.Errorf("Close: %v after %v", err, time.Since(begun))
		}
		close(term)
	})
}

func TestTerminalTellsOfSkippedLines(t *testing.T) {
	term := new(terminal)
	q := startTerminal(term)
	q.lost.Add(3)
	q.putText(TextStyle{}, time.Now(), slog.LevelError, "client", "here again")
	q.stop()
	<-q.done
	if got := term.String(); !strings.Contains(got, "(3 lines not shown: this terminal is too slow)\n") {
		t.Errorf("the terminal shows %q", got)
	}
}

func TestQueueIsBoundedInBytes(t *testing.T) {
	q := newLineQueue(maxBatch, 0)
	big := bytes.Repeat([]byte{'x'}, maxLine)
	for range queuedBytes/maxLine + 5 {
		line := slices.Clone(big)
		q.put(&line)
	}
	if lost := q.lost.Load(); lost != 5 {
		t.Errorf("%d lines did not fit, want 5", lost)
	}
	var lines int
	q.stop()
	q.run(func(_ []byte, n int) { lines += n }, func() {})
	if lines != queuedBytes/maxLine || q.bytes.Load() != 0 {
		t.Errorf("%d lines written, %d bytes still counted", lines, q.bytes.Load())
	}
}

func BenchmarkLogDisabled(b *testing.B) {
	logs := OpenLogs(LogConfig{Dir: b.TempDir()})
	defer logs.Close()
	log := logs.Component("server-tcp")
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		log.LogAttrs(ctx, slog.LevelDebug, "message", slog.Int("bytes", 64))
	}
}

func BenchmarkLogLine(b *testing.B) {
	logs := OpenLogs(LogConfig{Dir: b.TempDir()})
	defer logs.Close()
	log := logs.Component("server-tcp")
	b.ReportAllocs()
	for b.Loop() {
		logEvent(log, 64)
	}
}
