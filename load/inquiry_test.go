package load

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"wirelab/internal/receiver"
	"wirelab/internal/require"
	"wirelab/internal/sys/datagram"
	"wirelab/internal/sys/stream"
	"wirelab/load/delivery"
)

// gatheringServer counts nothing, and tells so: the first alone askers at once, and the
// others only when many of them have asked, so that whoever asks one by one gets no answer.
func gatheringServer(t *testing.T, alone, many int) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		counts := receiver.Report{Since: time.Unix(1, 0)}
		b, answer := make([]byte, 2048), make([]byte, receiver.Len)
		seen, waiting := map[netip.AddrPort]bool{}, map[netip.AddrPort]receiver.Request{}
		for {
			n, from, err := conn.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			request, ok := receiver.ParseRequest(b[:n])
			if !ok {
				conn.WriteToUDPAddrPort(b[:n], from)
				continue
			}
			seen[from], waiting[from] = true, request
			if len(seen) > alone && len(seen) < alone+many {
				continue
			}
			for to, request := range waiting {
				receiver.PutAnswer(answer, request.Nonce, &counts)
				conn.WriteToUDPAddrPort(answer, to)
			}
			clear(waiting)
		}
	})
	t.Cleanup(func() { conn.Close(); running.Wait() })
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

func TestReceiverIsAskedAboutManyAtOnce(t *testing.T) {
	const clients = delivery.AskedAtOnce + 20
	addr := gatheringServer(t, 1, delivery.AskedAtOnce)
	r := mustRun(t, Config{Network: "udp", Target: addr, Clients: clients, Messages: 1, AskReceiver: true, Loops: 2})
	if r.Receiver == nil || r.Receiver.Received != 0 || r.Receiver.Lost != clients {
		t.Errorf("%+v, %s", r.Receiver, r.ReceiverUnknown)
	}
}

// cancellingServer answers datagrams and, if after is set, requests for its counts until
// it has got any. A request that is not answered cancels.
func cancellingServer(after bool, cancel context.CancelFunc) func(int, []byte) [][]byte {
	answer, loaded := tallyingServer(0), false
	return func(n int, d []byte) [][]byte {
		request := receiver.Begins(d)
		if request && loaded == after {
			cancel()
			return nil
		}
		loaded = loaded || !request
		return answer(n, d)
	}
}

// TestInquiryEndsWhenInterrupted has patience for longer than the test may take.
func TestInquiryEndsWhenInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	fd, err := datagram.Connect(serveDatagrams(t, cancellingServer(false, cancel)))
	require.Supported(t, err)
	defer stream.Close(fd)
	q, err := newInquiry(false)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	if _, err := q.ask(ctx, []*client{{fd: fd}}, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestReceiverIsAskedUntilInterrupted(t *testing.T) {
	for _, after := range []bool{false, true} {
		ctx, cancel := context.WithCancel(t.Context())
		r, err := Run(ctx, Config{
			Network: "udp", Target: serveDatagrams(t, cancellingServer(after, cancel)), Clients: 2, Messages: 1,
			Payload: mustParse(t, "seq", 64), AskReceiver: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		if want := "only this side is known: " + "asking it was interrupted"; r.ReceiverUnknown != want {
			t.Errorf("after the run: %v: %+v, %s", after, r.Receiver, r.ReceiverUnknown)
		}
		cancel()
	}
}
