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

const messageSize = 64

// Like is set against like: the servers in C have one loop; gnet is measured with
// one loop and with one a core, and ours with as many.
const (
	oneLoop = ", one loop"
	gnetOne = "gnet, one loop"
	gnetAll = "gnet, a loop a core"
)

// comparisons returns the pairs to measure, each with about so many requests a run.
func comparisons(requests int) []comparison {
	at := func(connections int) load { return load{connections, max(1, requests/connections), messageSize, false} }
	plain := at(1000)
	plain.Plain = true
	return []comparison{
		{"wirelab uring" + oneLoop, gnetOne, at(1000), 0.80},
		{"wirelab uring", gnetAll, at(1000), 0.80},
		{"wirelab uring" + oneLoop, "C io_uring", at(1000), 1.08},
		{"wirelab epoll" + oneLoop, gnetOne, at(1000), 0.97},
		{"wirelab epoll" + oneLoop, gnetOne, plain, 0.97},
		{"wirelab uring" + oneLoop, gnetOne, plain, 0},
		{"wirelab epoll", gnetAll, at(1000), 0.97},
		{"wirelab epoll" + oneLoop, "C epoll", at(1000), 1.08},
		{"wirelab goroutine", "Go net loop", at(1000), 1.05},
		{"wirelab uring" + oneLoop, "C io_uring", at(64), 0},
		{"wirelab epoll" + oneLoop, "C epoll", at(64), 0},
		{"wirelab goroutine", "Go net loop", at(64), 1.05},
		{"wirelab thread", "C threads", at(64), 0},
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

// spreads applies f to all samples.
func spreads[S any](samples []S, f func(S) float64) spread {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = f(s)
	}
	return spreadOf(values)
}

// ratios returns those of samples to the ones of the same round.
func ratios[S, B any](samples []S, f func(S) float64, baselines []B, g func(B) float64) spread {
	values := make([]float64, len(samples))
	for i := range samples {
		values[i] = f(samples[i]) / g(baselines[i])
	}
	return spreadOf(values)
}

// A pair is the samples of a comparison, round by round.
type pair struct {
	comparison
	subjects, baselines []sample
}

// ratio returns the subject's CPU by the baseline's of the same round.
func (p pair) ratio() spread {
	return ratios(p.subjects, sample.cpuPerRequest, p.baselines, sample.cpuPerRequest)
}

// bench measures with the programs that it was given.
type bench struct {
	built    programs
	rounds   int
	requests int
	only     string
	progress io.Writer
}

// turns calls each of the functions once a round, in alternating order.
func (b *bench) turns(ctx context.Context, sides ...func(round int) error) error {
	sides = slices.Clone(sides)
	for round := range b.rounds {
		for _, side := range sides {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := side(round + 1); err != nil {
				return err
			}
		}
		slices.Reverse(sides)
	}
	return nil
}

// compare measures both peers in each round.
func (b *bench) compare(ctx context.Context, c comparison) (pair, error) {
	result := pair{comparison: c}
	side := func(name string, samples *[]sample) func(int) error {
		return func(round int) error {
			p, err := findPeer(name)
			if err != nil {
				return err
			}
			s, err := measure(ctx, p, b.built, c.load)
			if err != nil {
				return err
			}
			*samples = append(*samples, s)
			fmt.Fprintf(b.progress, "round %d of %d, %d connections, %s: %.2f us\n", round, b.rounds, c.load.Connections, name, s.cpuPerRequest())
			return nil
		}
	}
	err := b.turns(ctx, side(c.subject, &result.subjects), side(c.baseline, &result.baselines))
	return result, err
}
