package main

import (
	"context"
	"fmt"
)

// A holding is what a peer needs to hold many connections that are silent.
type holding struct {
	peer        string
	connections int
	limit       int64 // resident bytes that are promised for each, above the idle server; 0: none
	total       int64 // resident bytes that are promised for all, with the server; 0: none
}

// holdings returns what is measured of silent connections.
func holdings() []holding {
	return []holding{
		{"wirelab uring", 15000, 600, 0},
		{"wirelab epoll", 15000, 600, 0},
		{"wirelab goroutine", 15000, 5000, 0},
		{"wirelab goroutine", 10000, 0, 60e6},
		{gnetAll, 15000, 0, 0},
		{"Go net loop", 15000, 0, 0},
		{"C epoll", 15000, 0, 0},
		{"C io_uring", 15000, 0, 0},
		{"wirelab thread", 5000, 0, 0},
		{"C threads", 5000, 0, 0},
	}
}

// holdingRounds is how often a holding is measured: what a server holds depends on
// when its collector ran last.
const holdingRounds = 3

// A held is the samples of a holding.
type held struct {
	holding
	silent, spoken []sample // connections that never said anything, and that said one message
}

// hold measures a holding both ways, for a server may keep what a message needed.
func (b *bench) hold(ctx context.Context, h holding) (held, error) {
	result := held{holding: h}
	p, err := findPeer(h.peer)
	if err != nil {
		return result, err
	}
	l := load{h.connections, 1, messageSize, false}
	for range holdingRounds {
		silent, err := hold(ctx, p, b.built, l, false)
		if err != nil {
			return result, err
		}
		spoken, err := hold(ctx, p, b.built, l, true)
		if err != nil {
			return result, err
		}
		result.silent, result.spoken = append(result.silent, silent), append(result.spoken, spoken)
		fmt.Fprintf(b.progress, "%d connections, %s: %d bytes each, %d after a message\n", h.connections, h.peer,
			silent.residentPerConnection(h.connections), spoken.residentPerConnection(h.connections))
	}
	return result, nil
}

// resident returns the bytes of memory that the server held.
func (h held) resident(samples []sample) spread {
	return spreads(samples, func(s sample) float64 { return float64(s.Server.Resident) })
}

// each returns the bytes that each connection added to the idle server.
func (h held) each(samples []sample) spread {
	return spreads(samples, func(s sample) float64 { return float64(s.residentPerConnection(h.connections)) })
}
