package uring_test

import (
	"bytes"
	"io"
	"net"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"wirelab/internal/require"
	"wirelab/internal/sys/epoll"
	"wirelab/internal/sys/stream"
	"wirelab/internal/sys/stream/streamtest"
	"wirelab/internal/sys/uring"
)

// onEveryRing runs a test with each way to set up a ring that this kernel knows, on
// a thread of its own.
func onEveryRing(t *testing.T, cfg uring.Config, test func(t *testing.T, r *uring.Ring)) {
	for i := range uring.Setups {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			r, err := uring.NewWith(i, cfg)
			require.Supported(t, err)
			onThread(t, r, func() { test(t, r) })
		})
	}
}

// withRing runs a test with the best ring there is.
func withRing(t *testing.T, cfg uring.Config, test func(r *uring.Ring)) {
	t.Helper()
	r, err := uring.New(cfg)
	require.Supported(t, err)
	onThread(t, r, func() { test(r) })
}

// onThread runs test on the calling goroutine, locked to its thread, with r enabled.
func onThread(t testing.TB, r *uring.Ring, test func()) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := r.Enable(); err != nil {
		t.Fatal(err)
	}
	test()
}

// await returns the next n completions.
func await(t testing.TB, r *uring.Ring, n int) []uring.Completion {
	t.Helper()
	var got []uring.Completion
	for end := time.Now().Add(10 * time.Second); len(got) < n; {
		if time.Now().After(end) {
			t.Fatalf("after %+v nothing more completes", got)
		}
		if err := r.SubmitAndWait(1, time.Second); err != nil {
			t.Fatal(err)
		}
		some := make([]uring.Completion, n-len(got))
		got = append(got, some[:r.Reap(some)]...)
	}
	return got
}

// only returns the one completion of the operation with that data.
func only(t testing.TB, r *uring.Ring, data uint64) uring.Completion {
	t.Helper()
	c := await(t, r, 1)[0]
	if c.Data != data {
		t.Fatalf("completion %+v, want one of %d", c, data)
	}
	return c
}

func TestRingAcceptsMany(t *testing.T) {
	onEveryRing(t, uring.Config{8, 64}, func(t *testing.T, r *uring.Ring) {
		listener, addr, err := stream.Listen(loopback)
		if err != nil {
			t.Fatal(err)
		}
		defer stream.Close(listener)
		r.Accept(listener, 7)
		for range 20 {
			peer, err := net.Dial("tcp", addr.String())
			if err != nil {
				t.Fatal(err)
			}
			c := only(t, r, 7)
			if c.Errno() != 0 || !c.More() {
				t.Fatalf("accepted %+v", c)
			}
			if flags, err := unix.FcntlInt(uintptr(c.Result), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
				t.Errorf("descriptor flags %#x, %v", flags, err)
			}
			stream.Close(int(c.Result))
			peer.Close()
		}
		stream.ShutdownBoth(listener)
		if c := only(t, r, 7); c.Errno() != syscall.EINVAL || c.More() {
			t.Errorf("after shutdown: %+v", c)
		}
	})
}

// bufferRings makes a BufferRing in each way there is.
func bufferRings(t *testing.T, r *uring.Ring, count, size int, test func(b *uring.BufferRing)) {
	t.Helper()
	for group, newRing := range []func(*uring.Ring, uint16, int, int) (*uring.BufferRing, error){uring.NewBufferRing, uring.NewWholeBufferRing} {
		b, err := newRing(r, uint16(group), count, size)
		if err != nil {
			t.Fatal(err)
		}
		test(b)
		t.Cleanup(b.Free) // after the ring was closed
	}
}

