package connect_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wirelab/internal/require"
	"wirelab/internal/sys/socket"
	"wirelab/load/connect"
)

// meet holds a conversation between Run and Talk, each with an input, and returns what
// each has received.
func meet(t *testing.T, client connect.Config, address string) (atClient, atServer string) {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), patience, errors.New("the test hangs"))
	defer cancel()
	w, err := connect.Listen(ctx, client.Network, address, socket.Options{}, false)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	client.Address = w.Addr()
	var out bytes.Buffer
	ended := make(chan error, 1)
	go func() {
		conn, err := w.Wait(ctx)
		if err != nil {
			ended <- err
			return
		}
		cfg := connect.Config{Network: client.Network, Address: "peer", Input: inputText("question\n"), View: connect.RawView(&out)}
		if client.Network == "unixgram" { // it has no end of its own
			cfg.Input, cfg.IdleTimeout = connect.Patient(cfg.Input), 500*time.Millisecond
		}
		_, err = connect.Talk(ctx, cfg, conn)
		ended <- err
	}()
	var in bytes.Buffer
	client.View = connect.RawView(&in)
	if _, err := connect.Run(ctx, client); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil && !errors.Is(err, connect.ErrIdle) {
		t.Error(err)
	}
	return in.String(), out.String()
}

// Both ends of a Unix socket talk: streams and datagrams, by path and by abstract name. Of
// what was bound to a path nothing is left, and what another process has left gives way.
func TestUnixSockets(t *testing.T) {
	require.NoLeaks(t)
	path := filepath.Join(t.TempDir(), "socket")
	for _, network := range []string{"unix", "unixgram"} {
		for _, address := range []string{path, "@wirelab-" + network + filepath.Base(t.TempDir())} {
			cfg := connect.Config{Network: network, Input: &pieces{"hello\n"}, IdleTimeout: time.Second}
			atClient, atServer := meet(t, cfg, address)
			if atClient != "question\n" || atServer != "hello\n" {
				t.Errorf("%s %s: the client got %q, the server %q", network, address, atClient, atServer)
			}
			if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s: %v", network, err)
			}
		}
		leaveSocket(t, network, path)
		w, err := connect.Listen(t.Context(), network, path, socket.Options{}, false)
		if err != nil {
			t.Fatalf("%s: %v", network, err)
		}
		if _, err := connect.Listen(t.Context(), network, path, socket.Options{}, false); err == nil {
			t.Errorf("%s: two listen on one path", network)
		}
		w.Close()
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := connect.Listen(t.Context(), "unix", path, socket.Options{}, false); err == nil {
		t.Error("a file has given way")
	}
}

// leaveSocket leaves a socket that nobody listens on.
func leaveSocket(t *testing.T, network, path string) {
	t.Helper()
	if network == "unixgram" {
		c, err := net.ListenUnixgram(network, &net.UnixAddr{Net: network, Name: path})
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		return
	}
	l, err := net.ListenUnix(network, &net.UnixAddr{Net: network, Name: path})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
}

// Lines end as asked for, whatever the pieces in which they come.
func TestCRLF(t *testing.T) {
	address := servePeer(t, func(c *net.TCPConn) { _, _ = io.Copy(c, c) })
	var out bytes.Buffer
	_, err := run(t, connect.Config{
		Address: address, CRLF: true, Input: &pieces{"GET /\n\n", "a\r", "\nb\r\n", "\r\r\nc"}, View: connect.RawView(&out),
	})
	if want := "GET /\r\n\r\na\r\nb\r\n\r\r\nc"; err != nil || out.String() != want {
		t.Errorf("sent %q, %v", &out, err)
	}
}

// The peer sees the source that was chosen, over TCP and UDP.
func TestSource(t *testing.T) {
	source := netip.MustParseAddrPort(closedPort(t))
	source = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.77"), source.Port())
	stream := servePeer(t, func(c *net.TCPConn) {
		_, _ = io.ReadAll(c)
		_, _ = io.WriteString(c, c.RemoteAddr().String())
	})
	datagrams := answerDatagrams(t, func(c *net.UDPConn, peer net.Addr, _ []byte) { _, _ = c.WriteTo([]byte(peer.String()), peer) })
	for network, address := range map[string]string{"tcp": stream, "udp": datagrams} {
		for _, from := range []netip.AddrPort{source, netip.AddrPortFrom(source.Addr(), 0)} {
			var out bytes.Buffer
			conv, err := run(t, connect.Config{
				Network: network, Address: address, Source: from, Input: &pieces{"x"}, IdleTimeout: patience / 20, View: connect.RawView(&out),
			})
			if err != nil || out.String() != conv.Local || !strings.HasPrefix(conv.Local, "127.0.0.77:") || from.Port() != 0 && conv.Local != from.String() {
				t.Errorf("%s from %s: %s, the peer sees %q, %v", network, from, conv.Local, &out, err)
			}
		}
	}
}

// Of a listener for everyone, all datagrams are one conversation, and the last sender is
// who is answered.
func TestListensToEveryone(t *testing.T) {
	require.NoLeaks(t)
	w, err := connect.Listen(t.Context(), "udp", "127.0.0.1:0", socket.Options{}, true)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	var peers [2]net.Conn
	for i := range peers {
		if peers[i], err = net.Dial("udp", w.Addr()); err != nil {
			t.Fatal(err)
		}
		defer peers[i].Close()
		if _, err := peers[i].Write([]byte{'0' + byte(i)}); err != nil {
			t.Fatal(err)
		}
	}
	conn, err := w.Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	input, typed := io.Pipe()
	var seen []string
	view := func(e *connect.Event) error {
		switch e.Kind {
		case connect.EventConnected:
			seen = append(seen, e.Remote)
		case connect.EventReceived:
			if seen = append(seen, string(e.Data)); string(e.Data) == "1" {
				go func() { _, _ = io.WriteString(typed, "answer") }()
			}
		case connect.EventSent:
			seen = append(seen, string(e.Data))
		}
		return nil
	}
	_, err = connect.Talk(t.Context(), connect.Config{Network: "udp", Input: input, IdleTimeout: 300 * time.Millisecond, View: view}, conn)
	if !errors.Is(err, connect.ErrIdle) {
		t.Error(err)
	}
	first, second := peers[0].LocalAddr().String(), peers[1].LocalAddr().String()
	if got, want := strings.Join(seen, " "), strings.Join([]string{first, "0", second, "1", "answer"}, " "); got != want {
		t.Errorf("seen: %s, want %s", got, want)
	}
	_ = peers[1].SetReadDeadline(time.Now().Add(patience))
	if n, err := peers[1].Read(make([]byte, 10)); n != len("answer") {
		t.Errorf("answered with %d bytes, %v", n, err)
	}
}
