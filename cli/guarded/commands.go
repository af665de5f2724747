package guarded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"wirelab/cli/term"
	"wirelab/guard"
)

// Commands returns the commands confirm, rollback, install and boot of a kind.
func Commands(c *term.Console, kind string) []*cobra.Command {
	k := kindOf(kind)
	return []*cobra.Command{confirmCommand(c, k), rollbackCommand(c, k), installCommand(c, k), bootCommand(c, k)}
}

// holdCommand is the name under which the guard starts this program again.
const holdCommand = "guard-hold"

// HoldCommand returns the hidden command of the process that takes a change back.
func HoldCommand(c *term.Console) *cobra.Command {
	return &cobra.Command{
		Use: holdCommand + " DIRECTORY ID", Hidden: true, Args: cobra.ExactArgs(2),
		Short: "Hold the way back of a change (started by apply)",
		Long: "Waits for the confirmation of the change whose journal is in the directory, and takes\n" +
			"the change back if none comes. Apply starts it before it changes anything.",
		Example: "  wirelab " + holdCommand + " /var/lib/wirelab ABCDEFGHIJKL",
		RunE: func(cmd *cobra.Command, args []string) error {
			signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE)
			g, err := (&Options{state: args[0]}).guard(c)
			if err != nil {
				return err
			}
			if err := g.Hold(cmd.Context(), args[1]); err != nil {
				return term.FailedCheck(err)
			}
			return nil
		},
	}
}

func confirmCommand(c *term.Console, k kind) *cobra.Command {
	o := &Options{}
	cmd := &cobra.Command{
		Use:   "confirm",
		Short: "Keep the change that waits",
		Long: "Keeps the change that waits for its confirmation. It counts only from a login that\n" +
			"began after the change and comes from another machine, or from a console: an older\n" +
			"session goes on working long after nobody new can get in, and so proves nothing.",
		Example: "  wirelab " + k.verb + " confirm    # in a new SSH login",
		Args:    term.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return confirm(cmd.Context(), c, o, k)
		},
	}
	o.AddStateFlag(cmd)
	return cmd
}

func confirm(ctx context.Context, c *term.Console, o *Options, k kind) error {
	s, err := o.Open(ctx, c)
	if err != nil {
		return err
	}
	p, err := s.guard.Pending(ctx)
	if errors.Is(err, guard.ErrNothing) {
		return term.FailedCheck(s.nothing(err))
	}
	if err == nil && !slices.Contains(p.Kinds, k.name) {
		return term.FailedCheck(fmt.Errorf("the change that waits is about %s: wirelab %s confirm", p.Kinds[0], kindOf(p.Kinds[0]).verb))
	}
	if err == nil {
		err = s.guard.Confirm(ctx)
	}
	if err != nil {
		return privileged(failed(err))
	}
	return s.print(Result{Schema: ResultSchema, Title: p.Title, ID: p.ID, Result: "confirmed"}, "confirmed: "+p.Title)
}

// failed makes of err one with status 1, unless it is about privilege.
func failed(err error) error {
	if errors.Is(err, os.ErrPermission) {
		return err
	}
	return term.FailedCheck(err)
}

// nothing adds to ErrNothing how the last change ended.
func (s *Session) nothing(err error) error {
	if o, ok := s.guard.Last(); ok {
		return fmt.Errorf("%w; the last one (%s) was %s at %s: %s", err, o.Title, o.Result, o.At.Local().Format(time.TimeOnly), o.Reason)
	}
	return err
}

func rollbackCommand(c *term.Console, k kind) *cobra.Command {
	o := &Options{}
	list := false
	cmd := &cobra.Command{
		Use:   "rollback [NUMBER]",
		Short: "Go back to a confirmed state",
		Long: "Takes the change that waits back at once, if there is one. Otherwise goes back to the\n" +
			"state that was confirmed before the last one, or to that of the given number; this is\n" +
			"a change itself, to be confirmed like any other.",
		Example: "  wirelab " + k.verb + " rollback --list\n  wirelab " + k.verb + " rollback 3 --confirm 2m",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := o.Open(cmd.Context(), c)
			if err != nil {
				return err
			}
			if list {
				return s.list(k)
			}
			return s.rollback(cmd.Context(), k, args)
		},
	}
	cmd.Flags().BoolVar(&list, "list", false, "list the confirmed states")
	o.AddFlags(cmd)
	return cmd
}

