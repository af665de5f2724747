package tcp_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"wirelab/internal/require"
	"wirelab/server/tcp"
)

// lockedBuffer is a bytes.Buffer for several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *lockedBuffer) count(text string) int { return strings.Count(l.String(), text) }

// A server that is out of descriptors leaves new connections waiting, says so
// once, and serves on when some are free.
func TestOutOfDescriptors(t *testing.T) {
	onEachEngineAlone(t, func(t *testing.T, engine string) {
		var logged lockedBuffer
		s, err := tcp.Listen(tcp.Config{
			Addr: netip.MustParseAddrPort("127.0.0.1:0"), Engine: engine, Handler: newHandler(t, "echo", nil),
			Log: slog.New(slog.NewTextHandler(&logged, nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		var conns []net.Conn
		for range require.Volume(24, 40) { // the kernel's backlog takes them before the server runs
			c, err := net.Dial("tcp", s.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			conns = append(conns, c)
		}
		restore := limitDescriptors(t, 10)
		go func() { done <- s.Run(ctx) }()
		r := &running{Server: s, t: t}
		r.eventually("it is starved", func(st tcp.Status) bool { return st.Events["accept_starved"] > 2 && st.Active > 0 })
		for _, c := range conns { // all speak: which of them are in, the engine decides
			c.SetDeadline(time.Now().Add(patience))
			io.WriteString(c, "x")
			c.(*net.TCPConn).CloseWrite()
		}
		for _, c := range conns {
			if got, err := io.ReadAll(c); err != nil || string(got) != "x" {
				t.Fatalf("%q, %v", got, err)
			}
			c.Close()
		}
		restore()
		r.eventually("the recovery is logged", func(tcp.Status) bool { return logged.count("descriptors are free again") == 1 })
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if n := logged.count("out of descriptors"); n != 1 {
			t.Errorf("logged %d times", n)
		}
	})
}

// startStarved starts a server when so many descriptors are left, and ends it. It
// returns the engine that served, and the server's note.
func startStarved(t *testing.T, engine string, spare int) (served, note string, err error) {
	t.Helper()
	require.NoLeaks(t)
	cfg := tcp.Config{
		Addr: netip.MustParseAddrPort("127.0.0.1:0"), Engine: engine, Loops: 2, Handler: newHandler(t, "echo", nil),
	}
	restore := limitDescriptors(t, spare)
	s, err := tcp.Listen(cfg)
	restore()
	if err != nil {
		return "", "", err
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Run(ctx); err != nil {
		t.Error(err)
	}
	served, note = s.Engine()
	return served, note, nil
}

// Where an engine lacks descriptors to start with, another that needs fewer takes its
// place and the note says why. When none can start, the error is about what was asked for.
func TestEngineThatCannotStartIsReplaced(t *testing.T) {
	for _, asked := range []string{tcp.AutoEngine, "uring", "epoll"} {
		t.Run(asked, func(t *testing.T) {
			for _, kind := range tcp.Engines() {
				if kind.Name == asked {
					require.Supported(t, kind.Check()) // else that is what its error is about
				}
			}
			const few, tooFew = 3, 1 // for a listener of Go's, and for nothing
			served, note, err := startStarved(t, asked, few)
			if err != nil || served != "goroutine" {
				t.Fatalf("engine %q serves, %v", served, err)
			}
			if asked != tcp.AutoEngine && !strings.Contains(note, asked+": ") || !strings.Contains(note, "too many open files") {
				t.Errorf("the note is %q", note)
			}
			_, _, err = startStarved(t, asked, tooFew)
			if !errors.Is(err, syscall.EMFILE) {
				t.Fatalf("with too few descriptors: %v", err)
			}
			if asked != tcp.AutoEngine && (!strings.Contains(err.Error(), asked) || strings.Contains(err.Error(), "goroutine")) {
				t.Errorf("who asked for %s is told %q", asked, err)
			}
		})
	}
}

// limitDescriptors leaves this process only so many more descriptors than it has.
func limitDescriptors(t *testing.T, spare int) (restore func()) {
	t.Helper()
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	low := old
	low.Cur = uint64(highestDescriptor(t) + spare + 1)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	fillGaps(t, spare)
	restore = sync.OnceFunc(func() { syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old) })
	t.Cleanup(restore)
	return restore
}

func highestDescriptor(t *testing.T) int {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	highest := 0
	for _, e := range open {
		n, err := strconv.Atoi(e.Name())
		if err != nil {
			t.Fatal(err)
		}
		highest = max(highest, n)
	}
	return highest
}

// fillGaps opens files until none can be opened, and closes spare of them.
func fillGaps(t *testing.T, spare int) {
	t.Helper()
	var files []*os.File
	for {
		f, err := os.Open("/dev/null")
		if err != nil {
			break
		}
		files = append(files, f)
	}
	for _, f := range files[:spare] {
		f.Close()
	}
	t.Cleanup(func() {
		for _, f := range files[spare:] {
			f.Close()
		}
	})
}
