package udp_test

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"wirelab/clock"
	"wirelab/internal/receiver"
	"wirelab/internal/require"
	"wirelab/internal/sys/datagram"
	"wirelab/server"
	"wirelab/server/udp"
)

// offloads are the ways in which a server takes and sends datagrams. What it
// answers and counts is the same in all of them.
var offloads = map[string]func(*udp.Config){
	"segments":    func(*udp.Config) {},
	"without GRO": func(cfg *udp.Config) { cfg.WithoutGRO = true },
	"without GSO": func(cfg *udp.Config) { cfg.WithoutGSO = true },
	"one by one":  func(cfg *udp.Config) { cfg.WithoutGRO, cfg.WithoutGSO, cfg.Batch = true, true, 1 },
}

// A segmentClient sends segments, and takes the answers one by one.
type segmentClient struct {
	t      *testing.T
	conn   *datagram.Conn
	reader *datagram.Reader
	writer *datagram.Writer
}

func (r *running) segmentClient() *segmentClient {
	r.t.Helper()
	conn, err := datagram.Dial(datagram.Config{GRO: true}, r.Addr())
	require.Supported(r.t, err)
	r.t.Cleanup(func() { conn.Close() })
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		r.t.Fatal(err)
	}
	return &segmentClient{t: r.t, conn: conn, reader: conn.NewReader(32, datagram.MaxRead), writer: conn.NewWriter(32)}
}

// send sends datagrams of one length, the last perhaps shorter, as segments of one message.
func (c *segmentClient) send(payloads ...[]byte) {
	c.t.Helper()
	message := datagram.Datagram{Payload: slices.Concat(payloads...), Segment: len(payloads[0])}
	if message.Segments() != len(payloads) {
		c.t.Fatalf("%d payloads make %d segments", len(payloads), message.Segments())
	}
	if _, err := c.writer.Write([]datagram.Datagram{message}); err != nil {
		c.t.Fatal(err)
	}
}

// answers reads that many datagrams.
func (c *segmentClient) answers(count int) [][]byte {
	c.t.Helper()
	var all [][]byte
	for len(all) < count {
		batch, err := c.reader.Read()
		if err != nil {
			c.t.Fatalf("%d of %d answers: %v", len(all), count, err)
		}
		for i := range batch {
			for _, d := range batch[i].AppendSegments(nil) {
				all = append(all, bytes.Clone(d.Payload))
			}
		}
	}
	if len(all) != count {
		c.t.Fatalf("%d answers instead of %d", len(all), count)
	}
	return all
}

// onAllOffloads runs f with each way of taking and sending.
func onAllOffloads(t *testing.T, f func(t *testing.T, configure func(*udp.Config))) {
	for name, configure := range offloads {
		t.Run(name, func(t *testing.T) { f(t, configure) })
	}
}

func TestEchoesRuns(t *testing.T) {
	onAllOffloads(t, func(t *testing.T, configure func(*udp.Config)) {
		s := serve(t, "echo", configure)
		c := s.segmentClient()
		var sent [][]byte
		for _, lengths := range [][]int{{64, 64, 64, 10}, {1}, {1000, 1000}, {1, 1, 1, 1, 1}, slices.Repeat([]int{100}, 64)} {
			var segments [][]byte
			for _, n := range lengths {
				segments = append(segments, bytes.Repeat([]byte{byte(len(sent) + len(segments) + 1)}, n))
			}
			c.send(segments...)
			sent = append(sent, segments...)
		}
		got := c.answers(len(sent))
		for i := range sent {
			if !bytes.Equal(got[i], sent[i]) {
				t.Fatalf("datagram %d of %d bytes came back as %d bytes", i, len(sent[i]), len(got[i]))
			}
		}
		s.stop()
		st := s.Status()
		size := uint64(len(slices.Concat(sent...)))
		want := server.Traffic{BytesIn: size, BytesOut: size, MessagesIn: uint64(len(sent)), MessagesOut: uint64(len(sent))}
		if st.Traffic != want || st.Active != 1 || st.Peers[0].Packets != uint64(len(sent)) || st.Peers[0].Bytes != size || len(st.Events) != 0 {
			t.Errorf("%+v, want %+v", st, want)
		}
		if b := st.Batches; b.GRO != (b.SegmentsPerMessage > 1) || b.DatagramsPerRead < b.SegmentsPerMessage || b.Writes == 0 {
			t.Errorf("%+v", b)
		}
	})
}

