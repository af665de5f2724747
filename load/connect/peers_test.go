package connect_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"wirelab/internal/require"
	"wirelab/load/connect"
)

// startPeer runs a program that serves one connection on address, and returns what
// it has written once it has ended.
func startPeer(t *testing.T, input io.Reader, command ...string) (wait func() []byte) {
	t.Helper()
	cmd := exec.Command(require.Program(t, command[0]), command[1:]...)
	var out, complaints bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = input, &out, &complaints
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { cmd.Process.Kill() })
	return func() []byte {
		t.Helper()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("%s: %v: %s", command[0], err, &complaints)
			}
		case <-time.After(patience):
			t.Fatalf("%s does not end", command[0])
		}
		return out.Bytes()
	}
}

// noise returns size bytes of all values.
func noise(seed byte, size int) []byte {
	b := make([]byte, size)
	rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

// The half-close reaches a program that waits for the end of its input, and what it
// says after it comes back.
func TestHalfCloseReachesPrograms(t *testing.T) {
	require.NoLeaks(t)
	input := noise(2, 1<<20)
	address := closedPort(t)
	host, port, _ := net.SplitHostPort(address)
	wait := startPeer(t, nil, "socat", "-t", "10", "TCP-LISTEN:"+port+",bind="+host, "SYSTEM:sha256sum")
	var out bytes.Buffer
	_, err := run(t, connect.Config{
		Address: address, Retries: 20, Input: io.NopCloser(bytes.NewReader(input)), View: connect.RawView(&out),
	})
	wait()
	if want := fmt.Sprintf("%x  -\n", sha256.Sum256(input)); err != nil || out.String() != want {
		t.Errorf("received %q, %v; want %q", &out, err, want)
	}
}

// Ten megabytes of all values go each way unchanged. Listening, nc and ncat end
// soon after their peer has no more to say, whatever they have left to send (with
// socat for a client too), so that they are tried one way at a time.
func TestExchangesFilesWithNetcats(t *testing.T) {
	ours, theirs := noise(3, 10<<20), noise(4, 10<<20)
	tests := map[string]struct {
		command      []string // HOST and PORT are replaced
		ours, theirs []byte
	}{
		"socat":         {[]string{"socat", "-t10", "-", "TCP-LISTEN:PORT,bind=HOST"}, ours, theirs},
		"nc receives":   {[]string{"nc", "-N", "-l", "HOST", "PORT"}, ours, nil},
		"nc sends":      {[]string{"nc", "-N", "-l", "HOST", "PORT"}, nil, theirs},
		"ncat receives": {[]string{"ncat", "-l", "--recv-only", "HOST", "PORT"}, ours, nil},
		"ncat sends":    {[]string{"ncat", "-l", "--send-only", "HOST", "PORT"}, nil, theirs},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			require.NoLeaks(t)
			address := closedPort(t)
			host, port, _ := net.SplitHostPort(address)
			command := slices.Clone(test.command)
			for i := range command {
				command[i] = strings.NewReplacer("HOST", host, "PORT", port).Replace(command[i])
			}
			wait := startPeer(t, bytes.NewReader(test.theirs), command...)
			var got bytes.Buffer
			cfg := connect.Config{
				Address: address, Retries: 20, Input: io.NopCloser(bytes.NewReader(test.ours)), View: connect.RawView(&got),
			}
			if test.ours == nil { // say nothing, but do not say that it is all
				cfg.Input, cfg.EndWithPeer = blockedInput(t), true
			}
			conv, err := run(t, cfg)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), test.theirs) {
				t.Errorf("%d of %d bytes came, or others", conv.BytesIn, len(test.theirs))
			}
			if peerGot := wait(); !bytes.Equal(peerGot, test.ours) {
				t.Errorf("the peer got %d of %d bytes, or others", len(peerGot), len(test.ours))
			}
		})
	}
}

// Connect sees of a server what nc, ncat and socat see.
func TestAgreesWithNetcats(t *testing.T) {
	input := noise(5, 1<<20)
	address := servePeer(t, func(c *net.TCPConn) {
		all, _ := io.ReadAll(c)
		fmt.Fprintf(c, "%d bytes, %x", len(all), sha256.Sum256(all))
	})
	var got bytes.Buffer
	_, err := run(t, connect.Config{Address: address, Input: io.NopCloser(bytes.NewReader(input)), View: connect.RawView(&got)})
	if err != nil {
		t.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(address)
	clients := [][]string{{"nc", "-N", host, port}, {"ncat", host, port}, {"socat", "-t10", "-", "TCP:" + address}}
	for _, command := range clients {
		t.Run(command[0], func(t *testing.T) {
			if want := startPeer(t, bytes.NewReader(input), command...)(); !bytes.Equal(got.Bytes(), want) {
				t.Errorf("we received %q, %s %q", &got, command[0], want)
			}
		})
	}
}

func TestUDPToPrograms(t *testing.T) {
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(c.LocalAddr().String())
	c.Close()
	cmd := exec.Command(require.Program(t, "socat"), "-d", "-d", "UDP-RECVFROM:"+port+",bind=127.0.0.1,fork", "SYSTEM:cat")
	complaints, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	waitForLine(t, complaints, "receiving on")
	var out bytes.Buffer
	_, err = run(t, connect.Config{
		Network: "udp", Address: "127.0.0.1:" + port, IdleTimeout: patience, Count: 3,
		Message: numbered, View: connect.RawView(&out),
	})
	if err != nil || out.String() != "0;1;2;" {
		t.Errorf("received %q, %v", &out, err)
	}
}

// waitForLine reads r until a line contains word.
func waitForLine(t *testing.T, r io.Reader, word string) {
	t.Helper()
	var seen []byte
	buf := make([]byte, 1)
	for !strings.Contains(string(seen), word) {
		if _, err := r.Read(buf); err != nil {
			t.Fatalf("%v after %q", err, seen)
		}
		seen = append(seen, buf...)
	}
}
