package oneway

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"wirelab/internal/receiver"
)

// serveReports runs a server that counts nothing: take is told of each datagram from whom
// it is, and whether it asks for a report, and returns whom to send one.
func serveReports(t *testing.T, take func(from netip.AddrPort, asks bool) (to []netip.AddrPort)) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		b, answer := make([]byte, 2048), make([]byte, receiver.Len)
		asked := map[netip.AddrPort]receiver.Request{}
		for {
			n, from, err := conn.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			request, asks := receiver.ParseRequest(b[:n])
			if asks {
				asked[from] = request
			}
			for _, to := range take(from, asks) {
				receiver.PutAnswer(answer, asked[to].Nonce, &receiver.Report{Since: time.Unix(1, 0)})
				conn.WriteToUDPAddrPort(answer, to)
			}
		}
	})
	t.Cleanup(func() { conn.Close(); running.Wait() })
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

func TestAsksForAllSendersAtOnce(t *testing.T) {
	const senders = 8
	asked := map[netip.AddrPort]bool{}
	r := mustRun(t, Config{Messages: 10, Senders: senders, Target: serveReports(t, func(from netip.AddrPort, asks bool) (to []netip.AddrPort) {
		if asked[from] = asked[from] || asks; len(asked) < senders {
			return nil // whoever asks one by one gets no answer
		}
		for addr := range asked {
			to = append(to, addr)
		}
		return to
	})})
	if r.Receiver == nil || r.Receiver.Lost != r.Sent {
		t.Errorf("%+v, %s", r.Receiver, r.ReceiverUnknown)
	}
}

func TestAsksUntilInterrupted(t *testing.T) {
	for sent := range uint64(2) { // interrupted before the run, and after it
		ctx, cancel := context.WithCancel(t.Context())
		loaded := uint64(0)
		addr := serveReports(t, func(from netip.AddrPort, asks bool) []netip.AddrPort {
			switch {
			case !asks:
				loaded = 1
			case loaded == sent:
				cancel()
			default:
				return []netip.AddrPort{from}
			}
			return nil
		})
		r, err := Run(ctx, Config{Target: addr, Messages: 1, Payload: mustParse(t, "seq", 0)})
		if err != nil || r.ReceiverUnknown != errAskingCut || !r.Interrupted || r.Sent != sent {
			t.Errorf("%v: %+v", err, r)
		}
		cancel()
	}
}

const errAskingCut = "asking it was interrupted"
