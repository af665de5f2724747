package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"wirelab/internal/child"
	"wirelab/load/engines"
)

// A serverProcess is a wirelab that runs a server, as a child of this one. It has
// a directory of its own, so that no configuration of the user reaches it.
type serverProcess struct {
	*child.Process
	addr netip.AddrPort
	dir  string
}

func (s *serverProcess) Addr() netip.AddrPort { return s.addr }

// Stop ends the server at once, and removes what it left.
func (s *serverProcess) Stop() {
	s.Process.Stop()
	os.RemoveAll(s.dir)
}

// startServer starts `wirelab serve tcp` under that engine, on a free port of 127.0.0.1,
// and returns when it listens. If it refuses, the error is what it said.
func (a *app) startServer(ctx context.Context, engine, handler string) (engines.Server, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "wirelab-")
	if err != nil {
		return nil, err
	}
	p, err := child.Start(ctx, program, dir, serverEnvironment(a.Environ), []string{
		"serve", "tcp", "--engine", engine, "--handler", handler, "--bind", "127.0.0.1", "--port", "0", "-o", "json",
		"--control", filepath.Join(dir, "control.sock"),
	})
	if err != nil {
		os.RemoveAll(dir)
		return nil, withoutName(err)
	}
	s := &serverProcess{Process: p, dir: dir}
	if err := s.readFirstLine(engine); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

// withoutName takes the name of the program from the words that it complained in.
func withoutName(err error) error {
	var ended *child.StartError
	if !errors.As(err, &ended) {
		return err
	}
	words := strings.TrimPrefix(ended.Words, "wirelab: ")
	return &child.StartError{Words: words, State: ended.State}
}

// readFirstLine learns the server's address, and whether that engine hosts it.
func (s *serverProcess) readFirstLine(engine string) error {
	var listening struct{ Addr, Engine string }
	if err := json.Unmarshal(s.FirstLine, &listening); err != nil {
		return fmt.Errorf("the server's first line is not understood: %w", err)
	}
	if listening.Engine != engine {
		return fmt.Errorf("not available here: the server took %s", listening.Engine)
	}
	var err error
	s.addr, err = netip.ParseAddrPort(listening.Addr)
	return err
}

// serverEnvironment takes away from the environment what sets keys.
func serverEnvironment(environ []string) []string {
	var kept []string
	for _, v := range environ {
		if !strings.HasPrefix(v, "WIRELAB_") {
			kept = append(kept, v)
		}
	}
	return kept
}
