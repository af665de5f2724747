package scan

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"wirelab/internal/require"
)

var loopback = netip.MustParseAddr("127.0.0.1")

// openPorts returns n ports that accept connections until the test ends.
func openPorts(t *testing.T, n int) (ports []uint16) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		ports = append(ports, l.Addr().(*net.TCPAddr).AddrPort().Port())
	}
	slices.Sort(ports)
	return ports
}

func TestEveryOpenPortIsFound(t *testing.T) {
	require.NoLeaks(t)
	open := openPorts(t, 5)
	all := append([]uint16{1, 2, 3}, open...)
	done := 0
	results, err := Run(t.Context(), Config{
		Host: loopback, Ports: all, Timeout: 10 * time.Second, AtOnce: 3, Progress: func(n int) { done = n },
	})
	if err != nil || done != len(all) || len(results) != len(all) {
		t.Fatalf("%d of %d ports, progress %d: %v", len(results), len(all), done, err)
	}
	var found []uint16
	for _, r := range results {
		if r.State == Open {
			found = append(found, r.Port)
		} else if r.State != Closed {
			t.Errorf("port %d is %v: %v", r.Port, r.State, r.Err)
		}
	}
	if !slices.Equal(found, open) {
		t.Errorf("found %v, open are %v", found, open)
	}
}

// A port whose queue of connections is full answers nothing, as one behind a firewall.
func TestSilentPortIsFiltered(t *testing.T) {
	require.NoLeaks(t)
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	syscall.CloseOnExec(fd)
	defer syscall.Close(fd)
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: loopback.As4()}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	bound, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	port := uint16(bound.(*syscall.SockaddrInet4).Port)
	for range 8 {
		c, err := net.DialTimeout("tcp", netip.AddrPortFrom(loopback, port).String(), 300*time.Millisecond)
		if err != nil {
			break
		}
		defer c.Close()
	}
	results, err := Run(t.Context(), Config{Host: loopback, Ports: []uint16{port}, Timeout: 300 * time.Millisecond, AtOnce: 1})
	if err != nil || len(results) != 1 || results[0].State != Filtered {
		t.Errorf("%v, %v", results, err)
	}
}

func TestInterruptedScanKeepsWhatItKnows(t *testing.T) {
	require.NoLeaks(t)
	ctx, cancel := context.WithCancel(t.Context())
	ports, _ := ParsePorts("1-65535")
	results, err := Run(ctx, Config{Host: loopback, Ports: ports, Timeout: time.Second, AtOnce: 8, Progress: func(n int) {
		if n == 100 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) || len(results) < 100 || len(results) == len(ports) {
		t.Errorf("%d results, %v", len(results), err)
	}
}

func TestParsePorts(t *testing.T) {
	for text, want := range map[string]string{
		"22": "[22]", "80,22,22": "[22 80]", "8000-8002,8001,1": "[1 8000 8001 8002]", "65535": "[65535]",
		"": "", "0": "", "65536": "", "5-3": "", "1-": "", "-1": "", "1,,2": "", "http": "", "1-2-3": "",
	} {
		ports, err := ParsePorts(text)
		if got := fmt.Sprint(ports); err == nil && got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %v, %v", text, ports, err)
		}
	}
}

func FuzzParsePorts(f *testing.F) {
	for _, seed := range []string{"22", "1-65535,1-65535", "80,443,8000-8010", "9-1", "--", ",,"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ports, err := ParsePorts(text)
		if err == nil && (len(ports) == 0 || !slices.IsSorted(ports) || ports[0] == 0) {
			t.Errorf("%q: %v", text, ports)
		}
	})
}
