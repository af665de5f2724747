package datagram_test

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"wirelab/internal/require"
	"wirelab/internal/sys/datagram"
)

var loopback = netip.MustParseAddrPort("127.0.0.1:0")

func listen(t testing.TB, addr string) *datagram.Conn {
	t.Helper()
	conn, err := datagram.Listen(datagram.Config{Addr: netip.MustParseAddrPort(addr)})
	require.Supported(t, err)
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// dial returns a socket of Go's own that sends to host at conn's port.
func dial(t testing.TB, conn *datagram.Conn, host string) *net.UDPConn {
	t.Helper()
	to := netip.AddrPortFrom(netip.MustParseAddr(host), conn.LocalAddr().Port())
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

func send(t testing.TB, c *net.UDPConn, payload string) netip.AddrPort {
	t.Helper()
	if _, err := c.Write([]byte(payload)); err != nil {
		t.Fatal(err)
	}
	return c.LocalAddr().(*net.UDPAddr).AddrPort()
}

func readOne(t testing.TB, r *datagram.Reader) datagram.Datagram {
	t.Helper()
	batch, err := r.Read()
	if err != nil || len(batch) != 1 {
		t.Fatalf("%d datagrams, %v, want 1", len(batch), err)
	}
	return batch[0]
}

func TestDatagramCarriesPeerStampAndTTL(t *testing.T) {
	require.NoLeaks(t)
	conn := listen(t, "127.0.0.1:0")
	before := time.Now()
	peer := send(t, dial(t, conn, "127.0.0.1"), "hello")
	d := readOne(t, conn.NewReader(8, 100))
	if string(d.Payload) != "hello" || d.Peer != peer || d.TTL != 64 || d.Truncated || d.Group || d.Local.IsValid() {
		t.Errorf("%+v", d)
	}
	if d.Source != datagram.Kernel || d.Time.Before(before) || d.Time.After(time.Now()) {
		t.Errorf("received %v (%v), sent after %v", d.Time, d.Source, before)
	}
}

func TestDatagramAnswersFromTheAddressAsked(t *testing.T) {
	for _, tc := range []struct{ listen, host string }{
		{"0.0.0.0:0", "127.0.0.1"},
		{"0.0.0.0:0", "127.0.0.2"},
		{"[::]:0", "127.0.0.2"},
		{"[::]:0", "::1"},
	} {
		t.Run(tc.listen+" "+tc.host, func(t *testing.T) {
			conn := listen(t, tc.listen)
			client := dial(t, conn, tc.host)
			peer := send(t, client, "question")
			d := readOne(t, conn.NewReader(1, 100))
			if d.Local != netip.MustParseAddr(tc.host) || d.Peer != peer || d.Interface == 0 || d.TTL != 64 || d.Source != datagram.Kernel || d.Group {
				t.Errorf("%+v, want it from %v to %v", d, peer, tc.host)
			}
			d.Payload = []byte("answer")
			if n, err := conn.NewWriter(1).Write([]datagram.Datagram{d}); n != 1 || err != nil {
				t.Fatalf("wrote %d, %v", n, err)
			}
			// A connected socket takes no datagram from another address.
			answer := make([]byte, 100)
			if n, err := client.Read(answer); err != nil || string(answer[:n]) != "answer" {
				t.Errorf("read %q, %v", answer[:n], err)
			}
		})
	}
}

func TestDatagramToBroadcast(t *testing.T) {
	conn := listen(t, "0.0.0.0:0")
	send(t, dial(t, conn, "127.255.255.255"), "all")
	if d := readOne(t, conn.NewReader(1, 100)); !d.Group || d.Local == netip.MustParseAddr("127.255.255.255") {
		t.Errorf("%+v, want it told apart from one for this host", d)
	}
}

func TestDatagramBatches(t *testing.T) {
	conn, other := listen(t, "127.0.0.1:0"), listen(t, "127.0.0.1:0")
	payloads := [][]byte{[]byte("a"), {}, bytes.Repeat([]byte("c"), 100), bytes.Repeat([]byte("d"), 101), []byte("e")}
	var batch []datagram.Datagram
	for _, payload := range payloads {
		batch = append(batch, datagram.Datagram{Payload: payload, Peer: conn.LocalAddr()})
	}
	if n, err := other.NewWriter(2).Write(batch); n != len(batch) || err != nil {
		t.Fatalf("wrote %d, %v", n, err)
	}
	r := conn.NewReader(3, 100)
	for _, want := range []int{3, 2} {
		got, err := r.Read()
		if err != nil || len(got) != want {
			t.Fatalf("read %d, %v, want %d", len(got), err, want)
		}
		for _, d := range got {
			sent := payloads[0]
			payloads = payloads[1:]
			if cut := len(sent) > 100; d.Truncated != cut || !bytes.Equal(d.Payload, sent[:min(len(sent), 100)]) || d.Peer != other.LocalAddr() || d.Source != datagram.Kernel {
				t.Errorf("%+v, want %q", d, sent)
			}
		}
	}
	if got, err := r.ReadNow(); len(got) != 0 || err != nil {
		t.Errorf("nothing to read, but %d, %v", len(got), err)
	}
}

func TestDatagramWriteStopsAtTheFirstFailure(t *testing.T) {
	conn := listen(t, "127.0.0.1:0")
	good := datagram.Datagram{Payload: []byte("x"), Peer: conn.LocalAddr()}
	for name, peer := range map[string]netip.AddrPort{
		"port 0": loopback, "no address": {}, "IPv6 on an IPv4 socket": netip.MustParseAddrPort("[::1]:9"),
	} {
		bad := datagram.Datagram{Payload: []byte("x"), Peer: peer}
		if n, err := conn.NewWriter(8).Write([]datagram.Datagram{good, good, bad, good}); n != 2 || err == nil {
			t.Errorf("%s: wrote %d, %v, want 2 and an error", name, n, err)
		}
	}
}

func TestDatagramReadEnds(t *testing.T) {
	require.NoLeaks(t)
	conn := listen(t, "127.0.0.1:0")
	r := conn.NewReader(1, 100)
	ended := make(chan error)
	read := func() { _, err := r.Read(); ended <- err }

	go read()
	if err := conn.SetReadDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after the deadline: %v", err)
	}
	send(t, dial(t, conn, "127.0.0.1"), "late")
	if got, err := r.ReadNow(); len(got) != 1 || err != nil {
		t.Errorf("what has come can be read after the deadline: %d, %v", len(got), err)
	}
	if err := conn.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	go read()
	conn.Close()
	if err := <-ended; !errors.Is(err, os.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if _, err := r.ReadNow(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if _, err := conn.NewWriter(1).Write([]datagram.Datagram{{Peer: conn.LocalAddr()}}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestDatagramCountsDrops(t *testing.T) {
	conn, err := datagram.Listen(datagram.Config{Addr: loopback, ReceiveBuffer: 1})
	require.Supported(t, err)
	defer conn.Close()
	client := dial(t, conn, "127.0.0.1")
	const sent = 100
	for range sent {
		send(t, client, "x")
	}
	dropped, err := conn.Dropped()
	require.Supported(t, err)
	r := conn.NewReader(sent, 10)
	got, err := r.Read()
	if err != nil || int(dropped)+len(got) != sent || dropped == 0 {
		t.Errorf("read %d, %v, dropped %d of %d", len(got), err, dropped, sent)
	}
	// The next datagram to be queued carries the count.
	send(t, client, "x")
	if _, err := r.Read(); err != nil || r.Dropped() != dropped {
		t.Errorf("dropped %d, %v, want %d", r.Dropped(), err, dropped)
	}
}

func TestDatagramPortBusy(t *testing.T) {
	conn := listen(t, "127.0.0.1:0")
	require.NoLeaks(t)
	if _, err := datagram.Listen(datagram.Config{Addr: conn.LocalAddr()}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("bound twice: %v", err)
	}
}

func BenchmarkDatagrams(b *testing.B) {
	conn := listen(b, "127.0.0.1:0")
	if err := conn.SetReadDeadline(time.Time{}); err != nil {
		b.Fatal(err)
	}
	const size = 32
	batch := make([]datagram.Datagram, size)
	for i := range batch {
		batch[i] = datagram.Datagram{Payload: make([]byte, 64), Peer: conn.LocalAddr()}
	}
	r, w := conn.NewReader(size, 2048), conn.NewWriter(size)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.Write(batch); err != nil {
			b.Fatal(err)
		}
		for got := 0; got < size; {
			d, err := r.Read()
			if err != nil {
				b.Fatal(err)
			}
			got += len(d)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*size), "ns/datagram")
}
