package observe

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"wirelab/internal/require"
)

// logSome logs n lines, numbered from first, and waits until they are in the file
// or lost.
func logSome(t *testing.T, logs *Logs, component string, first, n int) {
	t.Helper()
	before := logs.Status()
	log := logs.Component(component)
	for i := range n {
		logEvent(log, first+i)
	}
	want := before.Lines + before.LostLines + uint64(n)
	eventually(t, "lines written", func() bool {
		s := logs.Status()
		return s.Lines+s.LostLines >= want
	})
}

func globbed(t *testing.T, parts ...string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(parts...))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestRotationBySize(t *testing.T) {
	require.NoLeaks(t)
	dir := t.TempDir()
	logs := OpenLogs(LogConfig{Dir: dir, MaxSize: minLogSize, Keep: 1000})
	const lines = 400
	logSome(t, logs, "client", 0, lines)
	closeLogs(t, logs)
	if n := len(globbed(t, dir, "client-*-size*.log.gz")); n < 10 {
		t.Errorf("%d compressed files of %d lines", n, lines)
	}
	info, err := os.Stat(filepath.Join(dir, "client.log"))
	if err != nil || info.Size() > minLogSize {
		t.Errorf("client.log: %v, %v", info, err)
	}
	ns, others := numbers(readAll(t, dir, Filter{}))
	if len(ns) != lines || !slices.IsSorted(ns) || len(others) != 0 {
		t.Errorf("%d lines, sorted: %t; and %v", len(ns), slices.IsSorted(ns), others)
	}
}

func TestRotationKeepsFew(t *testing.T) {
	dir := t.TempDir()
	logs := OpenLogs(LogConfig{Dir: dir, MaxSize: minLogSize, Keep: 2})
	logSome(t, logs, "client", 0, 500)
	closeLogs(t, logs)
	// Files rotated within one millisecond count as one.
	var stamps []time.Time
	for _, path := range globbed(t, dir, "client-*") {
		_, at, ok := parseLogName(filepath.Base(path))
		if !ok {
			t.Errorf("unexpected file %s", path)
		}
		stamps = append(stamps, at)
	}
	if n := len(slices.CompactFunc(stamps, time.Time.Equal)); n != 2 {
		t.Errorf("%d rotations kept", n)
	}
}

func TestRotationByAge(t *testing.T) {
	dir := t.TempDir()
	old := time.Now().Add(-rotateAfter - time.Minute).UTC().Format(jsonTime)
	line := fmt.Sprintf("%s%s\",\"level\":\"info\",\"component\":\"client\",\"msg\":\"old\",\"n\":1}\n", timePrefix, old)
	if err := os.WriteFile(filepath.Join(dir, "client.log"), []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	logs := OpenLogs(LogConfig{Dir: dir})
	logSome(t, logs, "client", 2, 1)
	closeLogs(t, logs)
	if n := len(globbed(t, dir, "client-*-time.log.gz")); n != 1 {
		t.Errorf("%d files rotated by age", n)
	}
	if ns, _ := numbers(readAll(t, dir, Filter{})); !slices.Equal(ns, []int{1, 2}) {
		t.Errorf("lines %v", ns)
	}
}

func TestFilesOfTwoProcesses(t *testing.T) {
	dir := t.TempDir()
	first, second := OpenLogs(LogConfig{Dir: dir}), OpenLogs(LogConfig{Dir: dir})
	logSome(t, first, "client", 0, 10)
	logSome(t, second, "client", 10, 10)
	closeLogs(t, first)
	third := OpenLogs(LogConfig{Dir: dir})
	logSome(t, third, "client", 20, 10)
	closeLogs(t, second)
	closeLogs(t, third)
	var names []string
	for _, path := range globbed(t, dir, "*") {
		names = append(names, filepath.Base(path))
	}
	if want := []string{"client.2.log", "client.log"}; !slices.Equal(names, want) {
		t.Errorf("files %v, want %v", names, want)
	}
	ns, _ := numbers(readAll(t, dir, Filter{Components: []string{"client"}}))
	if len(ns) != 30 || !slices.IsSorted(ns) {
		t.Errorf("lines %v", ns)
	}
}

func TestCrashedLineIsMended(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "client.log")
	if err := os.WriteFile(path, []byte(`{"time":"2026-11-22T10:0`), 0o600); err != nil {
		t.Fatal(err)
	}
	logs := OpenLogs(LogConfig{Dir: dir})
	logSome(t, logs, "client", 1, 2)
	closeLogs(t, logs)
	ns, others := numbers(readAll(t, dir, Filter{}))
	if !slices.Equal(ns, []int{1, 2}) || len(others) != 1 || !others[0].Broken {
		t.Errorf("lines %v, and %v", ns, others)
	}
}

