package udp_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"wirelab/clock"
	"wirelab/internal/require"
	"wirelab/server/udp"
)

// spoof sends a datagram to one server in the name of another.
func spoof(t *testing.T, from, to netip.AddrPort, payload string) {
	t.Helper()
	require.Root(t)
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, syscall.IPPROTO_UDP)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: from.Addr().As4()}); err != nil {
		t.Fatal(err)
	}
	length := 8 + len(payload)
	header := []byte{byte(from.Port() >> 8), byte(from.Port()), byte(to.Port() >> 8), byte(to.Port()), byte(length >> 8), byte(length), 0, 0}
	if err := syscall.Sendto(fd, append(header, payload...), 0, &syscall.SockaddrInet4{Addr: to.Addr().As4()}); err != nil {
		t.Fatal(err)
	}
}

// One datagram in the name of another service makes two servers answer each other;
// it must come to an end, whatever they are.
func TestLoopsEnd(t *testing.T) {
	const line = "2026-11-22T10:03:04.123456Z is what a clock said, and a long line has room for the answer"
	test := func(size int) string { // a test packet
		return string(clock.SenderPacket{Timestamp: clock.NTP.Encode(time.Now()), Estimate: 1}.Append(nil, size))
	}
	for _, tt := range []struct{ a, b, payload string }{
		{"timediff", "timediff", test(44)}, {"timediff", "echo", test(44)}, {"timediff", "timediff", test(14)}, {"timediff", "echo", test(14)},
		{"echo", "echo", "hello"}, {"timediff", "echo", "hello"}, {"echo", "echo", ""}, {"timediff", "timediff", "hello"},
		{"timediff", "echo", line}, {"timediff", "timediff", line}, {"timediff", "echo", "1795342984.123456 "},
	} {
		t.Run(fmt.Sprintf("%s %s %.10q", tt.a, tt.b, tt.payload), func(t *testing.T) {
			a, b := serve(t, tt.a), serveBeside(t, tt.b)
			spoof(t, b.Addr(), a.Addr(), tt.payload)
			last, still := uint64(0), 0
			for deadline := time.Now().Add(10 * time.Second); still < 5; still++ { // a busy machine lets them rest
				time.Sleep(50 * time.Millisecond)
				now := a.Status().Traffic.MessagesIn + b.Status().Traffic.MessagesIn
				if now != last || now == 0 {
					last, still = now, -1
				}
				if time.Now().After(deadline) {
					t.Fatalf("they have exchanged %d datagrams and go on", now)
				}
			}
			t.Logf("%d datagrams", last)
		})
	}
}

// A stranger's service that echoes everything, questions too, is answered no more; a
// client that repeats a message, and ignores them, always.
func TestTellsServicesFromClients(t *testing.T) {
	for name, echoes := range map[string]bool{"service": true, "client": false} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, "echo")
			c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(s.Addr()))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			answers, buf := 0, make([]byte, 1000)
			next := []byte("again and again")
			for answers < 5000 {
				c.SetDeadline(time.Now().Add(500 * time.Millisecond))
				if _, err := c.Write(next); err != nil {
					t.Fatal(err)
				}
				n, err := c.Read(buf)
				if n == 128 && !echoes {
					n, err = c.Read(buf)
				}
				if errors.Is(err, os.ErrDeadlineExceeded) {
					break
				}
				if answers++; echoes {
					next = append(next[:0], buf[:n]...)
				}
			}
			if echoes != (answers < 5000) {
				t.Errorf("%d answers", answers)
			}
		})
	}
}

func TestEmptyDatagramsAreEchoed(t *testing.T) {
	require.NoLeaks(t)
	for _, handler := range []string{"echo", "timediff"} {
		s := serveBeside(t, handler)
		c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(s.Addr()))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := c.Write(nil); err != nil {
			t.Fatal(err)
		}
		if n, err := c.Read(make([]byte, 10)); n != 0 || err != nil {
			t.Errorf("%s: read %d, %v", handler, n, err)
		}
		s.eventually("both are counted", func(st udp.Status) bool { return st.Traffic.MessagesIn == 1 && st.Traffic.MessagesOut == 1 })
	}
}
