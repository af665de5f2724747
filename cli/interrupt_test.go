package cli

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"wirelab/cli/term"
)

func TestLoadInterrupted(t *testing.T) {
	t.Chdir(t.TempDir()) // where the logs go
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	var server sync.WaitGroup
	server.Go(func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		c.Read(make([]byte, 1)) // the measurement has begun, and this one is not answered
		interrupt()
		io.Copy(io.Discard, c)
	})
	a, out, complaints := newTestApp("")
	status := a.run(ctx, []string{"load", "tcp", l.Addr().String(), "--clients", "1", "--timeout", "1h"})
	if status != term.ExitInterrupted || !strings.Contains(out.String(), "(interrupted)") || !strings.Contains(out.String(), "1 not waited for") {
		t.Errorf("status %d\n%s%s", status, out, complaints)
	}
	l.Close()
	server.Wait()
}
