package connect_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"wirelab/internal/require"
	"wirelab/load/connect"
)

// answerDatagrams gives each datagram that comes to a free loopback port to answer,
// which may write as many as it likes, until the test ends.
func answerDatagrams(t *testing.T, answer func(c *net.UDPConn, peer net.Addr, b []byte)) (address string) {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		buf := make([]byte, 65536)
		for {
			n, peer, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			answer(c, peer, buf[:n])
		}
	})
	t.Cleanup(func() { c.Close(); wg.Wait() })
	return c.LocalAddr().String()
}

func echoDatagram(c *net.UDPConn, peer net.Addr, b []byte) { c.WriteTo(b, peer) }

func ignoreDatagram(*net.UDPConn, net.Addr, []byte) {}

// pieces is an Input that returns each of its elements from one Read.
type pieces []string

func (p *pieces) Read(b []byte) (int, error) {
	if len(*p) == 0 {
		return 0, io.EOF
	}
	n := copy(b, (*p)[0])
	*p = (*p)[1:]
	return n, nil
}

func (*pieces) Close() error { return nil }

func numbered(dst []byte, n uint64, _ time.Time) []byte { return fmt.Appendf(dst, "%d;", n) }

func TestUDPSendsEachReadAsDatagram(t *testing.T) {
	require.NoLeaks(t)
	address := answerDatagrams(t, func(c *net.UDPConn, peer net.Addr, b []byte) {
		fmt.Fprintf(writerTo{c, peer}, "<%s>", b)
	})
	var out bytes.Buffer
	conv, err := run(t, connect.Config{
		Network: "udp", Address: address, IdleTimeout: 200 * time.Millisecond,
		Input: &pieces{"one\n", "two\n"}, View: connect.RawView(&out),
	})
	if err != nil || out.String() != "<one\n><two\n>" {
		t.Fatalf("received %q, %v", &out, err)
	}
	if conv.MessagesOut != 2 || conv.MessagesIn != 2 || conv.BytesOut != 8 || conv.BytesIn != 12 {
		t.Errorf("conversation %+v", conv)
	}
}

type writerTo struct {
	c    *net.UDPConn
	peer net.Addr
}

func (w writerTo) Write(b []byte) (int, error) { return w.c.WriteTo(b, w.peer) }

func TestUDPRefused(t *testing.T) {
	require.NoLeaks(t)
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	_, err = run(t, connect.Config{
		Network: "udp", Address: c.LocalAddr().String(), IdleTimeout: patience, Input: &pieces{"x"},
	})
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("error %v, want connection refused", err)
	}
}

func TestUDPNoAnswer(t *testing.T) {
	address := answerDatagrams(t, ignoreDatagram)
	tests := map[string]struct {
		cfg  connect.Config
		want error
	}{
		"silence":         {connect.Config{Input: &pieces{"x"}, IdleTimeout: 10 * time.Millisecond}, connect.ErrNoAnswer},
		"nobody waits":    {connect.Config{Input: &pieces{"x"}}, nil},
		"nothing sent":    {connect.Config{Input: &pieces{}, IdleTimeout: patience}, nil},
		"messages":        {connect.Config{Message: numbered, Count: 3, IdleTimeout: 10 * time.Millisecond}, connect.ErrNoAnswer},
		"messages, flood": {connect.Config{Message: numbered, Count: 3}, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			require.NoLeaks(t)
			test.cfg.Network, test.cfg.Address = "udp", address
			if _, err := run(t, test.cfg); !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
		})
	}
}

// Messages go one at a time: each waits for the answer to the one before, and the
// last answer ends the conversation at once.
func TestUDPMessagesInTurn(t *testing.T) {
	require.NoLeaks(t)
	address := answerDatagrams(t, echoDatagram)
	var order []string
	view := func(e *connect.Event) error {
		switch e.Kind {
		case connect.EventSent:
			order = append(order, ">"+string(e.Data))
		case connect.EventReceived:
			order = append(order, "<"+string(e.Data))
		}
		return nil
	}
	start := time.Now()
	_, err := run(t, connect.Config{
		Network: "udp", Address: address, Message: numbered, Count: 3, IdleTimeout: patience, View: view,
	})
	if err != nil || time.Since(start) >= patience {
		t.Fatalf("%v after %v", err, time.Since(start))
	}
	if want := "[>0; <0; >1; <1; >2; <2;]"; fmt.Sprint(order) != want {
		t.Errorf("order %v, want %v", order, want)
	}
}

func TestUDPCountsMissingAnswers(t *testing.T) {
	address := answerDatagrams(t, func(c *net.UDPConn, peer net.Addr, b []byte) {
		if b[0] != '1' {
			c.WriteTo(b, peer)
		}
	})
	_, err := run(t, connect.Config{
		Network: "udp", Address: address, Message: numbered, Count: 3, IdleTimeout: 100 * time.Millisecond,
	})
	if want := "no answer from " + address + " within 100ms to 1 of 3 datagrams"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestUDPLargestAndEmptyDatagrams(t *testing.T) {
	address := answerDatagrams(t, echoDatagram)
	for _, size := range []int{0, 1, 65507} {
		conv, err := run(t, connect.Config{
			Network: "udp", Address: address, Count: 1, IdleTimeout: patience,
			Message: func(dst []byte, _ uint64, _ time.Time) []byte { return append(dst, make([]byte, size)...) },
		})
		if err != nil || conv.BytesIn != uint64(size) || conv.MessagesIn != 1 {
			t.Errorf("size %d: %+v, %v", size, conv, err)
		}
	}
	_, err := run(t, connect.Config{
		Network: "udp", Address: address, Count: 1, IdleTimeout: patience,
		Message: func(dst []byte, _ uint64, _ time.Time) []byte { return append(dst, make([]byte, 65508)...) },
	})
	if !errors.Is(err, syscall.EMSGSIZE) {
		t.Errorf("error %v for a datagram that is too long", err)
	}
}

// With an interval the next message does not wait for the answer to the last, and what is
// lost or late is so by the time of its own message.
func TestUDPInterval(t *testing.T) {
	require.NoLeaks(t)
	const held = 100 * time.Millisecond
	var answers sync.WaitGroup
	t.Cleanup(answers.Wait) // when nobody reads questions any more
	address := answerDatagrams(t, func(c *net.UDPConn, peer net.Addr, b []byte) {
		delay := map[byte]time.Duration{'0': held, '1': held, '3': 5 * held}[b[0]]
		if delay == 0 {
			return // number 2 is lost
		}
		b = bytes.Clone(b)
		answers.Go(func() {
			time.Sleep(delay)
			_, _ = c.WriteTo(b, peer)
		})
	})
	var lost []uint64
	conv, err := run(t, connect.Config{
		Network: "udp", Address: address, Message: numbered, Count: 4, Interval: 20 * time.Millisecond, IdleTimeout: 3 * held,
		View: func(e *connect.Event) error {
			if e.Kind == connect.EventUnanswered {
				lost = append(lost, e.Number)
			}
			return nil
		},
	})
	if !errors.Is(err, connect.ErrNoAnswer) || fmt.Sprint(lost) != "[2 3]" || conv.Answered != 2 || conv.MessagesOut != 4 {
		t.Errorf("%v, lost %v, %+v", err, lost, conv)
	}
	if r := conv.RoundTrip; r.Min < held || r.Mean < r.Min || r.Max < r.Mean || r.Max > 3*held {
		t.Errorf("%+v in %v", r, conv.Duration)
	}
}
