package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"time"
)

// A cost is what a generator needed for a request, all in all: connecting 1000
// connections and starting the program are in it on both sides.
type cost struct {
	CPU      time.Duration // user and system time of the whole process
	Requests int
}

func (c cost) perRequest() float64 { return float64(c.CPU.Nanoseconds()) / 1e3 / float64(c.Requests) }

// costs set our generator against the closed loop in C, both against the same
// server. The one in C has one loop; ours has one for each core here, and one, which on two
// cores is what it takes of itself when the server is on the same host.
type costs struct {
	ours, oneLoop, theirs []cost
}

const (
	costServer = "C epoll"
	costLimit  = 1.20
)

// measureCosts measures both generators in turn.
func (b *bench) measureCosts(ctx context.Context) (*costs, error) {
	c := &costs{}
	l := load{1000, max(1, b.requests/1000), messageSize, false}
	side := func(name string, samples *[]cost, measure func(context.Context, string, load) (cost, error)) func(int) error {
		return func(round int) error {
			p, err := findPeer(costServer)
			if err != nil {
				return err
			}
			srv, err := startServer(ctx, p, b.built)
			if err != nil {
				return err
			}
			defer srv.stop()
			s, err := measure(ctx, srv.addr, l)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			*samples = append(*samples, s)
			fmt.Fprintf(b.progress, "round %d of %d, %s: %.2f us\n", round, b.rounds, name, s.perRequest())
			return nil
		}
	}
	ours := func(loops string) func(context.Context, string, load) (cost, error) {
		return func(ctx context.Context, addr string, l load) (cost, error) { return b.ourCost(ctx, addr, l, loops) }
	}
	err := b.turns(ctx, side("wirelab load, a loop a core", &c.ours, ours(strconv.Itoa(runtime.NumCPU()))), side("C generator", &c.theirs, b.theirCost),
		side("wirelab load, one loop", &c.oneLoop, ours("1")))
	return c, err
}

// ourCost runs wirelab load. Both generators verify every byte of an answer.
func (b *bench) ourCost(ctx context.Context, addr string, l load, loops string) (cost, error) {
	cmd := exec.CommandContext(ctx, b.built[wirelab], "load", "tcp", addr, "--clients", strconv.Itoa(l.Connections),
		"--messages", strconv.Itoa(l.Messages), "--size", strconv.Itoa(l.Size), "--payload", "pattern", "--loops", loops, "-o", "json")
	cmd.Dir = filepath.Dir(b.built[closedLoop]) // where logs may go
	output, err := cmd.Output()
	var r struct {
		Received   int `json:"received"`
		Mismatched int `json:"mismatched"`
	}
	if err == nil {
		err = json.Unmarshal(output, &r)
	}
	if err == nil {
		err = loadResult{Requests: r.Received, Mismatched: r.Mismatched}.check(l.Connections * l.Messages)
	}
	return cost{processTime(cmd), r.Received}, err
}

func (b *bench) theirCost(ctx context.Context, addr string, l load) (cost, error) {
	c, err := connect(ctx, b.built, addr, l)
	if err != nil {
		return cost{}, err
	}
	r, err := c.exchange()
	err = errors.Join(err, c.close())
	return cost{processTime(c.cmd), r.Requests}, err
}

// processTime returns the user and system time of a program that has ended.
func processTime(cmd *exec.Cmd) time.Duration {
	if cmd.ProcessState == nil {
		return 0
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}
