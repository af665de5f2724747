package observe

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"wirelab/internal/require"
)

// A process whose descriptors others have used up to the last is asked all the same, again and
// again.
func TestControlWithoutDescriptors(t *testing.T) {
	require.NoLeaks(t)
	path := filepath.Join(socketDir(t), "wirelab", "1.sock")
	stop := runControl(t, path)
	defer stop()
	var clients []*os.File
	for range 2 * mostSpares { // which are this process's too
		fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		client := os.NewFile(uintptr(fd), path)
		defer client.Close()
		clients = append(clients, client)
	}
	useUpDescriptors(t)
	for i, client := range clients {
		if err := syscall.Connect(int(client.Fd()), &syscall.SockaddrUnix{Name: path}); err != nil {
			t.Fatal(err)
		}
		timeout := syscall.Timeval{Sec: 10}
		if err := syscall.SetsockoptTimeval(int(client.Fd()), syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &timeout); err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(client, "GET /v1/status HTTP/1.1\r\nHost: wirelab\r\nConnection: close\r\n\r\n")
		if answer, err := io.ReadAll(client); err != nil || !strings.Contains(string(answer), "lamp east") {
			t.Fatalf("asked for time %d: %q, %v", i+1, answer, err)
		}
	}
}

// useUpDescriptors opens all that this process may have, until the test ends.
func useUpDescriptors(t *testing.T) {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	low := limit
	low.Cur = min(limit.Cur, 300)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit) })
	for {
		file, err := os.Open("/")
		if err != nil {
			return
		}
		t.Cleanup(func() { file.Close() })
	}
}
