package datagram_test

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"wirelab/internal/require"
	"wirelab/internal/sys"
	"wirelab/internal/sys/datagram"
)

// listenGRO opens a socket that takes segments as one.
func listenGRO(t testing.TB, addr string) *datagram.Conn {
	t.Helper()
	conn, err := datagram.Listen(datagram.Config{Addr: netip.MustParseAddrPort(addr), GRO: true})
	require.Supported(t, err)
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if !conn.GRO() || !conn.GSO() {
		require.Supported(t, sys.ErrUnsupported)
	}
	return conn
}

func connect(t testing.TB, to *datagram.Conn) *datagram.Conn {
	t.Helper()
	conn, err := datagram.Dial(datagram.Config{GRO: true}, to.LocalAddr())
	require.Supported(t, err)
	t.Cleanup(func() { conn.Close() })
	return conn
}

// counting returns size bytes that differ from their neighbours.
func counting(size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i * 7)
	}
	return b
}

func TestDatagramRunsArriveAsSent(t *testing.T) {
	require.NoLeaks(t)
	for _, host := range []string{"127.0.0.1:0", "[::1]:0"} {
		receiver := listenGRO(t, host)
		sender := connect(t, receiver)
		r, w := receiver.NewReader(4, datagram.MaxRead), sender.NewWriter(4)
		for _, tc := range []struct{ size, segment, want int }{
			{64 * 64, 64, 64}, {100, 30, 4}, {100, 100, 1}, {100, 0, 1}, {65000, 1400, 47}, {2, 1, 2},
		} {
			sent := datagram.Datagram{Payload: counting(tc.size), Segment: tc.segment}
			if n, err := w.Write([]datagram.Datagram{sent}); n != 1 || err != nil {
				t.Fatalf("%s: %+v: wrote %d, %v", host, tc, n, err)
			}
			got := readOne(t, r)
			if !bytes.Equal(got.Payload, sent.Payload) || got.Segments() != tc.want || sent.Segments() != tc.want ||
				got.Peer != sender.LocalAddr() || got.Source != datagram.Kernel || got.Truncated {
				t.Errorf("%s: %d bytes in segments of %d came as %d of %d", host, tc.size, tc.segment, len(got.Payload), got.Segment)
			}
		}
		if calls, waits := w.Calls(); calls != 6 || waits != 0 {
			t.Errorf("%d calls, %d waits", calls, waits)
		}
	}
}

// TestDatagramSegmentsToWhoTakesThemSingly is what most receivers of segments see.
func TestDatagramSegmentsToWhoTakesThemSingly(t *testing.T) {
	receiver := listen(t, "127.0.0.1:0")
	sender := connect(t, receiver)
	sent := datagram.Datagram{Payload: counting(100), Segment: 30}
	if n, err := sender.NewWriter(1).Write([]datagram.Datagram{sent}); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	got, err := receiver.NewReader(10, 100).Read()
	if err != nil || len(got) != 4 {
		t.Fatalf("%d datagrams, %v", len(got), err)
	}
	for i, want := range sent.AppendSegments(nil) {
		if !bytes.Equal(got[i].Payload, want.Payload) || got[i].Segment != 0 {
			t.Errorf("datagram %d: %v, want %v", i, got[i].Payload, want.Payload)
		}
	}
}

func TestDatagramSegmentsAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := datagram.Datagram{
			Payload: counting(rapid.IntRange(0, 200).Draw(t, "size")), Segment: rapid.IntRange(0, 100).Draw(t, "segment"),
			Local: netip.MustParseAddr("127.0.0.2"),
		}
		var whole []byte
		all := d.AppendSegments(nil)
		for i, one := range all {
			if one.Segment != 0 || one.Local != d.Local || i < len(all)-1 && len(one.Payload) != d.Segment || d.Segment > 0 && len(one.Payload) > d.Segment {
				t.Fatalf("segment %d: %+v", i, one)
			}
			whole = append(whole, one.Payload...)
		}
		if len(all) != d.Segments() || !bytes.Equal(whole, d.Payload) {
			t.Fatalf("%d segments, %d said, %d of %d bytes", len(all), d.Segments(), len(whole), len(d.Payload))
		}
	})
}

// TestDatagramSegmentationRefused has the kernel refuse segments: too many
// segments, which it reports as it does other refusals.
func TestDatagramSegmentationRefused(t *testing.T) {
	receiver := listenGRO(t, "127.0.0.1:0")
	w := connect(t, receiver).NewWriter(4)
	good := datagram.Datagram{Payload: counting(4), Segment: 2}
	bad := datagram.Datagram{Payload: counting(1000), Segment: 1}
	n, err := w.Write([]datagram.Datagram{good, bad, good})
	if n != 1 || !errors.Is(err, datagram.ErrSegmentation) || !errors.Is(err, syscall.EINVAL) {
		t.Errorf("wrote %d, %v", n, err)
	}
	// One at a time they go, in the same order.
	if n, err := w.Write(bad.AppendSegments(nil)); n != 1000 || err != nil {
		t.Errorf("one at a time: wrote %d, %v", n, err)
	}
}

