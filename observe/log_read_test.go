package observe

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"wirelab/internal/require"
)

// noon is the time of the lines that the tests of this file write, plus their
// number in seconds.
func noon(n int) time.Time {
	return time.Date(2020, 2, 29, 12, 0, n, 0, time.UTC)
}

// logLine is a line of a log file, with its end.
func logLine(component string, level slog.Level, n int) string {
	head := jsonHead{time: noon(n), level: level, component: component}
	return string(fmt.Appendf(head.append(nil, "event"), ",\"n\":%d}\n", n))
}

// infoLines are the lines of one component with these numbers.
func infoLines(component string, ns ...int) string {
	var b strings.Builder
	for _, n := range ns {
		b.WriteString(logLine(component, slog.LevelInfo, n))
	}
	return b.String()
}

// writeLog writes a file into dir, compressed as its name says.
func writeLog(t *testing.T, dir, name, text string) {
	t.Helper()
	var buf bytes.Buffer
	var w io.WriteCloser
	switch filepath.Ext(name) {
	case ".gz":
		w = gzip.NewWriter(&buf)
	case ".zst":
		z, err := zstd.NewWriter(&buf, zstd.WithEncoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		w = z
	default:
		buf.WriteString(text)
	}
	if w != nil {
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, name), buf.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// rotatedName is what timberjack calls a file rotated in second n.
func rotatedName(stem string, n int, ending string) string {
	return stem + "-" + noon(n).Format(rotatedTime) + ending
}

// laboratory writes the log files of two components, rotated and not.
func laboratory(t *testing.T) string {
	dir := t.TempDir()
	writeLog(t, dir, rotatedName("server-tcp", 5, "-size.log.gz"), infoLines("server-tcp", 1, 3))
	writeLog(t, dir, rotatedName("server-tcp", 9, "-time.log.zst"), infoLines("server-tcp", 6, 8))
	writeLog(t, dir, rotatedName("server-tcp", 9, "-time_1.log"), infoLines("server-tcp", 9))
	writeLog(t, dir, "server-tcp.log", infoLines("server-tcp", 10, 12))
	writeLog(t, dir, "client.log", infoLines("client", 2, 4)+logLine("client", slog.LevelError, 7))
	writeLog(t, dir, "client.2.log", infoLines("client", 11))
	writeLog(t, dir, "notes.txt", "not a log\n")
	writeLog(t, dir, rotatedName("server-tcp", 20, "-size.log.gz.tmp"), "half")
	if err := os.Mkdir(filepath.Join(dir, "old.log"), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestReadLogs(t *testing.T) {
	require.NoLeaks(t)
	dir := laboratory(t)
	tests := []struct {
		name   string
		filter Filter
		want   []int
	}{
		{"all", Filter{}, []int{1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12}},
		{"component", Filter{Components: []string{"client"}}, []int{2, 4, 7, 11}},
		{"family", Filter{Components: []string{"server"}}, []int{1, 3, 6, 8, 9, 10, 12}},
		{"two components", Filter{Components: []string{"client", "server-tcp"}, Since: noon(10)}, []int{10, 11, 12}},
		{"no component", Filter{Components: []string{"serv"}}, nil},
		{"since", Filter{Since: noon(7)}, []int{7, 8, 9, 10, 11, 12}},
		{"level", Filter{Level: slog.LevelWarn}, []int{7}},
		{"last", Filter{Last: 3}, []int{10, 11, 12}},
		{"more than there are", Filter{Last: 100, Since: noon(11)}, []int{11, 12}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ns, others := numbers(readAll(t, dir, test.filter))
			if diff := cmp.Diff(test.want, ns); diff != "" || len(others) != 0 {
				t.Errorf("lines (-want +got):\n%s%v", diff, others)
			}
		})
	}
}

func TestLogComponents(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"server-tcp.log", "client.2.log", "client.log", "old-2020-02-29T10-00-00.000-size.log.gz", "notes.txt"} {
		writeLog(t, dir, name, "")
	}
	names, err := LogComponents(dir)
	if want := []string{"client", "old", "server-tcp"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("%v, %v, want %v", names, err, want)
	}
	if _, err := LogComponents(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
}

func TestReadLogsStops(t *testing.T) {
	enough, calls := errors.New("enough"), 0
	err := ReadLogs(laboratory(t), Filter{}, func(Entry) error { calls++; return enough })
	if err != enough || calls != 1 {
		t.Errorf("%v after %d entries", err, calls)
	}
	if err := ReadLogs(filepath.Join(t.TempDir(), "none"), Filter{}, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
}

func TestReadBrokenLogs(t *testing.T) {
	require.NoLeaks(t)
	dir := t.TempDir()
	long := strings.Repeat("y", maxEntry+10)
	writeLog(t, dir, "client.log", infoLines("client", 1)+"garbage\x00\n\n"+long+"\n"+infoLines("client", 2)+`{"time":"no end`)
	writeLog(t, dir, rotatedName("client", 0, "-size.log"), "")
	if err := os.WriteFile(filepath.Join(dir, rotatedName("client", 0, "-size_1.log.gz")), []byte("not gzip"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, rotatedName("client", 0, "-size_2.log.zst")), []byte("not zstd"), 0o600); err != nil {
		t.Fatal(err)
	}
	ns, others := numbers(readAll(t, dir, Filter{Level: slog.LevelError}))
	if len(ns) != 0 || len(others) != 5 {
		t.Fatalf("%d lines and %d others, want 0 and 5", len(ns), len(others))
	}
	for i, e := range others {
		if !e.Broken || e.Component != "client" || e.Cut != (i == 3) || len(e.Raw) > maxEntry {
			t.Errorf("%d: broken %t, cut %t, %d bytes of %s", i, e.Broken, e.Cut, len(e.Raw), e.Component)
		}
	}
	if !strings.Contains(string(others[0].Raw), "size_1.log.gz: ") || !others[2].Time.Equal(noon(1)) {
		t.Errorf("%s, %v", others[0].Raw, others[2].Time)
	}
	text := TextStyle{}.AppendEntry(nil, &others[2])
	if !bytes.Contains(text, []byte(`client      (broken line)  garbage\x00`)) {
		t.Errorf("shown as %q", text)
	}
}

// follower collects what Follow finds.
type follower struct {
	t       *testing.T
	entries chan Entry
	stop    context.CancelFunc
	done    chan error
}

func follow(t *testing.T, dir string, filter Filter) *follower {
	ctx, cancel := context.WithCancel(context.Background())
	f := &follower{t: t, entries: make(chan Entry, 1000), stop: cancel, done: make(chan error, 1)}
	go func() {
		f.done <- Follow(ctx, dir, filter, func(e Entry) error {
			f.entries <- e.clone()
			return nil
		})
	}()
	t.Cleanup(f.end)
	return f
}

// want waits for the lines with these numbers, in this order, and nothing else.
func (f *follower) want(ns ...int) {
	f.t.Helper()
	for _, want := range ns {
		select {
		case e := <-f.entries:
			if got, _ := numbers([]Entry{e}); !slices.Equal(got, []int{want}) {
				f.t.Fatalf("followed %s, want %d", e.Raw, want)
			}
		case <-time.After(10 * time.Second):
			f.t.Fatalf("no line %d", want)
		}
	}
}

func (f *follower) end() {
	f.stop()
	if err := <-f.done; err != nil {
		f.t.Error(err)
	}
	if len(f.entries) != 0 {
		f.t.Errorf("%d more lines, such as %s", len(f.entries), (<-f.entries).Raw)
	}
}

// appendLog appends to a log file, or makes it.
func appendLog(t *testing.T, dir, name, text string) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.WriteString(text)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, dir, from, to string) {
	t.Helper()
	if err := os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)); err != nil {
		t.Fatal(err)
	}
}

func TestFollow(t *testing.T) {
	require.NoLeaks(t)
	dir := filepath.Join(t.TempDir(), "logs")
	f := follow(t, dir, Filter{})
	if err := os.Mkdir(dir, 0o700); err != nil { // after Follow has begun, or before
		t.Fatal(err)
	}
	appendLog(t, dir, "client.log", infoLines("client", 1, 2))
	f.want(1, 2)

	half := infoLines("client", 3)
	appendLog(t, dir, "client.log", half[:20])
	appendLog(t, dir, "server-tcp.log", infoLines("server-tcp", 4))
	f.want(4)
	appendLog(t, dir, "client.log", half[20:])
	f.want(3)

	// Rotated, with a line that came last.
	appendLog(t, dir, "client.log", infoLines("client", 5))
	rename(t, dir, "client.log", rotatedName("client", 6, "-size.log"))
	appendLog(t, dir, "client.log", infoLines("client", 6, 9))
	f.want(5, 6, 9)

	// Truncated, and written anew, to less than it was: as much could not be told apart.
	if err := os.Truncate(filepath.Join(dir, "client.log"), 0); err != nil {
		t.Fatal(err)
	}
	appendLog(t, dir, "client.log", infoLines("client", 7)[:30])
	appendLog(t, dir, "server-tcp.log", infoLines("server-tcp", 8))
	f.want(8)
	appendLog(t, dir, "client.log", infoLines("client", 7)[30:])
	f.want(7)
}

// TestFollowThroughRotations rotates several times between two looks of Follow.
func TestFollowThroughRotations(t *testing.T) {
	require.NoLeaks(t)
	dir := t.TempDir()
	writeLog(t, dir, rotatedName("client", 1, "-size.log.gz"), infoLines("client", 1))
	appendLog(t, dir, "client.log", infoLines("client", 2))
	m := newLogMerge(dir, &Filter{})
	defer m.close()
	look := func(want ...int) {
		t.Helper()
		var got []Entry
		if err := m.refresh(); err != nil {
			t.Fatal(err)
		}
		if err := m.drain(func(e Entry) error { got = append(got, e.clone()); return nil }, false); err != nil {
			t.Fatal(err)
		}
		if ns, others := numbers(got); !slices.Equal(ns, want) || len(others) != 0 {
			t.Errorf("found %v and %v, want %v", ns, others, want)
		}
	}
	look(1, 2)
	appendLog(t, dir, "client.log", infoLines("client", 3))
	rename(t, dir, "client.log", rotatedName("client", 4, "-size.log"))
	writeLog(t, dir, rotatedName("client", 5, "-size.log.gz"), infoLines("client", 4))
	writeLog(t, dir, rotatedName("client", 6, "-size.log"), infoLines("client", 5))
	look(3) // between rename and create
	writeLog(t, dir, "client.log", infoLines("client", 6))
	look(4, 5, 6)
	look()
	if err := os.RemoveAll(filepath.Join(dir, "client.log")); err != nil {
		t.Fatal(err)
	}
	look()
	appendLog(t, dir, "client.log", infoLines("client", 7))
	look(7)
}

// TestFollowRealLogs follows Logs while they rotate as fast as they can.
func TestFollowRealLogs(t *testing.T) {
	require.NoLeaks(t)
	dir := t.TempDir()
	logs := OpenLogs(LogConfig{Dir: dir, MaxSize: minLogSize, Keep: 1000})
	f := follow(t, dir, Filter{})
	for n := range 20 {
		logSome(t, logs, "client", n*10, 10)
		ns := make([]int, 10)
		for i := range ns {
			ns[i] = n*10 + i
		}
		if n%5 == 4 {
			f.want(ns...)
			continue
		}
		f.want(ns[:5]...)
		f.want(ns[5:]...)
	}
	closeLogs(t, logs)
}

func TestParseLogName(t *testing.T) {
	tests := []struct {
		name, stem string
		at         time.Time
		ok         bool
	}{
		{"client.log", "client", time.Time{}, true},
		{"server-tcp.2.log", "server-tcp.2", time.Time{}, true},
		{rotatedName("client.2", 1, "-size_1.log.gz"), "client.2", noon(1), true},
		{rotatedName("a", 1, "-time.log.zst"), "a", noon(1), true},
		{rotatedName("", 1, "-time.log"), "", time.Time{}, true}, // a component of that name, then
		{"client.log.gz", "client", time.Time{}, false},
		{"client.txt", "", time.Time{}, false},
		{".log", "", time.Time{}, false},
		{".client.log.lock", "", time.Time{}, false},
		{".client.log", "", time.Time{}, false},
	}
	for _, test := range tests {
		stem, at, ok := parseLogName(test.name)
		if ok != test.ok || ok && test.stem != "" && (stem != test.stem || !at.Equal(test.at)) {
			t.Errorf("%s: %q, %v, %t", test.name, stem, at, ok)
		}
	}
}

func FuzzParseLogName(f *testing.F) {
	f.Add("client.2-2026-11-22T10-03-04.000-size_1.log.gz")
	f.Add("-2026-11-22T10-03-04.000-.log")
	f.Fuzz(func(t *testing.T, name string) {
		stem, _, ok := parseLogName(name)
		if ok && (stem == "" || !strings.HasPrefix(name, stem)) {
			t.Errorf("%q: stem %q", name, stem)
		}
	})
}

// FuzzLineReader compares with strings.Split, whatever the reads are.
func FuzzLineReader(f *testing.F) {
	f.Add("a\nbc\n\nd", 1)
	f.Add(strings.Repeat("x", 200)+"\n", 7)
	f.Fuzz(func(t *testing.T, text string, chunk int) {
		chunk = max(1, chunk%100)
		r := &chunks{text: text, size: chunk}
		l := newLineReader(r)
		var got []string
		for !r.spent() {
			line, _, err := l.next()
			if err == nil {
				got = append(got, string(line))
			}
		}
		for line, _, err := l.next(); err == nil; line, _, err = l.next() {
			got = append(got, string(line))
		}
		rest, _, _ := l.rest()
		got = append(got, string(rest))
		if diff := cmp.Diff(strings.Split(text, "\n"), got); diff != "" {
			t.Error(diff)
		}
	})
}

// chunks is a file that grows: after each chunk it seems to be at its end.
type chunks struct {
	text string
	size int
	gave bool
}

func (c *chunks) spent() bool { return c.text == "" }

func (c *chunks) Read(p []byte) (int, error) {
	if c.gave = !c.gave; !c.gave || c.text == "" {
		return 0, io.EOF
	}
	n := copy(p, c.text[:min(c.size, len(c.text))])
	c.text = c.text[n:]
	return n, nil
}
