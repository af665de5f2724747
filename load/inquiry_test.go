package load

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"wirelab/internal/require"
	"wirelab/internal/sys/datagram"
	"wirelab/internal/sys/stream"
	"wirelab/internal/tally"
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
		counts := tally.Counts{Since: time.Unix(1, 0)}
		b, answer := make([]byte, 2048), make([]byte, tally.Len)
		asked := map[netip.AddrPort]tally.Request{}
		for {
			n, from, err := conn.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			request, ok := tally.ParseRequest(b[:n])
			if !ok {
				conn.WriteToUDPAddrPort(b[:n], from)
				continue
			}
			asked[from] = request
			if len(asked) > alone && len(asked) < alone+many {
				continue
			}
			for to, request := range asked {
				tally.PutAnswer(answer, request.Nonce, &counts)
				conn.WriteToUDPAddrPort(answer, to)
			}
		}
	})
	t.Cleanup(func() { conn.Close(); running.Wait() })
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

func TestReceiverIsAskedAboutManyAtOnce(t *testing.T) {
	const clients = askedAtOnce + 20
	addr := gatheringServer(t, 1, askedAtOnce)
	r := mustRun(t, Config{Network: "udp", Target: addr, Clients: clients, Messages: 1, AskReceiver: true, Loops: 2})
	if r.Receiver == nil || r.Receiver.Received != 0 || r.Receiver.Lost != clients {
		t.Errorf("%+v, %s", r.Receiver, r.ReceiverUnknown)
	}
}

func TestFastAsksForAllSendersAtOnce(t *testing.T) {
	const senders = 8
	r := runFast(t, FastConfig{Target: gatheringServer(t, 0, senders), Messages: 10, Senders: senders})
	if r.Receiver == nil || r.Receiver.Lost != r.Sent {
		t.Errorf("%+v, %s", r.Receiver, r.ReceiverUnknown)
	}
}

// cancellingServer answers datagrams and, if after is set, requests for its counts until
// it has got any. A request that is not answered cancels.
func cancellingServer(after bool, cancel context.CancelFunc) func(int, []byte) [][]byte {
	answer, loaded := tallyingServer(0), false
	return func(n int, d []byte) [][]byte {
		request := tally.Begins(d)
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
	require.NoLeaks(t)
	for _, after := range []bool{false, true} {
		ctx, cancel := context.WithCancel(t.Context())
		r, err := Run(ctx, Config{
			Network: "udp", Target: serveDatagrams(t, cancellingServer(after, cancel)), Clients: 2, Messages: 1,
			Payload: fastPayload(t, "seq", 0), AskReceiver: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		if want := "only this side is known: " + errAskingCut.Error(); r.ReceiverUnknown != want {
			t.Errorf("after the run: %v: %+v, %s", after, r.Receiver, r.ReceiverUnknown)
		}
		cancel()
	}
}

func TestFastAsksUntilInterrupted(t *testing.T) {
	for _, after := range []bool{false, true} {
		ctx, cancel := context.WithCancel(t.Context())
		r, err := RunFast(ctx, FastConfig{
			Target: serveDatagrams(t, cancellingServer(after, cancel)), Messages: 1, Payload: fastPayload(t, "seq", 0),
		})
		sent := uint64(0)
		if after {
			sent = 1
		}
		if err != nil || r.ReceiverUnknown != errAskingCut.Error() || !r.Interrupted || r.Sent != sent {
			t.Errorf("after the run: %v: %v: %+v", after, err, r)
		}
		cancel()
	}
}