func TestDatagramGroupSharesItsPeers(t *testing.T) {
	require.NoLeaks(t)
	const count = 3
	for _, host := range []string{"127.0.0.1", "::1"} {
		group, err := datagram.ListenGroup(datagram.Config{Addr: netip.AddrPortFrom(netip.MustParseAddr(host), 0)}, count)
		require.Supported(t, err)
		addr := group[0].LocalAddr()
		const peers = 60
		for range peers {
			c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(addr))
			if err != nil {
				t.Fatal(err)
			}
			send(t, c, "one")
			send(t, c, "two")
			c.Close()
		}
		total := 0
		for i, conn := range group {
			got, err := conn.NewReader(2*peers, 10).ReadNow()
			if err != nil || len(got) == 0 || len(got)%2 != 0 || conn.LocalAddr() != addr {
				t.Errorf("socket %d at %v: %d datagrams, %v", i, conn.LocalAddr(), len(got), err)
			}
			total += len(got)
		}
		if total != 2*peers {
			t.Errorf("%d of %d datagrams", total, 2*peers)
		}
		// Neither one that does not share nor another group gets in.
		for _, n := range []int{1, 2} {
			if _, err := datagram.ListenGroup(datagram.Config{Addr: addr}, n); !errors.Is(err, syscall.EADDRINUSE) {
				t.Errorf("a second group of %d: %v", n, err)
			}
		}
		for _, conn := range group {
			conn.Close()
		}
	}
}

func TestDatagramConnectedHearsOnlyItsPeer(t *testing.T) {
	peer, stranger := listen(t, "127.0.0.1:0"), listen(t, "127.0.0.1:0")
	conn := connect(t, peer)
	if n, err := conn.NewWriter(1).Write([]datagram.Datagram{{Payload: []byte("hello")}}); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	from := readOne(t, peer.NewReader(1, 10)).Peer
	answer := func(c *datagram.Conn, text string) {
		if _, err := c.NewWriter(1).Write([]datagram.Datagram{{Payload: []byte(text), Peer: from}}); err != nil {
			t.Fatal(err)
		}
	}
	answer(stranger, "stranger")
	answer(peer, "peer")
	if d := readOne(t, conn.NewReader(4, 10)); string(d.Payload) != "peer" || d.Source != datagram.User {
		t.Errorf("%+v", d)
	}
	if _, err := datagram.Dial(datagram.Config{Addr: loopback}, netip.MustParseAddrPort("[::1]:9")); !errors.Is(err, sys.ErrUnsupported) {
		t.Errorf("IPv6 from an IPv4 address: %v", err)
	}
}

// TestDatagramRefusedByPeer sends to a port that nobody listens on any more.
func TestDatagramRefusedByPeer(t *testing.T) {
	gone := listen(t, "127.0.0.1:0")
	conn := connect(t, gone)
	gone.Close()
	w := conn.NewWriter(1)
	var err error
	for range 10 {
		if _, err = w.Write([]datagram.Datagram{{Payload: []byte("x")}}); err != nil {
			break
		}
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("%v", err)
	}
}

func TestDatagramPauseEnds(t *testing.T) {
	require.NoLeaks(t)
	conn := listen(t, "127.0.0.1:0")
	r := conn.NewReader(1, 10)
	r.Pause(time.Nanosecond)
	for _, end := range []func() error{func() error { return conn.SetReadDeadline(time.Unix(1, 0)) }, conn.Close} {
		if err := conn.SetReadDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		paused := make(chan struct{})
		go func() { r.Pause(time.Hour); close(paused) }()
		if err := end(); err != nil {
			t.Fatal(err)
		}
		select {
		case <-paused:
		case <-time.After(20 * time.Second):
			t.Fatal("a pause goes on after deadline or Close")
		}
	}
}

func TestDatagramWriteDeadline(t *testing.T) {
	receiver := listen(t, "127.0.0.1:0")
	conn := connect(t, receiver)
	one := []datagram.Datagram{{Payload: []byte("x")}}
	w := conn.NewWriter(1)
	if err := conn.SetWriteDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if n, err := w.Write(one); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%d, %v", n, err)
	}
	if err := conn.SetWriteDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	if n, err := w.Write(one); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	conn.Close()
	if err := conn.SetWriteDeadline(time.Time{}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

func TestDatagramRunsDoNotAllocate(t *testing.T) {
	receiver := listenGRO(t, "127.0.0.1:0")
	r, w := receiver.NewReader(8, datagram.MaxRead), connect(t, receiver).NewWriter(8)
	messages := slices.Repeat([]datagram.Datagram{{Payload: counting(64 * 64), Segment: 64}}, 8)
	if allocs := testing.AllocsPerRun(200, func() {
		if _, err := w.Write(messages); err != nil {
			t.Fatal(err)
		}
		for got := 0; got < 8*64; {
			batch, err := r.Read()
			if err != nil {
				t.Fatal(err)
			}
			for i := range batch {
				got += batch[i].Segments()
			}
		}
	}); allocs > 0 {
		t.Errorf("%v allocations for each batch", allocs)
	}
}

func BenchmarkDatagramRuns(b *testing.B) {
	receiver := listenGRO(b, "127.0.0.1:0")
	if err := receiver.SetReadDeadline(time.Time{}); err != nil {
		b.Fatal(err)
	}
	r, w := receiver.NewReader(8, datagram.MaxRead), connect(b, receiver).NewWriter(8)
	messages := slices.Repeat([]datagram.Datagram{{Payload: counting(64 * 64), Segment: 64}}, 8)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.Write(messages); err != nil {
			b.Fatal(err)
		}
		for got := 0; got < 8*64; {
			batch, err := r.Read()
			if err != nil {
				b.Fatal(err)
			}
			for i := range batch {
				got += batch[i].Segments()
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*8*64), "ns/datagram")
}
