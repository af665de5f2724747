// Package scan finds out which TCP ports of a host are open, by connecting to each of them.
//
// A port that accepts is open, and is closed again at once; one that refuses is closed; one
// that does neither in time is filtered, as a firewall does that drops.
package scan

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Config says what is scanned.
type Config struct {
	Host    netip.Addr
	Ports   []uint16
	Timeout time.Duration // for each port
	AtOnce  int           // ports
	Dialer  net.Dialer    // that connects; its Timeout is set from the above

	// Progress, if not nil, is told how many ports are done, by one goroutine at a time.
	Progress func(done int)
}

// State is what a port is.
type State uint8

// The states.
const (
	Open     State = iota
	Closed         // it refuses
	Filtered       // nothing comes back, or a router says that there is no way (ICMP)
)

func (s State) String() string { return [...]string{"open", "closed", "filtered"}[s] }

// MarshalText returns the name of the state.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Result is what is known of a port.
type Result struct {
	Port  uint16
	State State
	Took  time.Duration // until it accepted, or refused
	Err   error         // why it is filtered; nil: in silence
}

// Run scans the ports and returns what it found, in the order of the ports. When ctx ends,
// it returns what is known by then, with the context's error. Other errors are of this host:
// no permission, no descriptors.
func Run(ctx context.Context, cfg Config) ([]Result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ports := make(chan uint16)
	results := make(chan Result)
	var scanners sync.WaitGroup
	for range min(max(cfg.AtOnce, 1), len(cfg.Ports)) {
		scanners.Go(func() {
			for port := range ports {
				r, err := cfg.try(ctx, port)
				if err != nil {
					cancel(err)
					return
				}
				results <- r
			}
		})
	}
	go func() {
		defer close(results)
		defer scanners.Wait()
		defer close(ports)
		for _, port := range cfg.Ports {
			select {
			case ports <- port:
			case <-ctx.Done():
				return
			}
		}
	}()
	var all []Result
	for r := range results {
		all = append(all, r)
		if cfg.Progress != nil {
			cfg.Progress(len(all))
		}
	}
	slices.SortFunc(all, func(a, b Result) int { return int(a.Port) - int(b.Port) })
	return all, context.Cause(ctx)
}

// try connects to a port. Its error is of this host or of ctx.
func (cfg *Config) try(ctx context.Context, port uint16) (Result, error) {
	dialer := cfg.Dialer
	dialer.Timeout = cfg.Timeout
	begun := time.Now()
	conn, err := dialer.DialContext(ctx, "tcp", netip.AddrPortFrom(cfg.Host, port).String())
	r := Result{Port: port, Took: time.Since(begun)}
	switch {
	case err == nil:
		conn.Close()
		return r, nil
	case errors.Is(err, syscall.ECONNREFUSED):
		r.State = Closed
		return r, nil
	case ctx.Err() != nil:
		return r, context.Cause(ctx)
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		r.State = Filtered
		return r, nil
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.ECONNRESET):
		r.State, r.Err = Filtered, err
		return r, nil
	}
	return r, err
}

// ParsePorts reads ports and ranges of them between commas, as in 22,80,8000-8010, and
// returns each once, in order.
func ParsePorts(text string) ([]uint16, error) {
	var ports []uint16
	for word := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(word, "-")
		if !isRange {
			last = first
		}
		from, err := parsePort(first)
		if err != nil {
			return nil, err
		}
		to, err := parsePort(last)
		if err != nil {
			return nil, err
		}
		if from > to {
			return nil, fmt.Errorf("%s: the range goes from %d down to %d", word, from, to)
		}
		for port := int(from); port <= int(to); port++ {
			ports = append(ports, uint16(port))
		}
		if len(ports) > 1<<20 {
			return nil, fmt.Errorf("%.40s…: too many ports", text)
		}
	}
	slices.Sort(ports)
	return slices.Compact(ports), nil
}

func parsePort(text string) (uint16, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is not a port: write 1 to 65535, 1-1024, or several of them between commas", text)
	}
	return uint16(n), nil
}