func TestTimeDiffAnswersEachOfARun(t *testing.T) {
	onAllOffloads(t, func(t *testing.T, configure func(*udp.Config)) {
		s := serve(t, "timediff", configure)
		c := s.segmentClient()
		line := []byte("1795341784.122335\n")
		c.send(line, line, line)
		for i, got := range c.answers(3) {
			if !bytes.HasSuffix(got, []byte(fmt.Sprintf("#%d\n", i+1))) || len(got) > len(line) {
				t.Errorf("line %d: %q", i, got)
			}
		}
		var packets [][]byte
		for n := range uint32(5) {
			packets = append(packets, clock.SenderPacket{Sequence: 2 * n, Timestamp: clock.NTP.Encode(time.Now()), Estimate: 1}.Append(nil, 44))
		}
		c.send(packets...)
		for n, got := range c.answers(5) {
			p, err := clock.ParseReflector(got)
			_, t2, t3, ok := p.Times(time.Now())
			if err != nil || p.Sequence != uint32(2*n) || !ok || t3.Before(t2) {
				t.Errorf("packet %d: %+v, %v", n, p, err)
			}
		}
		if p := s.Status().Peers[0]; p.Packets != 8 || p.Lost != 4 || p.Diff == nil || p.Diff.Window != 8 {
			t.Errorf("%+v", p)
		}
	})
}