// An echo of megabytes goes through few small buffers: all of them are used again
// and again, and a receive that found none goes on later.
func TestRingEchoesMegabytes(t *testing.T) {
	onEveryRing(t, uring.Config{4, 8}, func(t *testing.T, r *uring.Ring) {
		bufferRings(t, r, 4, 1000, func(b *uring.BufferRing) {
			fd, peer := streamtest.Pair(t)
			want := bytes.Repeat([]byte("0123456789abcdef!"), 200_000)
			var wg sync.WaitGroup
			wg.Go(func() {
				peer.Write(want)
				peer.CloseWrite()
			})
			var got []byte
			wg.Go(func() { got, _ = io.ReadAll(peer) })
			exhausted := echoThrough(t, r, b, fd)
			stream.ShutdownBoth(fd)
			wg.Wait()
			if !bytes.Equal(got, want) {
				t.Errorf("%d bytes came back, want %d", len(got), len(want))
			}
			t.Logf("out of buffers %d times", exhausted)
		})
	})
}

// echoThrough returns at the end of input how often no buffer was left.
func echoThrough(t *testing.T, r *uring.Ring, b *uring.BufferRing, fd int) (exhausted int) {
	const receive, send = 1, 2
	var sending, unsent []byte
	for ended, receiving, busy := false, false, false; !ended || busy; {
		if !receiving && !ended && len(unsent) < 10_000 {
			b.Publish()
			r.Receive(fd, b.Group(), receive)
			receiving = true
		}
		c := await(t, r, 1)[0]
		switch {
		case c.Data == send && c.Result > 0:
			sending, busy = sending[c.Result:], false
		case c.Data == receive && c.Result > 0:
			unsent = append(unsent, b.Take(c)...)
		case c.Errno() == syscall.ENOBUFS:
			exhausted++
		case c.Data == receive && c.Result == 0:
			ended = true
		default:
			t.Fatalf("%+v", c)
		}
		receiving = receiving && (c.Data != receive || c.More())
		if !busy && len(sending) == 0 {
			sending, unsent = unsent, nil
		}
		if !busy && len(sending) > 0 {
			r.Send(fd, sending, send)
			busy = true
		}
	}
	return exhausted
}

func TestRingReceiveEndsWithoutBuffersAndGoesOn(t *testing.T) {
	onEveryRing(t, uring.Config{8, 32}, func(t *testing.T, r *uring.Ring) {
		bufferRings(t, r, 2, 4, func(b *uring.BufferRing) {
			fd, peer := streamtest.Pair(t)
			io.WriteString(peer, "abcdefghij")
			r.Receive(fd, b.Group(), 1)
			got := ""
			for {
				c := only(t, r, 1)
				if c.Errno() == syscall.ENOBUFS {
					break
				}
				got += string(b.Take(c))
			}
			if got != "abcdefgh" {
				t.Fatalf("%q came", got)
			}
			b.Publish()
			r.Receive(fd, b.Group(), 2)
			if rest := string(b.Take(only(t, r, 2))); rest != "ij" {
				t.Errorf("then %q", rest)
			}
		})
	})
}

// Short messages share a buffer where the kernel can, and never where it cannot;
// nothing overwrites what was taken and not given back.
func TestRingShortMessages(t *testing.T) {
	onEveryRing(t, uring.Config{8, 32}, func(t *testing.T, r *uring.Ring) {
		bufferRings(t, r, 2, 8, func(b *uring.BufferRing) {
			fd, peer := streamtest.Pair(t)
			r.Receive(fd, b.Group(), 1)
			var got [][]byte
			for i := range 100 {
				peer.Write([]byte{byte(i), byte(i)})
				c := only(t, r, 1)
				if c.Errno() == syscall.ENOBUFS {
					b.Publish()
					r.Receive(fd, b.Group(), 1)
					got = nil
					c = only(t, r, 1)
				}
				got = append(got, b.Take(c))
				for j, p := range got {
					if want := byte(i - len(got) + 1 + j); len(p) != 2 || p[0] != want || p[1] != want {
						t.Fatalf("message %d of %d is %v", j, i, got)
					}
				}
			}
		})
	})
}

