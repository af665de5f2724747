package tcp

import (
	"runtime"
	"testing"

	"wirelab/internal/require"
	"wirelab/internal/sys/stream"
	"wirelab/internal/sys/stream/streamtest"
	"wirelab/internal/sys/uring"
)

func TestFreeBuffersAreBounded(t *testing.T) {
	var f freeBuffers
	for _, size := range []int{0, maxFreeBuffer + 1} {
		if f.put(make([]byte, size)); len(f.buffers) != 0 {
			t.Errorf("a buffer of %d bytes was kept", size)
		}
	}
	for range 2 * maxFreeBuffers / maxFreeBuffer {
		f.put(make([]byte, 10, maxFreeBuffer))
	}
	if f.size != maxFreeBuffers || len(f.buffers) != maxFreeBuffers/maxFreeBuffer {
		t.Errorf("%d buffers of %d bytes were kept", len(f.buffers), f.size)
	}
	for range len(f.buffers) {
		if b := f.get(); len(b) != 0 || cap(b) != maxFreeBuffer {
			t.Errorf("got %d of %d bytes", len(b), cap(b))
		}
	}
	if b := f.get(); f.size != 0 || len(b) != 0 || cap(b) != newBuffer {
		t.Errorf("then %d of %d bytes; %d left", len(b), cap(b), f.size)
	}
}

// silentHandler takes everything and answers nothing.
type silentHandler struct{}

func (h silentHandler) Open(*Conn) Session { return h }

func (silentHandler) Handle(in []byte, _ bool, out []byte) (int, []byte, Next) {
	return len(in), out, Wait
}

func (silentHandler) Close() {}

// A receive that goes on does not report everything, once in ten thousand times. The look for
// what was missed ends a connection that was reset, has one with unread bytes receive anew,
// and leaves others alone. The receive here reports nothing: the kernel is never told of it.
func TestLookForMissed(t *testing.T) {
	require.NoLeaks(t)
	require.Supported(t, uring.Probe())
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	l, err := newUringLoop(newQuietServer(Config{Handler: silentHandler{}, Buffer: 1 << 10}), -1)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	if err := l.ring.Enable(); err != nil {
		t.Fatal(err)
	}
	connect := func() (*uringConn, func(unread, reset bool)) {
		fd, peer := streamtest.Pair(t)
		l.host(fd)
		return l.conns[fd], func(unread, reset bool) {
			if _, err := peer.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			if !unread {
				stream.TryReceive(fd, make([]byte, 1))
			}
			if reset {
				peer.SetLinger(0)
				peer.Close()
			}
		}
	}
	quiet, _ := connect()
	gone, end := connect()
	behind, send := connect()
	end(false, true)
	send(true, false)
	for _, c := range []*uringConn{quiet, gone, behind} {
		l.noteFresh(c)
	}
	if l.lookForMissed(l.lookAt.Add(-1)); gone.over || behind.pausing {
		t.Error("it looked before its time")
	}
	l.lookForMissed(l.lookAt)
	if !gone.over || behind.over || !behind.pausing || quiet.over || quiet.pausing {
		t.Errorf("the one that was reset is over: %v; unread bytes are received anew: %v; the quiet one is left alone: %v",
			gone.over, behind.pausing && !behind.over, !quiet.over && !quiet.pausing)
	}
	if !l.lookAt.IsZero() || len(l.fresh) != 0 {
		t.Error("it is to look again though nobody has received")
	}
}
