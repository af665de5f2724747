package time

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"wirelab/cli/term"
	"wirelab/clock/simulate"
)

// simulationSchema names the form of what `wirelab time sync --simulate -o json` prints.
const simulationSchema = "wirelab.simulation/1"

// simulation is how the loop did in a scenario, on several seeds.
type simulation struct {
	Schema   string          `json:"schema"`
	Scenario string          `json:"scenario"`
	Summary  string          `json:"summary"`
	Judged   float64         `json:"judged_from_s"`
	RMS      spread          `json:"rms_ns"`
	Max      spread          `json:"max_ns"`
	Lock     spread          `json:"lock_ns"` // < 0: never
	Requests spread          `json:"requests"`
	Runs     []simulationRun `json:"runs"`
}

// spread is the middle and the worst of some runs.
type spread struct {
	Median int64 `json:"median"`
	Worst  int64 `json:"worst"`
}

type simulationRun struct {
	Seed        uint64  `json:"seed"`
	RMS         int64   `json:"rms_ns"`
	Max         int64   `json:"max_ns"`
	Lock        int64   `json:"lock_ns"`
	Requests    int     `json:"requests"`
	MeanPoll    float64 `json:"mean_poll_s"`
	Steps       int     `json:"steps"`
	BoundBroken int     `json:"bound_broken_s"` // seconds in which the claimed bound did not hold
	State       string  `json:"state"`          // at the end
	Reason      string  `json:"reason,omitempty"`
}

func scenarioNames() []string {
	var names []string
	for _, s := range simulate.Scenarios() {
		names = append(names, s.Name)
	}
	return names
}

// scenarioHelp lists the scenarios.
func scenarioHelp() string {
	var b strings.Builder
	for _, s := range simulate.Scenarios() {
		fmt.Fprintf(&b, "  %-14s %s\n", s.Name, s.Summary)
	}
	return b.String()
}

// simulate plays a scenario on seeds from seed on.
func (a *app) simulate(ctx context.Context, name string, seed uint64, runs int) error {
	scenario, known := simulate.ByName(name)
	switch {
	case !known:
		return term.Usagef("--simulate %s: the scenarios are %s", name, strings.Join(scenarioNames(), ", "))
	case runs < 1 || runs > 10000:
		return term.Usagef("--runs %d: between 1 and 10,000", runs)
	}
	var results []simulate.Result
	progress := a.Progress(term.Plan{Label: "simulate " + name, Unit: "runs", Total: uint64(runs)})
	defer progress.Clear()
	for i := range runs {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		result, err := simulate.Run(scenario, seed+uint64(i))
		if err != nil {
			return err
		}
		results = append(results, result)
		progress.Update(uint64(i + 1))
	}
	progress.Clear()
	s := sumUp(scenario, seed, results)
	if a.JSON {
		return a.PrintJSON(s)
	}
	_, err := fmt.Fprint(a.Stdout, s.text(a.Colors(a.Stdout)), "\n",
		chart(results[0].Offsets, int(scenario.JudgedFrom/time.Second), term.Width(a.Stdout)))
	return err
}

func sumUp(scenario simulate.Scenario, seed uint64, results []simulate.Result) simulation {
	s := simulation{
		Schema: simulationSchema, Scenario: scenario.Name, Summary: scenario.Summary, Judged: scenario.JudgedFrom.Seconds(),
	}
	for i, r := range results {
		s.Runs = append(s.Runs, simulationRun{
			Seed: seed + uint64(i), RMS: int64(r.RMS), Max: int64(r.Max), Lock: int64(r.Lock), Requests: r.Requests,
			MeanPoll: r.MeanPoll.Seconds(), Steps: r.Steps, BoundBroken: r.Broken, State: string(r.State), Reason: r.Reason,
		})
	}
	s.RMS = spreadOf(s.Runs, func(r simulationRun) int64 { return r.RMS })
	s.Max = spreadOf(s.Runs, func(r simulationRun) int64 { return r.Max })
	s.Lock = spreadOf(s.Runs, func(r simulationRun) int64 { return r.Lock })
	s.Requests = spreadOf(s.Runs, func(r simulationRun) int64 { return int64(r.Requests) })
	return s
}

func spreadOf(runs []simulationRun, value func(simulationRun) int64) spread {
	var all []int64
	for _, r := range runs {
		all = append(all, value(r))
	}
	slices.Sort(all)
	worst := all[len(all)-1]
	if all[0] < 0 { // a lock that never came
		worst = all[0]
	}
	return spread{Median: all[len(all)/2], Worst: worst}
}

func (s simulation) text(p term.Palette) string {
	var b strings.Builder
	broken := 0
	for _, r := range s.Runs {
		broken += r.BoundBroken
	}
	last := s.Runs[len(s.Runs)-1]
	seeds := fmt.Sprintf("seed %d", s.Runs[0].Seed)
	if len(s.Runs) > 1 {
		seeds = fmt.Sprintf("seeds %d to %d: median, worst", s.Runs[0].Seed, last.Seed)
	}
	micros := func(ns int64) string { return term.Micros(float64(ns) / 1e3) }
	lock := func(ns int64) string {
		if ns < 0 {
			return "never"
		}
		return term.Duration(time.Duration(ns))
	}
	lines := [][2]string{
		{"rms", s.RMS.text(micros, len(s.Runs))},
		{"maximum", s.Max.text(micros, len(s.Runs))},
		{"lock", s.Lock.text(lock, len(s.Runs))},
		{"requests", s.Requests.text(func(n int64) string { return fmt.Sprint(n) }, len(s.Runs))},
		{"mean poll", fmt.Sprintf("%.0f s", s.Runs[0].MeanPoll)},
		{"bound", "held every second"},
		{"at the end", strings.TrimSuffix(last.State+": "+last.Reason, ": ")},
	}
	if broken > 0 {
		lines[5][1] = fmt.Sprintf("broken in %d s of %d runs", broken, len(s.Runs))
	}
	head := fmt.Sprintf("%s: %s (%s; the true offset, from %.0f s on)", s.Scenario, s.Summary, seeds, s.Judged)
	term.WriteReport(&b, p, head, broken == 0, lines)
	return b.String()
}

func (s spread) text(unit func(int64) string, runs int) string {
	if runs == 1 {
		return unit(s.Median)
	}
	return unit(s.Median) + ", " + unit(s.Worst)
}