// rollback takes the pending change back, or goes to a confirmed state.
func (s *Session) rollback(ctx context.Context, k kind, args []string) error {
	p, err := s.guard.Pending(ctx)
	switch {
	case err == nil && len(args) > 0:
		return term.FailedCheck(fmt.Errorf("%w: %q: confirm it, or take it back with rollback alone", guard.ErrPending, p.Title))
	case err == nil:
		if err := s.guard.Revert(ctx); err != nil {
			return failed(err)
		}
		return s.print(Result{Schema: ResultSchema, Title: p.Title, ID: p.ID, Result: string(guard.Reverted)}, "taken back: "+p.Title)
	case !errors.Is(err, guard.ErrNothing):
		return privileged(err)
	}
	entries, err := s.guard.History(k.name)
	if err != nil {
		return privileged(err)
	}
	i, err := chosen(entries, args, k)
	if err != nil {
		return err
	}
	change, err := k.to(path(entries, i, k.name), s.console.Note)
	if err != nil {
		return err
	}
	return s.Apply(ctx, fmt.Sprintf("back to number %d: %s", entries[i].Number, entries[i].Title), change)
}

// chosen returns the index of the entry that is asked for.
func chosen(entries []guard.Entry, args []string, k kind) (int, error) {
	if len(args) == 0 {
		if len(entries) < 2 {
			return 0, term.FailedCheck(errors.New("there is no earlier confirmed state to go back to"))
		}
		return len(entries) - 2, nil
	}
	number, err := strconv.Atoi(args[0])
	if err != nil {
		return 0, term.Usagef("a number of 'rollback --list' is expected, not %q", args[0])
	}
	i := slices.IndexFunc(entries, func(e guard.Entry) bool { return e.Number == number })
	if i < 0 {
		return 0, term.FailedCheck(fmt.Errorf("there is no confirmed state %d: see wirelab %s rollback --list", number, k.verb))
	}
	return i, nil
}

// path returns the snapshots that lead back from the last entry to that with index
// to: what each change in between found, and then what it was.
func path(entries []guard.Entry, to int, kind string) [][]byte {
	var snapshots [][]byte
	for _, e := range slices.Backward(entries[to+1:]) {
		for _, p := range e.Before {
			if p.Kind == kind {
				snapshots = append(snapshots, p.Snapshot)
			}
		}
	}
	p, _ := entries[to].Part(kind)
	return append(snapshots, p.Snapshot)
}

func (s *Session) list(k kind) error {
	entries, err := s.guard.History(k.name)
	if err != nil {
		return privileged(err)
	}
	type line struct {
		Number int       `json:"number"`
		At     time.Time `json:"at"`
		Title  string    `json:"title"`
		Kinds  []string  `json:"kinds"`
	}
	list := struct {
		Schema  string `json:"schema"`
		Entries []line `json:"entries"`
	}{Schema: "wirelab.history/1", Entries: []line{}}
	table := term.NewTable(">NUMBER", "CONFIRMED", "CHANGE")
	for _, e := range entries {
		l := line{Number: e.Number, At: e.At, Title: e.Title}
		for _, p := range e.Parts {
			l.Kinds = append(l.Kinds, p.Kind)
		}
		list.Entries = append(list.Entries, l)
		table.Row(e.Number, e.At.Local().Format(time.DateTime), strings.TrimSpace(e.Title))
	}
	if s.console.JSON {
		return s.console.PrintJSON(list)
	}
	if len(entries) == 0 {
		s.console.Note("no state of %s was confirmed yet", k.name)
		return nil
	}
	return table.Write(s.console.Stdout, term.Room(s.console.Stdout), s.console.Colors(s.console.Stdout))
}

// Pending returns a line about the change that waits or was left unfinished, "" if there
// is none or this user may not know.
func (o *Options) Pending(ctx context.Context, c *term.Console) string {
	g, err := o.guard(c)
	if err != nil {
		return ""
	}
	p, err := g.Pending(ctx)
	if errors.Is(err, guard.ErrNothing) {
		if err := g.Stale(); err != nil {
			return err.Error() + ": the next apply, confirm or rollback settles it"
		}
	}
	if err != nil {
		return ""
	}
	return fmt.Sprintf("a change waits %v more to be confirmed: %s", p.Left.Round(time.Second), p.Title)
}