func TestRingSendNow(t *testing.T) {
	onEveryRing(t, uring.Config{8, 32}, func(t *testing.T, r *uring.Ring) {
		fd, peer := streamtest.Pair(t)
		r.SendNow(fd, []byte("hello"), 1)
		if err := r.Submit(); err != nil || r.SubmissionsLeft() != 0 || r.Ready() != 0 {
			t.Fatalf("%v, %d left, %d completions", err, r.SubmissionsLeft(), r.Ready())
		}
		got := make([]byte, 5)
		if _, err := io.ReadFull(peer, got); err != nil || string(got) != "hello" {
			t.Fatalf("%q, %v", got, err)
		}
		large := make([]byte, 32<<20) // more than any socket takes at once
		r.SendNow(fd, large, 2)
		r.Submit()
		c := make([]uring.Completion, 1)
		if r.Reap(c) != 1 || c[0].Data != 2 || c[0].Result <= 0 || int(c[0].Result) >= len(large) {
			t.Fatalf("a part was sent: %+v", c)
		}
		r.SendNow(fd, large, 3)
		r.Submit()
		if r.Reap(c) != 1 || c[0].Errno() != syscall.EAGAIN {
			t.Fatalf("nothing can be sent: %+v", c)
		}
		r.Send(fd, large[:1000], 4)
		var wg sync.WaitGroup
		wg.Go(func() { io.Copy(io.Discard, peer) })
		if c := only(t, r, 4); c.Result != 1000 {
			t.Errorf("when the peer reads: %+v", c)
		}
		unix.Shutdown(fd, unix.SHUT_WR)
		wg.Wait()
		r.SendNow(fd, []byte("x"), 5)
		if c := only(t, r, 5); c.Errno() != syscall.EPIPE {
			t.Errorf("after shutdown: %+v", c)
		}
	})
}

func TestRingWake(t *testing.T) {
	onEveryRing(t, uring.Config{4, 8}, func(t *testing.T, r *uring.Ring) {
		for range 3 {
			done := make(chan error)
			go func() { done <- r.Wake() }()
			only(t, r, epoll.WakeToken)
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if err := r.SubmitAndWait(0, 0); err != nil || r.Ready() != 0 {
				t.Fatalf("after one wake: %d more, %v", r.Ready(), err)
			}
		}
	})
}

func TestRingWaitEndsAtTheTimeout(t *testing.T) {
	onEveryRing(t, uring.Config{4, 8}, func(t *testing.T, r *uring.Ring) {
		for _, timeout := range []time.Duration{0, time.Microsecond, 2 * time.Millisecond} {
			if err := r.SubmitAndWait(1, timeout); err != nil || r.Ready() != 0 {
				t.Errorf("timeout %v: %d completions, %v", timeout, r.Ready(), err)
			}
		}
	})
}

func TestRingCancels(t *testing.T) {
	onEveryRing(t, uring.Config{8, 32}, func(t *testing.T, r *uring.Ring) {
		b, err := uring.NewBufferRing(r, 0, 4, 64)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(b.Free)
		fd, peer := streamtest.Pair(t)
		cancel := func(what func()) {
			t.Helper()
			what()
			results := map[uint64]int32{}
			for _, c := range await(t, r, 2) {
				results[c.Data] = c.Result
			}
			if results[1] != -int32(syscall.ECANCELED) || results[2] < 0 {
				t.Errorf("results %v", results)
			}
		}
		r.Receive(fd, 0, 1)
		cancel(func() { r.Cancel(1, 2) })
		r.Receive(fd, 0, 1)
		cancel(func() { r.CancelFD(fd, 2) })
		r.Cancel(1, 3)
		if c := only(t, r, 3); c.Errno() != syscall.ENOENT {
			t.Errorf("nothing to cancel: %+v", c)
		}
		// What arrives later is still there.
		io.WriteString(peer, "later")
		r.Receive(fd, 0, 4)
		if got := string(b.Take(only(t, r, 4))); got != "later" {
			t.Errorf("got %q", got)
		}
	})
}

