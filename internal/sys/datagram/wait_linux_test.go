package datagram

import (
	"errors"
	"net/netip"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// dialGone returns a socket whose peer is gone.
func dialGone(t *testing.T, host string) *Conn {
	t.Helper()
	gone, err := Listen(Config{Addr: netip.MustParseAddrPort(host)})
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	conn, err := Dial(Config{}, gone.LocalAddr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// refuse sends datagrams until some have been refused.
func refuse(t *testing.T, conn *Conn) {
	t.Helper()
	w := conn.NewWriter(1)
	refused := 0
	for end := time.Now().Add(10 * time.Second); refused < 5; {
		_, err := w.Write([]Datagram{{Payload: []byte("x")}})
		if errors.Is(err, syscall.ECONNREFUSED) {
			refused++
		} else if err != nil || time.Now().After(end) {
			t.Fatalf("after %d refusals: %v", refused, err)
		}
	}
}

// hasErrors reports whether a wait for the socket would end for an error.
func hasErrors(t *testing.T, conn *Conn) bool {
	t.Helper()
	fds := []unix.PollFd{{}}
	err := conn.raw.Control(func(fd uintptr) {
		fds[0].Fd = int32(fd)
		unix.Poll(fds, 0)
	})
	if err != nil {
		t.Fatal(err)
	}
	return fds[0].Revents&unix.POLLERR != 0
}

// Errors that nobody reads would end every later wait at once.
func TestDatagramReaderDiscardsErrors(t *testing.T) {
	for _, host := range []string{"127.0.0.1:0", "[::1]:0"} {
		conn := dialGone(t, host)
		refuse(t, conn)
		if !hasErrors(t, conn) {
			t.Errorf("%s: no error is queued", host)
		}
		r := conn.NewReader(1, 10)
		for try := 0; hasErrors(t, conn); try++ {
			if try == 100 {
				t.Fatalf("%s: errors stay", host)
			}
			if err := conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			if _, err := r.Read(); !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, syscall.ECONNREFUSED) {
				t.Fatalf("%s: %v", host, err)
			}
		}
	}
}

func TestDatagramWriterDiscardsErrors(t *testing.T) {
	conn := dialGone(t, "127.0.0.1:0")
	refuse(t, conn)
	wait := newSocketWait(conn, unix.POLLOUT)
	for range 2 { // the first sees that there are errors
		if err := conn.raw.Control(wait.writable); err != nil {
			t.Fatal(err)
		}
	}
	if hasErrors(t, conn) {
		t.Error("errors stay")
	}
}

// Refusals are reported though earlier ones were discarded.
func TestDatagramReaderReportsRefusals(t *testing.T) {
	conn := dialGone(t, "127.0.0.1:0")
	r, w := conn.NewReader(1, 10), conn.NewWriter(1)
	for reported, try := 0, 0; reported < 3; try++ {
		if try == 500 {
			t.Fatalf("%d are reported", reported)
		}
		if _, err := w.Write([]Datagram{{Payload: []byte("x")}}); err != nil && !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatal(err)
		}
		if err := conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		switch _, err := r.Read(); {
		case errors.Is(err, syscall.ECONNREFUSED):
			reported++
		case !errors.Is(err, os.ErrDeadlineExceeded):
			t.Fatal(err)
		}
	}
}

// A socket that is only read without waiting is never woken, and its deadline can
// be set all the same.
func TestDatagramDeadlinesDoNotFillUp(t *testing.T) {
	conn, err := Listen(Config{Addr: netip.MustParseAddrPort("127.0.0.1:0")})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer conn.Close()
		for range 1000 {
			if err := conn.SetReadDeadline(time.Time{}); err != nil {
				t.Error(err)
			}
		}
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("SetReadDeadline blocks")
	}
}

// A reader that keeps its processor lets go of it when the socket is closed, a deadline
// passes or Go's garbage collector wants it to stop.
func TestPromptReaderLetsGo(t *testing.T) {
	conn, err := Listen(Config{Addr: netip.MustParseAddrPort("127.0.0.1:0"), Prompt: true})
	if err != nil {
		t.Fatal(err)
	}
	if !conn.prompt {
		t.Skip("there is one processor")
	}
	r := conn.NewReader(1, 10)
	for _, end := range []struct {
		now  func() error
		want error
	}{
		{func() error { return conn.SetReadDeadline(time.Now()) }, os.ErrDeadlineExceeded},
		{conn.Close, os.ErrClosed},
	} {
		r.wait.inVain = 0
		if err := conn.SetReadDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		failed := make(chan error)
		go func() {
			_, err := r.Read()
			failed <- err
		}()
		runtime.GC()
		if err := end.now(); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-failed:
			if !errors.Is(err, end.want) {
				t.Errorf("%v, not %v", err, end.want)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("Read does not return with %v", end.want)
		}
	}
}
