package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// relays are bytes a second through our relay and through socat's, one connection, one way.
// Sender and sink are this process, and move pages, not copies.
type relays struct{ ours, theirs []float64 }

const (
	relayLimit = 2.0
	relayTime  = 2 * time.Second
	relayChunk = 16 << 20 // bytes that are sent at a time
)

// measureRelays measures both in turn.
func (b *bench) measureRelays(ctx context.Context) (*relays, error) {
	socat, err := exec.LookPath("socat")
	if err != nil {
		return nil, err
	}
	sink, err := startSink()
	if err != nil {
		return nil, err
	}
	defer sink.close()
	ours := peer{name: "wirelab relay", arguments: []string{"relay", "tcp", "{addr}", sink.address()}}
	theirs := peer{name: "socat", arguments: []string{"TCP-LISTEN:{port},bind={host},fork,reuseaddr", "TCP:" + sink.address()}}
	r := &relays{}
	side := func(p peer, path string, samples *[]float64) func(int) error {
		return func(round int) error {
			relay, err := startProgram(ctx, p, path, filepath.Dir(b.built[closedLoop]))
			if err != nil {
				return err
			}
			defer relay.stop()
			rate, err := sink.measure(relay.addr)
			if err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			*samples = append(*samples, rate)
			fmt.Fprintf(b.progress, "round %d of %d, %s: %.2f GB/s\n", round, b.rounds, p.name, rate/1e9)
			return nil
		}
	}
	if err := b.turns(ctx, side(ours, b.built[wirelab], &r.ours), side(theirs, socat, &r.theirs)); err != nil {
		return nil, err
	}
	return r, nil
}

// A sink throws away what connections bring, and says how much that was.
type sink struct {
	listener net.Listener
	null     *os.File
	source   *os.File // what is sent
	received chan int64
}

func startSink() (*sink, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &sink{listener: listener, received: make(chan int64)}
	if s.null, err = os.OpenFile(os.DevNull, os.O_WRONLY, 0); err == nil {
		s.source, err = os.CreateTemp("", "wirelab-bench-")
	}
	if err == nil {
		os.Remove(s.source.Name())
		_, err = s.source.Write(make([]byte, relayChunk))
	}
	if err != nil {
		listener.Close()
		return nil, err
	}
	go func() {
		defer close(s.received)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			n, _ := io.Copy(s.null, conn) // a connection that tries whether the relay listens brings nothing
			conn.Close()
			if n > 0 {
				s.received <- n
			}
		}
	}()
	return s, nil
}

func (s *sink) address() string { return s.listener.Addr().String() }

func (s *sink) close() {
	s.listener.Close()
	for range s.received {
	}
	s.null.Close()
	s.source.Close()
}

// measure returns the bytes a second that arrive through the relay at addr.
func (s *sink) measure(addr string) (perSecond float64, err error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	begun := time.Now()
	var sent int64
	for time.Since(begun) < relayTime {
		if _, err := s.source.Seek(0, io.SeekStart); err != nil {
			return 0, err
		}
		n, err := io.Copy(conn, s.source)
		if err != nil {
			return 0, err
		}
		sent += n
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		return 0, err
	}
	received := <-s.received
	if received != sent {
		return 0, fmt.Errorf("%d of %d bytes arrived", received, sent)
	}
	return float64(received) / time.Since(begun).Seconds(), nil
}

func writeRelays(text *strings.Builder, r *relays) {
	if r == nil {
		return
	}
	same := func(v float64) float64 { return v }
	ratio := ratios(r.ours, same, r.theirs, same)
	promised, held := verdict(relayLimit, ratio.median >= relayLimit, "≥ %.1f")
	gigabytes := func(v float64) float64 { return v / 1e9 }
	fmt.Fprintf(text, `
## A relay of TCP

One connection, one way, for %v; bytes a second that arrive; median (least–most) of %d rounds, in which both take turns.

| wirelab relay, GB/s | socat, GB/s | Ratio | Promised | |
|---|---|---|---|---|
| %s | %s | %s | %s | %s |
`, relayTime, len(r.ours), spreadCell(spreads(r.ours, gigabytes), "%.2f"), spreadCell(spreads(r.theirs, gigabytes), "%.2f"), ratioCell(ratio), promised, held)
}