// A descriptor's number is used again at once; completions are told apart by
// their data, not by it.
func TestRingDescriptorReuse(t *testing.T) {
	withRing(t, uring.Config{8, 64}, func(r *uring.Ring) {
		b, err := uring.NewBufferRing(r, 0, 8, 64)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(b.Free)
		last := -1
		reused := 0
		for i := range uint64(20) {
			fd, peer := streamtest.Pair(t)
			fd, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			if fd == last {
				reused++
			}
			last = fd
			r.Receive(fd, 0, i)
			io.WriteString(peer, "x")
			b.Take(only(t, r, i))
			b.Publish()
			r.CancelFD(fd, 1000)
			for _, c := range await(t, r, 2) {
				if c.Data == i && c.Errno() != syscall.ECANCELED || c.Data == 1000 && c.Result != 1 {
					t.Fatalf("%+v", c)
				}
			}
			stream.Close(fd)
		}
		t.Logf("%d numbers came again", reused)
	})
}

func TestRingCompletionOverflow(t *testing.T) {
	onEveryRing(t, uring.Config{4, 4}, func(t *testing.T, r *uring.Ring) {
		const operations = 100
		size := r.CompletionsSize()
		for i := range uint64(operations) {
			r.Cancel(1<<40, i) // there is none
		}
		if err := r.Submit(); err != nil {
			t.Fatal(err)
		}
		if !r.Overflowed() {
			t.Errorf("%d completions fit into %d", operations, size)
		}
		seen := map[uint64]bool{}
		for _, c := range await(t, r, operations) {
			seen[c.Data] = c.Errno() == syscall.ENOENT
		}
		if len(seen) != operations || r.Overflowed() {
			t.Errorf("%d of %d completed, overflow %v", len(seen), operations, r.Overflowed())
		}
	})
}

// Close returns when the kernel has let go of the memory, whatever is under way.
func TestRingCloseWithOperationsInFlight(t *testing.T) {
	onEveryRing(t, uring.Config{8, 16}, func(t *testing.T, r *uring.Ring) {
		b, err := uring.NewBufferRing(r, 0, 64, 4096)
		if err != nil {
			t.Fatal(err)
		}
		large := make([]byte, 32<<20)
		var peers []*net.TCPConn
		for i := range uint64(30) {
			fd, peer := streamtest.Pair(t)
			r.Receive(fd, 0, i)
			r.Send(fd, large, 100+i)
			peers = append(peers, peer)
		}
		listener, _, err := stream.Listen(loopback)
		if err != nil {
			t.Fatal(err)
		}
		defer stream.Close(listener)
		r.Accept(listener, 1)
		r.Submit()
		for _, peer := range peers {
			io.WriteString(peer, "more")
		}
		b2 := b.Memory()
		r.CancelAll()
		clear(b2)
		clear(large)
		for _, peer := range peers {
			io.WriteString(peer, "even more")
		}
		if !bytes.Equal(b2, make([]byte, len(b2))) {
			t.Error("the kernel has written to a buffer after all was cancelled")
		}
		b.Free()
	})
}

func TestRingFullQueue(t *testing.T) {
	onEveryRing(t, uring.Config{1, 4096}, func(t *testing.T, r *uring.Ring) {
		const operations = 2000
		for i := range uint64(operations) {
			r.Cancel(1<<40, i)
		}
		if got := await(t, r, operations); len(got) != operations || got[operations-1].Data != operations-1 {
			t.Errorf("%d completions", len(got))
		}
	})
}

func TestRingErrors(t *testing.T) {
	withRing(t, uring.Config{4, 8}, func(r *uring.Ring) {
		r.Receive(-1, 0, 1)
		if c := only(t, r, 1); c.Errno() != syscall.EBADF {
			t.Errorf("bad descriptor: %+v", c)
		}
		fd, peer := streamtest.Pair(t)
		io.WriteString(peer, "x")
		r.Receive(fd, 9, 2)
		if c := only(t, r, 2); c.Errno() != syscall.ENOBUFS {
			t.Errorf("no such group: %+v", c)
		}
		for _, bad := range [][2]int{{0, 1}, {1, 0}, {1 << 15, 1 << 15}} {
			if _, err := uring.NewBufferRing(r, 0, bad[0], bad[1]); err == nil {
				t.Errorf("%d buffers of %d bytes", bad[0], bad[1])
			}
		}
	})
}
