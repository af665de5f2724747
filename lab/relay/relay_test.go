package relay_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"wirelab/internal/require"
	"wirelab/lab/impair"
	"wirelab/lab/relay"
)

// start runs a relay to target until the test ends.
func start(t *testing.T, cfg relay.Config) *relay.Relay {
	t.Helper()
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	r, err := relay.Listen(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return r
}

// echoStreams serves connections until the test ends.
func echoStreams(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			})
		}
	})
	t.Cleanup(func() { l.Close(); running.Wait() })
	return l.Addr().String()
}

func echoDatagrams(t *testing.T) string {
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		buf := make([]byte, 2000)
		for {
			n, peer, err := c.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			_, _ = c.WriteToUDPAddrPort(buf[:n], peer)
		}
	})
	t.Cleanup(func() { c.Close(); running.Wait() })
	return c.LocalAddr().String()
}

// A megabyte comes back as it was, with the half-close, however it is carried.
func TestStreamsPassWhole(t *testing.T) {
	require.NoLeaks(t)
	var shown int
	for name, cfg := range map[string]relay.Config{
		"plain":    {},
		"shown":    {View: func(_ string, _ relay.Direction, b []byte) { shown += len(b) }},
		"delayed":  {To: impair.Config{Delay: 30 * time.Millisecond, Jitter: 10 * time.Millisecond}},
		"two ways": {To: impair.Config{Delay: time.Millisecond}, From: impair.Config{Delay: 20 * time.Millisecond}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg.Network, cfg.Target = "tcp", echoStreams(t)
			r := start(t, cfg)
			c, err := net.Dial("tcp", r.Addr())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(20 * time.Second))
			sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
			begun := time.Now()
			go func() {
				_, _ = c.Write(sent)
				_ = c.(*net.TCPConn).CloseWrite()
			}()
			got, err := io.ReadAll(c)
			if err != nil || sha256.Sum256(got) != sha256.Sum256(sent) {
				t.Errorf("%d bytes came back: %v", len(got), err)
			}
			if least := cfg.To.Delay - cfg.To.Jitter + cfg.From.Delay; time.Since(begun) < least {
				t.Errorf("after %v, before %v", time.Since(begun), least)
			}
		})
	}
	if shown != 2<<20 {
		t.Errorf("%d bytes shown", shown)
	}
}

func TestStreamsAreResetWithoutATarget(t *testing.T) {
	r := start(t, relay.Config{Network: "tcp", Target: "127.0.0.1:1"})
	c, err := net.Dial("tcp", r.Addr())
	if errors.Is(err, syscall.ECONNRESET) {
		return // before it was told that it was there
	}
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if n, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read %d, %v", n, err)
	}
}

func TestDatagramsAreImpaired(t *testing.T) {
	require.NoLeaks(t)
	const n = 400
	r := start(t, relay.Config{Network: "udp", Target: echoDatagrams(t), To: impair.Config{Loss: 0.25, Double: 0.1}, Seed: 3})
	c, err := net.Dial("udp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go func() {
		for range n {
			_, _ = c.Write([]byte("datagram"))
			time.Sleep(500 * time.Microsecond)
		}
	}()
	answers, buf := uint64(0), make([]byte, 100)
	for {
		_ = c.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := c.Read(buf); err != nil {
			break
		}
		answers++
	}
	counts := r.Counts()
	to := counts.ImpairedTo
	if counts.Clients != 1 || to.Pushed != n || to.Lost < n/6 || to.Lost > n/3 || to.Doubled < n/40 || answers != n-to.Lost+to.Doubled || counts.MessagesFrom != answers {
		t.Errorf("%d answers: %+v", answers, counts)
	}
}

// What chance does to a client in each direction is the same in every run.
func TestChancesFollowFromTheSeed(t *testing.T) {
	var runs [2]string
	for i := range runs {
		r := start(t, relay.Config{Network: "tcp", Target: echoStreams(t), To: impair.Config{Corrupt: 1}, From: impair.Config{Corrupt: 1}, Seed: 9})
		for range 4 {
			c, err := net.Dial("tcp", r.Addr())
			if err != nil {
				t.Fatal(err)
			}
			_ = c.SetDeadline(time.Now().Add(20 * time.Second))
			_, _ = c.Write([]byte("what chance does to me"))
			_ = c.(*net.TCPConn).CloseWrite()
			got, err := io.ReadAll(c)
			c.Close()
			if err != nil {
				t.Fatal(err)
			}
			runs[i] += string(got) + "\n"
		}
	}
	if runs[0] != runs[1] {
		t.Errorf("%q\n%q", runs[0], runs[1])
	}
}

func TestConfigIsChecked(t *testing.T) {
	for _, cfg := range []relay.Config{
		{Network: "tcp", To: impair.Config{Loss: 0.1}}, {Network: "udp", From: impair.Config{Double: 2}},
	} {
		cfg.Listen, cfg.Target = "127.0.0.1:0", "127.0.0.1:1"
		if _, err := relay.Listen(t.Context(), cfg); !errors.Is(err, impair.ErrConfig) {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
	if _, err := relay.Listen(t.Context(), relay.Config{Network: "sctp"}); err == nil {
		t.Error("sctp is relayed")
	}
}

// A relay to itself would go on without end, with a client more for each turn.
func TestNoRelayToItself(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	l.Close()
	path := filepath.Join(t.TempDir(), "sock")
	for _, cfg := range []relay.Config{
		{Network: "tcp", Listen: "127.0.0.1:" + port, Target: "127.0.0.1:" + port},
		{Network: "tcp", Listen: "0.0.0.0:" + port, Target: "127.0.0.1:" + port},
		{Network: "udp", Listen: "127.0.0.1:" + port, Target: "localhost:" + port},
		{Network: "udp", Listen: "[::1]:" + port, Target: "[::1]:" + port},
		{Network: "unix", Listen: path, Target: path},
	} {
		if r, err := relay.Listen(t.Context(), cfg); !errors.Is(err, relay.ErrTarget) {
			t.Errorf("%+v: %v", cfg, err)
			if err == nil {
				r.Close()
			}
		}
	}
}

// A stream may come over TCP and go on to a Unix socket, and the other way round.
func TestStreamsChangeTheirNetwork(t *testing.T) {
	require.NoLeaks(t)
	path := filepath.Join(t.TempDir(), "socket")
	inner := start(t, relay.Config{Network: "unix", Listen: path, Target: echoStreams(t), TargetNetwork: "tcp"})
	outer := start(t, relay.Config{Network: "tcp", Target: inner.Addr(), TargetNetwork: "unix"})
	c, err := net.Dial("tcp", outer.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<14)
	go func() {
		_, _ = c.Write(sent)
		_ = c.(*net.TCPConn).CloseWrite()
	}()
	if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d bytes came back: %v", len(got), err)
	}
}
