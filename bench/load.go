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

// The generators that load the peers.
const (
	closedLoop = "c/load_epoll.c"
	plainLoop  = "c/load_plain.c"
	openLoop   = "c/load_rate.c"
)

// load is what the closed-loop generator does to a server.
type load struct {
	Connections int
	Messages    int  // of each connection
	Size        int  // bytes
	Plain       bool // the generator only counts answers, and does not compare them
}

// generator returns the program that makes the load.
func (l load) generator() string {
	if l.Plain {
		return plainLoop
	}
	return closedLoop
}

// mark tells the rows of the plain generator from the others.
func (l load) mark() string {
	if l.Plain {
		return "*"
	}
	return ""
}

// loadResult is what the closed-loop generator says of a run.
type loadResult struct {
	Requests   int   `json:"requests"`
	Mismatched int   `json:"mismatched"`
	ElapsedNS  int64 `json:"elapsed_ns"`
}

// check returns an error unless all answers came and were right.
func (r loadResult) check(want int) error {
	if r.Requests != want || r.Mismatched != 0 {
		return fmt.Errorf("%d of %d answers, %d of them wrong", r.Requests, want, r.Mismatched)
	}
	return nil
}

// A generator is a running one, with its connections open.
type generator struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	lines  *bufio.Scanner
	stderr bytes.Buffer
}

// startGenerator starts a generator and returns when all its connections are
// open. Their number is what the second argument says. The caller closes it.
func startGenerator(ctx context.Context, path, addr string, connections int, arguments ...int) (*generator, error) {
	words := []string{addr, strconv.Itoa(connections)}
	for _, a := range arguments {
		words = append(words, strconv.Itoa(a))
	}
	g := &generator{cmd: exec.CommandContext(ctx, path, words...)}
	g.cmd.Stderr = &g.stderr
	stdin, err := g.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := g.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	g.stdin, g.lines = stdin, bufio.NewScanner(stdout)
	if err := g.cmd.Start(); err != nil {
		return nil, err
	}
	var opened struct {
		Connected int `json:"connected"`
	}
	err = g.read(&opened)
	if err == nil && opened.Connected != connections {
		err = fmt.Errorf("%d of %d connections", opened.Connected, connections)
	}
	if err != nil {
		return nil, errors.Join(err, g.close())
	}
	return g, nil
}

// run starts a run with a line of text and reads its result.
func (g *generator) run(line string, result any) error {
	if _, err := io.WriteString(g.stdin, line+"\n"); err != nil {
		return err
	}
	return g.read(result)
}

// read reads a line of the generator.
func (g *generator) read(result any) error {
	if !g.lines.Scan() {
		return errors.Join(errors.New("the generator ended"), g.lines.Err())
	}
	return json.Unmarshal(g.lines.Bytes(), result)
}

// close closes the connections and waits for the generator's end.
func (g *generator) close() error {
	closing := g.stdin.Close()
	if err := g.cmd.Wait(); err != nil {
		return fmt.Errorf("generator: %w: %s", err, bytes.TrimSpace(g.stderr.Bytes()))
	}
	return closing
}

// clients are the connections of a closed loop.
type clients struct {
	*generator
	load load
}

// connect starts the closed loop's generator.
func connect(ctx context.Context, built programs, addr string, l load) (*clients, error) {
	g, err := startGenerator(ctx, built[l.generator()], addr, l.Connections, l.Messages, l.Size)
	if err != nil {
		return nil, err
	}
	return &clients{g, l}, nil
}

// exchange sends all messages once and returns what that took.
func (c *clients) exchange() (r loadResult, err error) {
	if err := c.run("", &r); err != nil {
		return r, err
	}
	return r, r.check(c.load.Connections * c.load.Messages)
}

// warmUp sends a quarter of the messages.
func (c *clients) warmUp() error {
	var r loadResult
	messages := max(c.load.Messages/4, 1)
	if err := c.run(strconv.Itoa(messages), &r); err != nil {
		return err
	}
	return r.check(c.load.Connections * messages)
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

// measure starts the peer, loads it, first to warm up and then for the sample, and
// stops it.
func measure(ctx context.Context, p peer, built programs, l load) (s sample, err error) {
	err = with(ctx, p, built, l, func(srv *server, c *clients) error {
		if err := c.warmUp(); err != nil {
			return err
		}
		before, err := srv.usage()
		if err != nil {
			return err
		}
		if s.Load, err = c.exchange(); err != nil {
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
			if s.Load, err = c.exchange(); err != nil {
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
