package udp

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"wirelab/internal/require"
	"wirelab/internal/sys"
	"wirelab/internal/sys/datagram"
	"wirelab/server"
)

// testWorker returns a worker on a socket of its own, and a socket to send to.
func testWorker(t testing.TB, log *bytes.Buffer) (*worker, *datagram.Conn) {
	t.Helper()
	var conns [2]*datagram.Conn
	for i := range conns {
		conn, err := datagram.Listen(datagram.Config{Addr: netip.MustParseAddrPort("127.0.0.1:0"), GRO: i == 0})
		require.Supported(t, err)
		t.Cleanup(func() { conn.Close() })
		conns[i] = conn
	}
	cfg := Config{Handler: datagramDiscard{}, Log: slog.New(slog.NewTextHandler(log, nil))}
	if err := cfg.complete(); err != nil {
		t.Fatal(err)
	}
	return newWorker(conns[0], cfg, 0, time.Now()), conns[1]
}

// TestSendsRefusedSegmentsOneByOne has the kernel refuse one message between others.
func TestSendsRefusedSegmentsOneByOne(t *testing.T) {
	var log bytes.Buffer
	w, peer := testWorker(t, &log)
	if !w.join {
		require.Supported(t, sys.ErrUnsupported)
	}
	message := func(segments int) datagram.Datagram {
		return datagram.Datagram{Payload: make([]byte, 2*segments), Segment: 2, Peer: peer.LocalAddr()}
	}
	w.answers = []datagram.Datagram{message(3), message(200), {Payload: []byte("x"), Peer: netip.MustParseAddrPort("127.0.0.1:0")}, message(4)}
	w.sendAnswers()
	if w.traffic.MessagesOut != 207 || w.traffic.BytesOut != 414 {
		t.Errorf("%+v", w.traffic)
	}
	if n := w.events.byName[EventGSORefused]; n == nil || *n != 1 || *w.events.byName[EventSendFailed] != 1 {
		t.Errorf("%+v", w.events.byName)
	}
	if got, err := peer.NewReader(300, 10).ReadNow(); err != nil || len(got) != 207 {
		t.Errorf("%d arrived, %v", len(got), err)
	}
	if !w.join || log.Len() > 0 {
		t.Errorf("a message that is wrong by itself is held against the device: %s", &log)
	}
}

// TestRemembersADeviceThatRefusesSegments is told what such a device says.
func TestRemembersADeviceThatRefusesSegments(t *testing.T) {
	var log bytes.Buffer
	w, peer := testWorker(t, &log)
	if !w.join {
		require.Supported(t, sys.ErrUnsupported)
	}
	refused := fmt.Errorf("sendmmsg: %w (%w)", datagram.ErrSegmentation, syscall.EIO)
	for range 3 {
		w.noteGSORefused(&datagram.Datagram{Peer: peer.LocalAddr()}, refused)
	}
	if w.join || strings.Count(log.String(), "refuses GSO") != 1 {
		t.Errorf("join %v, log %s", w.join, &log)
	}
}

// TestRefusesEachSegment checks that a refusal counts each segment.
func TestRefusesEachSegment(t *testing.T) {
	w, peer := testWorker(t, new(bytes.Buffer))
	w.cfg.Access = new(server.Access)
	w.cfg.Access.Set(nil, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")})
	w.serve([]datagram.Datagram{{Payload: make([]byte, 100), Segment: 10, Peer: peer.LocalAddr()}})
	if w.refused[server.RefusedDenied] != 10 || len(w.peers.byAddr) != 0 || w.traffic.MessagesIn != 0 {
		t.Errorf("%v refused, %d peers", w.refused, len(w.peers.byAddr))
	}
}

// BenchmarkTake is what a server does with each datagram of a flood, the kernel's
// part aside.
func BenchmarkTake(b *testing.B) {
	w, peer := testWorker(b, new(bytes.Buffer))
	message := fmt.Appendf(nil, "%08d/%012d %-42s", 0, 1, "x")
	read := datagram.Datagram{Payload: slices.Repeat(message, 64), Segment: len(message), Peer: peer.LocalAddr(), Time: time.Now(), Source: datagram.Kernel}
	batch := slices.Repeat([]datagram.Datagram{read}, 32)
	b.ReportAllocs()
	for b.Loop() {
		w.serve(batch)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*32*64), "ns/datagram")
}
