package time

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"wirelab/cli/term"
	"wirelab/clock/steer"
	"wirelab/observe"
)

// statusSchema names the form of what `wirelab time status -o json` prints.
const statusSchema = "wirelab.time-status/1"

// timeStatus is what time status prints.
type timeStatus struct {
	Schema  string         `json:"schema"`
	Host    *steer.Verdict `json:"host,omitempty"` // who steers its clock; nil: that cannot be seen on this system
	Daemons []daemonStatus `json:"daemons"`
}

// daemonStatus is a running time sync.
type daemonStatus struct {
	PID     int    `json:"pid"`
	Command string `json:"command"`
	steer.Status
}

// statusFlags are the flags of time status.
type statusFlags struct {
	control string
	span    time.Duration
}

func (a *app) newStatusCommand() *cobra.Command {
	flags := statusFlags{}
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show running time syncs, and who steers this host's clock",
		Long: `Shows the clocks that your running "wirelab time sync" keep in step, with their
sources, and answers who steers this host's clock: from what the kernel was told
(adjtimex), how CLOCK_MONOTONIC runs against CLOCK_MONOTONIC_RAW over some seconds, the
daemons that run, and whether this is WSL2. That is evidence, not certainty: a daemon in
another container, or of the host of a virtual machine, cannot be seen from here.

OFFSET: > 0 means that the source is ahead. BOUND: by how much that can be wrong, UTC
as the source claims. ASYM: the share of the queues' delay that was always on the way
back (< 0) or on the way there (> 0).`,
		Example: "  wirelab time status\n  wirelab time status --span 10s\n  wirelab time status -o json | jq .host.controllers",
		Args:    term.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if flags.span < 100*time.Millisecond || flags.span > time.Hour {
				return term.Usagef("--span %v: between 100ms and 1h", flags.span)
			}
			return a.runStatus(cmd.Context(), flags)
		},
	}
	cmd.Flags().StringVar(&flags.control, "control", "", "ask only at the control socket of this `path`")
	cmd.Flags().DurationVar(&flags.span, "span", lookFor, "watch this host's clock for so long")
	return cmd
}

func (a *app) runStatus(ctx context.Context, flags statusFlags) error {
	st := timeStatus{Schema: statusSchema, Daemons: []daemonStatus{}}
	var err error
	if st.Daemons, err = a.findDaemons(ctx, flags.control); err != nil {
		return err
	}
	facts, failed := steer.Look(ctx, flags.span)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if failed == nil {
		verdict := steer.Judge(facts)
		st.Host = &verdict
	}
	if a.JSON {
		return a.PrintJSON(st)
	}
	return st.write(a, failed)
}

// findDaemons asks all wirelabs of this user, or one, in the order of their ids.
func (a *app) findDaemons(ctx context.Context, control string) ([]daemonStatus, error) {
	paths := []string{control}
	if control == "" {
		var err error
		if paths, err = a.FindControls(); err != nil {
			return nil, err
		}
	}
	found := []daemonStatus{}
	for _, path := range paths {
		status, err := observe.QueryStatus(ctx, path)
		switch {
		case err == nil:
		case control != "" || ctx.Err() != nil:
			return nil, err
		case errors.Is(err, os.ErrNotExist): // it has just ended
			continue
		default:
			a.Complain(err.Error())
			continue
		}
		if err := status.Decode(StatusKinds()); err != nil {
			return nil, err
		}
		for _, s := range status.Sections {
			if body, ok := s.Body.(syncBody); ok {
				found = append(found, daemonStatus{status.PID, status.Command, body.Status})
			}
		}
	}
	slices.SortFunc(found, func(a, b daemonStatus) int { return a.PID - b.PID })
	return found, nil
}

func (st timeStatus) write(a *app, failed error) error {
	p := a.Colors(a.Stdout)
	for _, d := range st.Daemons {
		if err := d.write(a, p); err != nil {
			return err
		}
	}
	if len(st.Daemons) == 0 {
		fmt.Fprintln(a.Stdout, "no wirelab time sync of yours runs here")
		fmt.Fprintln(a.Stdout)
	}
	if st.Host == nil {
		fmt.Fprintf(a.Stdout, "Who steers this host's clock? That cannot be seen here: %v\n", failed)
		return nil
	}
	writeVerdict(a, p, *st.Host)
	return nil
}

// write shows a daemon: its clock as chronyc tracking does, then its sources.
func (d daemonStatus) write(a *app, p term.Palette) error {
	var b strings.Builder
	follows := ""
	if d.Reference.IsValid() {
		follows = ", following " + d.Reference.String()
	}
	head := fmt.Sprintf("clock %s: %s", d.Clock, d.State)
	if d.Reason != "" {
		head += ": " + d.Reason
	}
	steers := "is measured only"
	if d.Steers {
		steers = "is steered"
	}
	lines := [][2]string{
		{"process", fmt.Sprintf("%d, since %s, the clock %s", d.PID, d.Since.Format("15:04:05"), steers)},
		{"offset", fmt.Sprintf("%s (before the last correction %s, %s ago)", offsetText(d.Offset, d.Bound), signed(d.LastOffset), seconds(d.UpdatedAgo))},
		{"frequency", fmt.Sprintf("%+.3f ppm ± %.3f", d.Frequency/1e3, d.Skew/1e3)},
		{"root delay", fmt.Sprintf("%s, dispersion %s, stratum %d%s", micros(d.RootDelay), micros(d.RootDispersion), d.Stratum, follows)},
	}
	if d.TrueOffset != nil {
		lines = append(lines, [2]string{"truly off", signed(*d.TrueOffset) + " ahead of this host's clock, as only a simulation knows"})
	}
	if d.Leap != 0 {
		lines = append(lines, [2]string{"leap", fmt.Sprintf("indicator %d: the last minute of the month has %s", d.Leap, cmp.Or(map[uint8]string{1: "61 seconds", 2: "59 seconds"}[d.Leap], "an unknown length"))})
	}
	if d.Asleep > 0 {
		lines = append(lines, [2]string{"slept", d.Asleep.Round(time.Millisecond).String()})
	}
	term.WriteReport(&b, p, head, d.State == "locked", lines)
	b.WriteString("\n")
	fmt.Fprint(a.Stdout, b.String())
	for _, g := range []observe.Grid{sourceGrid(d.Sources), fitGrid(d.Sources)} {
		if err := writeGrid(a, p, g); err != nil {
			return err
		}
	}
	return nil
}

func writeGrid(a *app, p term.Palette, g observe.Grid) error {
	t := term.NewTable(g.Headings...)
	for _, row := range g.Rows {
		cells := make([]any, len(row))
		for i, cell := range row {
			cells[i] = cell
		}
		t.Row(cells...)
	}
	err := t.Write(a.Stdout, term.Room(a.Stdout), p)
	fmt.Fprintln(a.Stdout)
	return err
}

func writeVerdict(a *app, p term.Palette, v steer.Verdict) {
	fmt.Fprintln(a.Stdout, p.Bold("Who steers this host's clock?"))
	for _, c := range v.Controllers {
		fmt.Fprintf(a.Stdout, "  %s: %s\n", term.OneLine(c.String()), term.OneLine(c.Why))
	}
	if len(v.Controllers) == 0 {
		fmt.Fprintln(a.Stdout, "  nobody, as far as can be seen from here")
	}
	for _, e := range v.Evidence {
		fmt.Fprintln(a.Stdout, "  -", term.OneLine(e))
	}
}
