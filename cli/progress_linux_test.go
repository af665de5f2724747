package cli

import (
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// The rate that a search shows is that of the step, not spread over those before.
func TestProgressOfASearchIsThatOfItsStep(t *testing.T) {
	t.Setenv("TERM", "xterm")
	p := sitDown(t, "load", "tcp", listenOn(t, echo), "--clients", "1", "--search", "p50<1ns", "--rate", "200", "--step", "2s")
	p.sees("not held")
	second := p.until(" not held")
	rates := regexp.MustCompile(`in this step, (\d+)/s`).FindAllStringSubmatch(second, -1)
	if len(rates) == 0 {
		t.Fatalf("no rate in %q", second)
	}
	// Spread over both steps it would be 100/s at the most.
	if last, err := strconv.Atoi(rates[len(rates)-1][1]); err != nil || last < 150 || last > 250 {
		t.Errorf("shown as %v/s (%v): %q", last, err, second)
	}
	p.types("\x03") // Ctrl-C
	<-p.exited
}

// listenOn serves every connection with serve until the test ends, and returns where.
func listenOn(t *testing.T, serve func(*net.TCPConn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			running.Go(func() { defer c.Close(); serve(c.(*net.TCPConn)) })
		}
	})
	t.Cleanup(func() { l.Close(); running.Wait() })
	return l.Addr().String()
}

// until returns what has appeared, once text is in it.
func (p *typist) until(text string) string {
	p.t.Helper()
	limit := time.After(20 * time.Second)
	for {
		if seen := p.seen(); strings.Contains(seen, text) {
			return seen
		}
		select {
		case <-p.news:
		case <-limit:
			p.t.Fatalf("%q has not appeared; on the screen: %q", text, p.seen())
		}
	}
}
