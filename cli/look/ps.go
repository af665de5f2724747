package look

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"wirelab/cli/term"
	"wirelab/observe"
)

// psFlags are the flags of ps.
type psFlags struct {
	control     string
	pid         int
	kick        uint64
	connections int // rows for each server
	peers       int
	all         bool // rows
	fit         bool // as many rows as the terminal has lines for
	watch       bool
	interval    time.Duration
}

func (a *app) newPsCommand() *cobra.Command {
	var flags psFlags
	cmd := &cobra.Command{
		Use:   "ps",
		Short: "Show running servers, their connections and peers",
		Long: "Shows what your running wirelab processes serve: each server with its counters, its\n" +
			"open TCP connections with the OS thread that serves them, and its UDP peers with\n" +
			"loss, jitter and time difference. --kick ends one connection; --watch shows\n" +
			"connections, messages and bytes a second of each server, until Ctrl-C.",
		Example: "  wirelab ps\n  wirelab ps -o json\n  wirelab ps --kick 17\n  wirelab ps --watch --interval 1s",
		Args:    term.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := flags.check(); err != nil {
				return err
			}
			given := cmd.Flags().Changed
			if flags.watch {
				return a.watch(cmd.Context(), flags)
			}
			flags.fit = !given("connections") && !given("peers") && !flags.all
			processes, quiet, err := a.findProcesses(cmd.Context(), flags)
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("kick") {
				return a.kickConnection(cmd.Context(), processes, quiet, flags)
			}
			return a.printProcesses(processes, quiet, flags)
		},
	}
	f := cmd.Flags()
	f.Uint64Var(&flags.kick, "kick", 0, "end the connection with this `id`")
	f.IntVar(&flags.pid, "pid", 0, "only the process with this `id`")
	f.StringVar(&flags.control, "control", "", "ask only at the control socket of this `path`")
	f.IntVar(&flags.connections, "connections", defaultRows, "show at most so `many` connections of each server (on a terminal, by default as many as fit)")
	f.IntVar(&flags.peers, "peers", defaultRows, "show at most so `many` peers of each server")
	f.BoolVar(&flags.all, "all", false, "show all connections and peers")
	f.BoolVarP(&flags.watch, "watch", "w", false, "show what moves, again and again")
	f.DurationVar(&flags.interval, "interval", 2*time.Second, "with --watch: so often")
	cmd.MarkFlagsMutuallyExclusive("watch", "kick")
	cmd.MarkFlagsMutuallyExclusive("pid", "control")
	return cmd
}

// minInterval is how often processes are asked at most.
const minInterval = 100 * time.Millisecond

// rows returns how many rows of a list are shown; -1: all. Where no flag says how many,
// it is fitting.
func (f psFlags) rows(fitting int) func(what string) int {
	return func(what string) int {
		switch {
		case f.all:
			return -1
		case f.fit:
			return fitting
		case what == "connection":
			return f.connections
		}
		return f.peers
	}
}

func (f psFlags) check() error {
	switch {
	case f.interval < minInterval || f.interval > time.Hour:
		return term.Usagef("--interval %v is not between %v and 1h", f.interval, minInterval)
	case f.pid < 0:
		return term.Usagef("--pid %d: process ids begin at 1", f.pid)
	case f.connections < 0:
		return term.Usagef("--connections %d: at least 0, or --all", f.connections)
	case f.peers < 0:
		return term.Usagef("--peers %d: at least 0, or --all", f.peers)
	}
	return nil
}

// A process is a running wirelab.
type process struct {
	control string // path of its socket
	status  observe.Status
}

// A silent process is one that lives and does not answer.
type silent struct {
	PID     int    `json:"pid,omitempty"` // 0: not known
	Control string `json:"control"`
	State   string `json:"state,omitempty"` // "stopped"
	Problem string `json:"problem"`
}

// failure is the error of a command that a process has not answered.
func (s silent) failure() error {
	if s.State == "" {
		return term.FailedCheck(errors.New(s.Problem))
	}
	return term.FailedCheck(fmt.Errorf("%s; process %d is %s: kill -CONT %d lets it go on", s.Problem, s.PID, s.State, s.PID))
}

// findProcesses asks all processes that the flags mean, in the order of their ids.
// Those that do not answer come apart.
func (a *app) findProcesses(ctx context.Context, flags psFlags) ([]process, []silent, error) {
	if flags.control != "" {
		status, err := a.queryStatus(ctx, flags.control)
		return []process{{flags.control, status}}, nil, err
	}
	paths, err := a.FindControls()
	if err != nil {
		return nil, nil, err
	}
	found, quiet, err := a.askProcesses(ctx, paths)
	if err != nil {
		return nil, nil, err
	}
	if flags.pid != 0 {
		found = slices.DeleteFunc(found, func(p process) bool { return p.status.PID != flags.pid })
		quiet = slices.DeleteFunc(quiet, func(s silent) bool { return s.PID != flags.pid })
		if len(found)+len(quiet) == 0 {
			return nil, nil, term.FailedCheck(fmt.Errorf("no wirelab of yours with process id %d answers; see them all: wirelab ps", flags.pid))
		}
	}
	slices.SortFunc(found, func(a, b process) int { return a.status.PID - b.status.PID })
	return found, quiet, nil
}

