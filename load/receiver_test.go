package load

import (
	"bytes"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"wirelab/internal/receiver"
)

// tallyingServer echoes datagrams and answers requests for what it counted, of
// which it discards every dropsth on arrival; 0: none.
func tallyingServer(drops uint64) func(int, []byte) [][]byte {
	counts := receiver.Report{Since: time.Now()}
	return func(_ int, d []byte) [][]byte {
		if request, ok := receiver.ParseRequest(d); ok {
			answer := make([]byte, receiver.Len)
			receiver.PutAnswer(answer, request.Nonce, &counts)
			return once(answer)
		}
		counts.Arrived++
		if drops > 0 && counts.Arrived%drops == 0 {
			counts.Drops++
			return nil
		}
		counts.Known, counts.Last = true, time.Now()
		if counts.Packets == 0 {
			counts.First = counts.Last
		}
		counts.Packets++
		counts.Bytes += uint64(len(d))
		return once(d)
	}
}

func TestReceiverSaysWhereDatagramsWereLost(t *testing.T) {
	for _, rate := range []float64{0, 2000} {
		addr := serveDatagrams(t, tallyingServer(4))
		for range 2 { // the second run begins with the counts of the first
			r := mustRun(t, Config{Network: "udp", Target: addr, Clients: 1, Messages: 40, Rate: rate, Timeout: 60 * time.Millisecond, AskReceiver: true})
			if r.Receiver == nil || r.Lost != 10 || r.Loss.ReceiverOverflow != 10 || r.Receiver.Received != 30 || r.Receiver.LostElsewhere != 0 {
				t.Errorf("rate %v: %+v, %+v, %s", rate, r.Loss, r.Receiver, r.ReceiverUnknown)
			}
		}
	}
}

func TestReceiversAreSeveral(t *testing.T) {
	t.Parallel()
	one, other := serveDatagrams(t, tallyingServer(4)), serveDatagrams(t, tallyingServer(0))
	r := mustRun(t, Config{
		Network: "udp", Targets: []netip.AddrPort{one, other}, Clients: 2, Messages: 40, Timeout: 60 * time.Millisecond, AskReceiver: true,
	})
	if v := r.Receiver; v == nil || v.Received != 70 || v.DroppedByKernel != 10 || v.LostElsewhere != 0 {
		t.Errorf("%+v, %s", v, r.ReceiverUnknown)
	}
}

func TestReceiverIsNotKnown(t *testing.T) {
	tests := map[string]func(int, []byte) [][]byte{
		"counts nothing": func(_ int, d []byte) [][]byte { return once(d) },
		"does not say": func(_ int, d []byte) [][]byte {
			if receiver.Begins(d) {
				return nil
			}
			return once(d)
		},
	}
	for want, answer := range tests {
		r := mustRun(t, Config{Network: "udp", Target: serveDatagrams(t, answer), Clients: 3, Messages: 5, AskReceiver: true})
		if r.Receiver != nil || !strings.Contains(r.ReceiverUnknown, want) || r.Verify() != nil || r.Unexpected != 0 {
			t.Errorf("%s: %+v, %q: %+v", want, r.Receiver, r.ReceiverUnknown, r)
		}
	}
	r := mustRun(t, Config{Network: "udp", Target: closedPort(t, "udp"), Clients: 1, Messages: 5, AskReceiver: true})
	if r.Receiver != nil || r.ReceiverUnknown == "" || r.Verify() == nil {
		t.Errorf("%q: %+v", r.ReceiverUnknown, r)
	}
}

// serveDatagramsLate is serveDatagrams whose answers are a while under way.
func serveDatagramsLate(t testing.TB, delay time.Duration, answer func(n int, d []byte) [][]byte) netip.AddrPort {
	t.Helper()
	type parcel struct {
		due time.Time
		d   []byte
		to  netip.AddrPort
	}
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	underWay := make(chan parcel, 1024)
	var running sync.WaitGroup
	running.Go(func() {
		defer close(underWay)
		buf := make([]byte, 1<<16)
		for n := 0; ; n++ {
			size, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			for _, d := range answer(n, buf[:size]) {
				underWay <- parcel{time.Now().Add(delay), bytes.Clone(d), from}
			}
		}
	})
	running.Go(func() {
		for p := range underWay {
			time.Sleep(time.Until(p.due))
			conn.WriteToUDPAddrPort(p.d, p.to)
		}
	})
	t.Cleanup(func() {
		conn.Close()
		running.Wait()
	})
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// On a long way the receiver is asked again before its first answer is there. The
// further answers, or echoes of the questions, come during the run, and are no answers
// to messages.
func TestReceiverAnswersLate(t *testing.T) {
	echoing := func(_ int, d []byte) [][]byte { return once(d) }
	tests := []struct {
		name   string
		delay  time.Duration
		answer func(int, []byte) [][]byte
		spec   string
		known  bool
	}{
		{"counts", 30 * time.Millisecond, tallyingServer(0), "seq", true},
		{"counts, payload without numbers", 30 * time.Millisecond, tallyingServer(0), "pattern", true},
		{"echoes", 50 * time.Millisecond, echoing, "random:1", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			addr := serveDatagramsLate(t, test.delay, test.answer)
			r := mustRun(t, Config{Network: "udp", Target: addr, Clients: 1, Messages: 4, AskReceiver: true, Payload: mustParse(t, test.spec, 64)})
			if err := r.Verify(); err != nil || r.Verified() != 4 || r.Duplicate != 0 || r.BytesReceived != 4*64 || (r.Receiver != nil) != test.known {
				t.Errorf("%v: %+v, %+v", err, r, r.Loss)
			}
		})
	}
}