func TestTruncatesEachOfARun(t *testing.T) {
	onAllOffloads(t, func(t *testing.T, configure func(*udp.Config)) {
		s := serve(t, "echo", configure, func(cfg *udp.Config) { cfg.Buffer = udp.MinDatagram })
		c := s.segmentClient()
		long, fits := make([]byte, udp.MinDatagram+1), make([]byte, udp.MinDatagram)
		c.send(long, long, long, fits)
		c.answers(1)
		s.stop()
		st := s.Status()
		if st.Events[udp.EventTruncated] != 3 || st.Traffic.MessagesIn != 4 || st.Traffic.BytesIn != 4*udp.MinDatagram || st.Traffic.MessagesOut != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// head returns a message of load's payload seq.
func head(n int) []byte { return fmt.Appendf(nil, "%08d/%012d %-40s", 0, n, "x") }

func TestTellsWhatItCounted(t *testing.T) {
	for _, handler := range []string{"timediff", "echo", "discard"} {
		onAllOffloads(t, func(t *testing.T, configure func(*udp.Config)) {
			s := serve(t, handler, configure)
			conn := s.dial()
			before, err := receiver.Ask(t.Context(), conn, false, patience)
			if err != nil || before.Known || before.Packets != 0 {
				t.Fatalf("before: %+v, %v", before, err)
			}
			if st := s.Status(); st.Active != 0 || st.Traffic != (server.Traffic{}) {
				t.Errorf("whoever asks becomes a peer: %+v", st)
			}
			bytesSent := 0
			for _, n := range []int{1, 2, 5, 4, 5, 8} {
				k, err := conn.Write(head(n))
				if err != nil {
					t.Fatal(err)
				}
				bytesSent += k
			}
			got, err := receiver.Ask(t.Context(), conn, false, patience)
			if err != nil || !got.Known || !got.Sequenced || got.Packets != 6 || got.Bytes != uint64(bytesSent) ||
				got.Lost != 3 || got.Reordered != 1 || got.Duplicate != 1 || got.Arrived != 6 || got.Drops != 0 || got.Evicted != 0 {
				t.Errorf("%+v, %v", got, err)
			}
			if got.First.After(got.Last) || got.Since.After(got.First) || !got.Since.Equal(before.Since) || got.Socket != before.Socket {
				t.Errorf("%+v after %+v", got, before)
			}
			s.stop()
			st := s.Status()
			if st.Traffic.MessagesIn != 6 || st.Events[udp.EventReport] < 2 || st.Peers[0].Packets != 6 || st.Peers[0].Lost != 3 {
				t.Errorf("%+v", st)
			}
		})
	}
}

// TestForgetsAnEarlierSocket has another socket at the address of the one before
// send the same numbers again.
func TestForgetsAnEarlierSocket(t *testing.T) {
	onAllOffloads(t, func(t *testing.T, configure func(*udp.Config)) {
		s := serve(t, "discard", configure)
		conn := s.dial()
		var before receiver.Report
		for range 2 {
			first, err := receiver.Ask(t.Context(), conn, true, patience)
			if err != nil || first.Known || first.Packets != 0 {
				t.Fatalf("%+v, %v", first, err)
			}
			for n := range 3 {
				conn.Write(head(n))
			}
			got, err := receiver.Ask(t.Context(), conn, false, patience)
			if err != nil || got.Packets != 3 || got.Duplicate != 0 || got.Lost != 0 || !got.First.After(before.Last) {
				t.Errorf("%+v, %v", got, err)
			}
			before = got
		}
		s.stop()
		if st := s.Status(); st.Active != 1 || st.Traffic.MessagesIn != 6 || st.Peers[0].Packets != 3 {
			t.Errorf("%+v", st)
		}
	})
}

// TestForgetsAmongSegments has a request to begin anew arrive as a segment among others.
func TestForgetsAmongSegments(t *testing.T) {
	s := serve(t, "discard", func(cfg *udp.Config) { cfg.Workers = 1 })
	c := s.segmentClient()
	filler := make([]byte, receiver.Len)
	c.send(filler, filler, receiver.AppendRequest(nil, receiver.Request{Nonce: 1, Anew: true}), filler)
	c.answers(1)
	s.stop()
	if st := s.Status(); st.Active != 1 || st.Traffic.MessagesIn != 3 || st.Peers[0].Packets != 1 {
		t.Errorf("%+v", st)
	}
}

// TestTellsThePeersMostSegments has another peer send segments first.
func TestTellsThePeersMostSegments(t *testing.T) {
	s := serve(t, "echo", func(cfg *udp.Config) { cfg.Workers = 1 })
	running, single := s.segmentClient(), s.dial()
	running.send(slices.Repeat([][]byte{head(1)}, 64)...)
	running.answers(64)
	ask(t, single, head(1))
	counts, err := receiver.Ask(t.Context(), single, false, patience)
	if err != nil || counts.Longest != 1 {
		t.Errorf("%+v, %v", counts, err)
	}
}

// TestTellsInTheMiddleOfARun has requests come coalesced with what they ask for.
func TestTellsInTheMiddleOfARun(t *testing.T) {
	onAllOffloads(t, func(t *testing.T, configure func(*udp.Config)) {
		s := serve(t, "echo", configure)
		c := s.segmentClient()
		filler := bytes.Repeat([]byte("x"), receiver.Len)
		c.send(filler, receiver.AppendRequest(nil, receiver.Request{Nonce: 7}), filler, receiver.AppendRequest(nil, receiver.Request{Nonce: 8}))
		got := c.answers(4)
		for i, want := range map[int]uint64{1: 1, 3: 2} {
			if counts, err := receiver.ParseAnswer(got[i], uint64(7+i/2)); err != nil || counts.Packets != want || counts.Bytes != want*receiver.Len {
				t.Errorf("answer %d: %+v, %v", i, counts, err)
			}
		}
		if !bytes.Equal(got[0], filler) || !bytes.Equal(got[2], filler) {
			t.Error("what stood between was not echoed")
		}
	})
}

// TestDoesNotEchoReports keeps two servers from sending one to and fro.
func TestDoesNotEchoReports(t *testing.T) {
	s := serve(t, "echo")
	c := s.dial()
	answer := make([]byte, receiver.Len)
	receiver.PutAnswer(answer, 7, &receiver.Report{})
	if _, err := c.Write(answer); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, c, []byte("x")); string(got) != "x" {
		t.Errorf("%x came back", got)
	}
	if st := s.Status(); st.Events[udp.EventReportIgnored] != 1 || st.Traffic.MessagesIn != 1 {
		t.Errorf("%+v", st)
	}
}

func TestWorkersShareThePort(t *testing.T) {
	const workers, peers = 3, 40
	s := serve(t, "echo", func(cfg *udp.Config) { cfg.Workers = workers })
	sockets := map[uint32]bool{}
	for n := range peers {
		c := s.dial()
		text := fmt.Sprint(n)
		if got := ask(t, c, []byte(text)); string(got) != text {
			t.Errorf("%q came back as %q", text, got)
		}
		counts, err := receiver.Ask(t.Context(), c, false, patience)
		if err != nil || counts.Packets != 1 {
			t.Errorf("%+v, %v", counts, err)
		}
		sockets[counts.Socket] = true
	}
	st := s.Status()
	if st.Workers != workers || st.Active != peers || st.PeakActive != peers || len(st.Peers) != peers || st.Traffic.MessagesIn != peers || st.Traffic.MessagesOut != peers {
		t.Errorf("%+v", st)
	}
	if len(sockets) != workers {
		t.Errorf("%d of %d sockets had peers", len(sockets), workers)
	}
	if !slices.IsSortedFunc(st.Peers, func(a, b udp.Peer) int { return b.LastSeen.Compare(a.LastSeen) }) {
		t.Error("the peers are not in the order of their last datagrams")
	}
	if _, err := udp.Listen(udp.Config{Addr: s.Addr(), Handler: udp.TimeDiff{}, Workers: workers}); err == nil || !strings.Contains(err.Error(), "held by") {
		t.Errorf("a second server on the port: %v", err)
	}
}

func TestDrainsAllWorkers(t *testing.T) {
	require.NoLeaks(t)
	s, err := udp.Listen(udp.Config{Addr: netip.MustParseAddrPort("127.0.0.1:0"), Handler: udp.TimeDiff{}, Workers: 4})
	require.Supported(t, err)
	const peers = 50
	for range peers {
		if _, err := (&running{Server: s, t: t}).dial().Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	ended, end := context.WithCancel(context.Background())
	end()
	if err := s.Run(ended); err != nil {
		t.Fatal(err)
	}
	if st := s.Status(); st.Traffic.MessagesIn != peers || st.Traffic.MessagesOut != peers {
		t.Errorf("%+v", st)
	}
}

func TestBounds(t *testing.T) {
	for _, cfg := range []udp.Config{
		{Workers: -1}, {Workers: udp.MaxWorkers + 1}, {Batch: -1}, {Batch: udp.MaxBatch + 1},
	} {
		cfg.Addr, cfg.Handler = netip.MustParseAddrPort("127.0.0.1:0"), udp.TimeDiff{}
		if _, err := udp.Listen(cfg); err == nil {
			t.Errorf("%d workers, batch %d: no error", cfg.Workers, cfg.Batch)
		}
	}
}

// TestRunsDoNotAllocate counts what server and client allocate together.
func TestRunsDoNotAllocate(t *testing.T) {
	for _, handler := range []string{"echo", "timediff"} {
		s := serve(t, handler)
		c := s.segmentClient()
		message := []datagram.Datagram{{Payload: slices.Repeat(head(1), 60), Segment: len(head(1))}}
		exchange := func() {
			if _, err := c.writer.Write(message); err != nil {
				t.Fatal(err)
			}
			for got := 0; got < 60; {
				batch, err := c.reader.Read()
				if err != nil {
					t.Fatal(err)
				}
				for i := range batch {
					got += batch[i].Segments()
				}
			}
		}
		exchange()
		if allocs := testing.AllocsPerRun(200, exchange); allocs > 0 {
			t.Errorf("%s: %v allocations for each message", handler, allocs)
		}
	}
}