// askProcesses asks several processes at once. Its error is that of ctx.
func (a *app) askProcesses(ctx context.Context, paths []string) (found []process, quiet []silent, err error) {
	statuses, errs := make([]observe.Status, len(paths)), make([]error, len(paths))
	var wg sync.WaitGroup
	for i, path := range paths {
		wg.Go(func() { statuses[i], errs[i] = a.queryPatiently(ctx, path) })
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	for i, path := range paths {
		switch {
		case errs[i] == nil:
			found = append(found, process{path, statuses[i]})
		case !errors.Is(errs[i], os.ErrNotExist): // else it has just ended
			quiet = append(quiet, newSilent(path, errs[i]))
		}
	}
	return found, quiet, nil
}

// mostAsked is how often a process is asked that does not answer and has not been
// stopped: it may be busy.
const mostAsked = 3

// queryPatiently asks a process again that may only be busy.
func (a *app) queryPatiently(ctx context.Context, path string) (status observe.Status, err error) {
	for range mostAsked {
		status, err = a.queryStatus(ctx, path)
		if !errors.Is(err, observe.ErrControlSilent) || stopped(controlPID(path)) {
			break
		}
	}
	return status, err
}

// newSilent says what is known of the process whose control socket is at path.
func newSilent(path string, err error) silent {
	s := silent{PID: controlPID(path), Control: path, Problem: err.Error()}
	if stopped(s.PID) {
		s.State = "stopped"
	}
	return s
}

// controlPID returns the id of the process after which a control socket is named; 0:
// it is named after none.
func controlPID(path string) int {
	name, _, _ := strings.Cut(filepath.Base(path), ".")
	pid, err := strconv.Atoi(name)
	if err != nil {
		return 0
	}
	return pid
}

// stopped reports whether a process was stopped by a signal (T) or a debugger (t): the
// state follows the name in parentheses (proc_pid_stat(5)).
func stopped(pid int) bool {
	stat, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	_, state, found := strings.Cut(string(stat), ") ")
	return found && state != "" && strings.ContainsAny(state[:1], "Tt")
}

// queryStatus asks a process for its status, and makes of its sections what they are.
func (a *app) queryStatus(ctx context.Context, path string) (observe.Status, error) {
	status, err := observe.QueryStatus(ctx, path)
	if err == nil {
		err = status.Decode(a.sections)
	}
	return status, err
}

// kicked is what `wirelab ps --kick -o json` prints.
type kicked struct {
	Schema string `json:"schema"` // "wirelab.kick/1"
	PID    int    `json:"pid"`
	ID     uint64 `json:"id"`
	Peer   string `json:"peer"`
}

// kickConnection ends the one connection with the id that the flags give.
func (a *app) kickConnection(ctx context.Context, processes []process, quiet []silent, flags psFlags) error {
	gone := term.FailedCheck(fmt.Errorf("no connection %d is open; see them all: wirelab ps --all", flags.kick))
	var with []process
	var pids []string
	for _, p := range processes {
		if _, open := p.connection(flags.kick); open {
			with, pids = append(with, p), append(pids, strconv.Itoa(p.status.PID))
		}
	}
	switch {
	case len(with) == 0 && len(quiet) > 0: // it may be theirs
		return quiet[0].failure()
	case len(with) == 0:
		return gone
	case len(with) > 1:
		return term.Usagef("processes %s all have a connection %d; say which with --pid", strings.Join(pids, ", "), flags.kick)
	}
	p := with[0]
	ended, err := observe.RequestKick(ctx, p.control, flags.kick)
	switch {
	case err != nil:
		return err
	case !ended:
		return gone
	}
	peer, _ := p.connection(flags.kick)
	k := kicked{Schema: "wirelab.kick/1", PID: p.status.PID, ID: flags.kick, Peer: peer}
	if a.JSON {
		return a.PrintJSON(k)
	}
	_, err = fmt.Fprintf(a.Stdout, "connection %d of %s was ended\n", k.ID, term.OneLine(k.Peer))
	return err
}

// connection returns the peer of the open connection with that id.
func (p process) connection(id uint64) (peer string, open bool) {
	for _, s := range p.status.Sections {
		if k, ok := s.Body.(observe.Kicker); ok {
			if peer, open := k.Connection(id); open {
				return peer, true
			}
		}
	}
	return "", false
}
