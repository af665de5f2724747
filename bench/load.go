package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"time"
)

// load is what the generator does to a server.
type load struct {
	Connections int
	Messages    int // of each connection
	Size        int // bytes
}

// loadResult is what the generator says of a run.
type loadResult struct {
	Connected  int   `json:"connected"`
	Requests   int   `json:"requests"`
	Mismatched int   `json:"mismatched"`
	ElapsedNS  int64 `json:"elapsed_ns"`
	CPUNS      int64 `json:"cpu_ns"`
}

// clients are the connections of a running generator.
type clients struct {
	load   load
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	lines  *bufio.Scanner
	stderr bytes.Buffer
}

// connect starts a generator and returns when all its connections are open. The
// caller closes it.
func connect(ctx context.Context, built programs, addr string, l load) (*clients, error) {
	c := &clients{load: l}
	c.cmd = exec.CommandContext(ctx, built[generator], addr, strconv.Itoa(l.Connections), strconv.Itoa(l.Messages), strconv.Itoa(l.Size))
	c.cmd.Stderr = &c.stderr
	stdin, err := c.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.stdin, c.lines = stdin, bufio.NewScanner(stdout)
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	r, err := c.read()
	if err == nil && r.Connected != l.Connections {
		err = fmt.Errorf("%d of %d connections", r.Connected, l.Connections)
	}
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

// run sends all messages once and returns what that took.
func (c *clients) run() (loadResult, error) {
	if _, err := io.WriteString(c.stdin, "\n"); err != nil {
		return loadResult{}, err
	}
	r, err := c.read()
	if want := c.load.Connections * c.load.Messages; err == nil && (r.Requests != want || r.Mismatched != 0) {
		err = fmt.Errorf("%d of %d answers, %d of them wrong", r.Requests, want, r.Mismatched)
	}
	return r, err
}

// read reads a line of the generator.
func (c *clients) read() (r loadResult, err error) {
	if !c.lines.Scan() {
		return r, errors.Join(errors.New("the generator ended"), c.lines.Err())
	}
	return r, json.Unmarshal(c.lines.Bytes(), &r)
}

// close closes the connections and waits for the generator's end.
func (c *clients) close() error {
	closing := c.stdin.Close()
	if err := c.cmd.Wait(); err != nil {
		return fmt.Errorf("generator: %w: %s", err, bytes.TrimSpace(c.stderr.Bytes()))
	}
	return closing
}

// A sample is one measurement of one peer.
type sample struct {
	Load    loadResult
	Server  usage // what it used during the run, and held at its end
	Resting usage // what it held before the first connection
}

// cpuPerRequest returns the server's CPU time for each request, in microseconds.
func (s sample) cpuPerRequest() float64 {
	return float64(s.Server.CPU.Nanoseconds()) / 1e3 / float64(s.Load.Requests)
}

// requestsPerSecond returns the rate that the closed loop reached.
func (s sample) requestsPerSecond() float64 {
	return float64(s.Load.Requests) / (float64(s.Load.ElapsedNS) / 1e9)
}

// residentPerConnection returns the bytes that each connection added.
func (s sample) residentPerConnection(connections int) int64 {
	return (s.Server.Resident - s.Resting.Resident) / int64(connections)
}

// measure starts the peer, loads it, once to warm up and once for the sample, and
// stops it.
func measure(ctx context.Context, p peer, built programs, l load) (s sample, err error) {
	err = with(ctx, p, built, l, func(srv *server, c *clients) error {
		if _, err := c.run(); err != nil {
			return err
		}
		before, err := srv.usage()
		if err != nil {
			return err
		}
		if s.Load, err = c.run(); err != nil {
			return err
		}
		after, err := srv.usage()
		s.Server, s.Resting = after.minus(before), srv.resting
		return err
	})
	return s, err
}

// quiet is how long a server is left alone before its idle memory is read.
const quiet = time.Second

// hold starts the peer and reads what it holds while all connections are open
// and silent, after each has had its messages answered if they speak first.
func hold(ctx context.Context, p peer, built programs, l load, speak bool) (s sample, err error) {
	err = with(ctx, p, built, l, func(srv *server, c *clients) error {
		if speak {
			if s.Load, err = c.run(); err != nil {
				return err
			}
		}
		time.Sleep(quiet)
		s.Resting = srv.resting
		s.Server, err = srv.usage()
		return err
	})
	return s, err
}

// with calls f with a started peer and the connections to it, and ends both.
func with(ctx context.Context, p peer, built programs, l load, f func(*server, *clients) error) error {
	srv, err := startServer(ctx, p, built)
	if err != nil {
		return err
	}
	defer srv.stop()
	c, err := connect(ctx, built, srv.addr, l)
	if err == nil {
		err = f(srv, c)
		err = errors.Join(err, c.close())
	}
	if err != nil {
		return fmt.Errorf("%s, %+v: %w", p.name, l, err)
	}
	return nil
}
