package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"
)

// A comparison sets the server CPU that two peers need for a request against
// each other, measured in turn so that whatever the machine does besides meets both.
type comparison struct {
	subject, baseline string
	load              load
	limit             float64 // the ratio that is promised; 0: none
}

// A holding is what a peer needs to hold many connections that are silent.
type holding struct {
	peer        string
	connections int
	limit       int64 // resident bytes that are promised; 0: none
}

const messageSize = 64

// comparisons returns the pairs to measure, each with about so many requests a run.
func comparisons(requests int) []comparison {
	var all []comparison
	for _, connections := range []int{64, 1000} {
		l := load{connections, max(1, requests/connections), messageSize}
		all = append(all,
			comparison{"wirelab goroutine", "Go net loop", l, 1.05},
			comparison{"wirelab thread", "C threads", l, 0},
			comparison{"Go net loop", "C epoll", l, 0},
			comparison{"C io_uring", "C epoll", l, 0},
		)
	}
	return all
}

// holdings returns what is measured of silent connections.
func holdings() []holding {
	return []holding{
		{"wirelab goroutine", 10000, 60e6},
		{"Go net loop", 10000, 0},
		{"C epoll", 10000, 0},
		{"wirelab thread", 5000, 0},
		{"C threads", 5000, 0},
	}
}

// A spread is the middle and the ends of repeated measurements.
type spread struct{ median, low, high float64 }

func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{math.NaN(), math.NaN(), math.NaN()}
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	median := sorted[middle]
	if len(sorted)%2 == 0 {
		median = (sorted[middle-1] + median) / 2
	}
	return spread{median, sorted[0], sorted[len(sorted)-1]}
}

// A pair is the samples of a comparison, round by round.
type pair struct {
	comparison
	subjects, baselines []sample
}

// spreads applies f to all samples.
func spreads(samples []sample, f func(sample) float64) spread {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = f(s)
	}
	return spreadOf(values)
}

// ratio returns the subject's CPU by the baseline's of the same round.
func (p pair) ratio() spread {
	ratios := make([]float64, len(p.subjects))
	for i := range p.subjects {
		ratios[i] = p.subjects[i].cpuPerRequest() / p.baselines[i].cpuPerRequest()
	}
	return spreadOf(ratios)
}

// bench measures with the programs that it was given.
type bench struct {
	built    programs
	rounds   int
	progress io.Writer
}

// compare measures both peers in each round, in alternating order.
func (b *bench) compare(ctx context.Context, c comparison) (pair, error) {
	result := pair{comparison: c}
	sides := []struct {
		name    string
		samples *[]sample
	}{{c.subject, &result.subjects}, {c.baseline, &result.baselines}}
	for round := range b.rounds {
		for _, side := range sides {
			p, err := findPeer(side.name)
			if err != nil {
				return result, err
			}
			s, err := measure(ctx, p, b.built, c.load)
			if err != nil {
				return result, err
			}
			*side.samples = append(*side.samples, s)
			fmt.Fprintf(b.progress, "round %d of %d, %d connections, %s: %.2f us\n", round+1, b.rounds, c.load.Connections, side.name, s.cpuPerRequest())
		}
		slices.Reverse(sides)
	}
	return result, nil
}

// A held is the sample of a holding.
type held struct {
	holding
	silent, spoken sample // connections that never said anything, and that said one message
}

// hold measures a holding twice, for a server may keep what a message needed.
func (b *bench) hold(ctx context.Context, h holding) (held, error) {
	result := held{holding: h}
	p, err := findPeer(h.peer)
	if err != nil {
		return result, err
	}
	l := load{h.connections, 1, messageSize}
	if result.silent, err = hold(ctx, p, b.built, l, false); err != nil {
		return result, err
	}
	result.spoken, err = hold(ctx, p, b.built, l, true)
	fmt.Fprintf(b.progress, "%d connections, %s: %d bytes resident\n", h.connections, h.peer, result.spoken.Server.Resident)
	return result, err
}
