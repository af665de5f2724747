package lab

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"wirelab/internal/require"
)

func TestHostsReachEachOther(t *testing.T) {
	require.Root(t)
	pair, err := OpenPair()
	require.Supported(t, err)
	defer pair.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()

	listening := make(chan struct{})
	var heard bytes.Buffer
	server := exec.Command(require.Program(t, "nc"), "-l", "-w", "5", pair.Server.Addr.String(), "12345")
	server.Stdout = &heard
	served := make(chan error, 1)
	go func() { served <- pair.Server.Run(ctx, server, func() { close(listening) }) }()
	<-listening
	for range 50 { // it binds a moment after it has begun
		client := exec.Command("nc", "-N", "-w", "5", pair.Server.Addr.String(), "12345")
		client.Stdin = strings.NewReader("over the wire\n")
		if err = pair.Client.Run(ctx, client, nil); err == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err := <-served; err != nil || heard.String() != "over the wire\n" {
		t.Errorf("the server heard %q: %v", heard.String(), err)
	}
}

func TestProgramsEndWithTheContext(t *testing.T) {
	pair := Loopback()
	ctx, cancel := context.WithCancel(context.Background())
	begun := time.Now()
	err := pair.Client.Run(ctx, exec.Command("sleep", "30"), cancel)
	if err == nil || time.Since(begun) > 10*time.Second || pair.Virtual() {
		t.Errorf("%v after %v", err, time.Since(begun))
	}
}

func TestAnybodyIsRootOfANamespace(t *testing.T) {
	var said bytes.Buffer
	cmd := exec.Command("sh", "-c", "id -u; unshare --net ip link set lo up && echo up; exit 7")
	cmd.Stdout, cmd.Stderr = &said, &said
	err := RunAsRoot(t.Context(), cmd)
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		require.Supported(t, err)
	}
	if said.String() != "0\nup\n" || exit.ExitCode() != 7 {
		t.Errorf("it said %q, and ended with %v", said.String(), err)
	}
}