func TestOutageIsTold(t *testing.T) {
	require.NoLeaks(t)
	dir := filepath.Join(t.TempDir(), "logs")
	if err := os.WriteFile(dir, nil, 0o600); err != nil { // not a directory: whoever runs the test
		t.Fatal(err)
	}
	term := new(terminal)
	logs := OpenLogs(LogConfig{Dir: dir, Terminal: term})
	logSome(t, logs, "server-tcp", 0, 5)
	logSome(t, logs, "server-udp", 0, 5)
	logSome(t, logs, "server-tcp", 0, 5)
	if s := logs.Status(); s.Lines != 0 || s.LostLines != 15 {
		t.Errorf("status %+v", s)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	for _, component := range []string{"server-tcp", "server-udp"} {
		path := filepath.Join(dir, component+".log")
		eventually(t, path, func() bool {
			logSome(t, logs, component, 100, 1)
			_, err := os.Stat(path)
			return err == nil
		})
	}
	closeLogs(t, logs)
	got := term.String()
	if strings.Count(got, "log files are not written") != 1 || strings.Count(got, "log files are written again") != 1 || strings.Count(got, "\n") != 2 {
		t.Errorf("the terminal shows %q", got)
	}
	_, others := numbers(readAll(t, dir, Filter{}))
	if len(others) != 2 || others[0].Attrs[0].Key != "lost_lines" {
		t.Errorf("the files say %v", others)
	}
}

func TestDirectoryDeletedUnderneath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	term := new(terminal)
	logs := OpenLogs(LogConfig{Dir: dir, Terminal: term})
	logSome(t, logs, "client", 1, 1)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	logSome(t, logs, "client", 2, 1)
	closeLogs(t, logs)
	ns, _ := numbers(readAll(t, dir, Filter{}))
	if !slices.Equal(ns, []int{2}) || term.String() != "" {
		t.Errorf("lines %v; the terminal shows %q", ns, term)
	}
}

func TestFileTruncatedUnderneath(t *testing.T) {
	dir := t.TempDir()
	logs := OpenLogs(LogConfig{Dir: dir, MaxSize: minLogSize})
	logSome(t, logs, "client", 0, 60) // rotated: timberjack's own descriptor would not append
	if err := os.Truncate(filepath.Join(dir, "client.log"), 0); err != nil {
		t.Fatal(err)
	}
	logSome(t, logs, "client", 100, 2)
	closeLogs(t, logs)
	raw, err := os.ReadFile(filepath.Join(dir, "client.log"))
	if err != nil || bytes.ContainsRune(raw, 0) || bytes.Count(raw, []byte{'\n'}) != 2 {
		t.Errorf("%v: %q", err, raw)
	}
}

func TestNotARegularFile(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "client.log"), 0o600); err != nil {
		t.Fatal(err)
	}
	term := new(terminal)
	logs := OpenLogs(LogConfig{Dir: dir, Terminal: term})
	logSome(t, logs, "client", 0, 3)
	closeLogs(t, logs)
	if s := logs.Status(); s.LostLines != 3 || !strings.Contains(term.String(), "not a regular file") {
		t.Errorf("status %+v; the terminal shows %q", s, term)
	}
}

func TestQueueLossIsNotedInTheFile(t *testing.T) {
	dir := t.TempDir()
	logs := OpenLogs(LogConfig{Dir: dir})
	logSome(t, logs, "client", 1, 1)
	logs.files["client"].queue.lost.Add(7)
	closeLogs(t, logs)
	_, others := numbers(readAll(t, dir, Filter{}))
	if len(others) != 1 || string(others[0].Attrs[0].Value) != "7" {
		t.Errorf("the file says %v", others)
	}
}

func TestDays(t *testing.T) {
	for age, want := range map[time.Duration]int{
		-time.Hour: 0, 0: 0, time.Nanosecond: 1, 24 * time.Hour: 1, 24*time.Hour + 1: 2, 30 * 24 * time.Hour: 30,
	} {
		if got := days(age); got != want {
			t.Errorf("days(%v) = %d, want %d", age, got, want)
		}
	}
}
