package look

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"wirelab/cli/config"
	"wirelab/cli/term"
	"wirelab/internal/setting"
	"wirelab/observe"
)

// logsFlags are the flags of logs.
type logsFlags struct {
	follow     bool
	components []string
	since      string
	level      string
	lines      int
}

const (
	followedLines = 20      // of the past, when --follow is given and nothing else says how many
	mostLines     = 100_000 // that --lines holds in memory
)

func (a *app) newLogsCommand() *cobra.Command {
	var flags logsFlags
	cmd := &cobra.Command{
		Use:   "logs",
		Short: "Read the log files, or follow them",
		Long: "Shows the lines of all components' log files in the order of their times, rotated\n" +
			"and compressed files included. What happened to be cut or broken is shown as such.",
		Example: "  wirelab logs --since 10m\n  wirelab logs -f --component server-tcp\n  wirelab logs --level warn -o json",
		Args:    term.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.Settings(cmd)
			if err != nil {
				return err
			}
			filter, err := flags.filter(time.Now())
			if err != nil {
				return err
			}
			if err := checkComponents(filter.Components, cfg.Logs.Dir); err != nil {
				return err
			}
			return a.showLogs(cmd.Context(), cfg.Logs.Dir, filter, flags.follow)
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&flags.follow, "follow", "f", false, "go on with each line as it comes, until Ctrl-C")
	f.StringSliceVar(&flags.components, "component", nil, "only the `components` of these names: server-tcp, server-udp, client, ...; server is both servers")
	f.StringVar(&flags.since, "since", "", "only lines since this `time`: 10m, 2h, 1d, or 2026-11-22T10:00:00Z")
	f.StringVar(&flags.level, "level", "debug", "only this `level` and above: debug, info, warn, error")
	f.IntVarP(&flags.lines, "lines", "n", 0, "only the last `N` lines (0: all; with --follow 20, unless --since is given)")
	a.BindSettings(cmd, "logs.dir")
	return cmd
}

// filter makes of the flags what the reader of the logs takes.
func (f logsFlags) filter(now time.Time) (observe.Filter, error) {
	filter := observe.Filter{Components: f.components, Last: f.lines}
	if f.lines < 0 || f.lines > mostLines {
		return filter, term.Usagef("--lines %d: from 0 (all) to %d", f.lines, mostLines)
	}
	level, err := parseLogLevel(f.level)
	if err != nil {
		return filter, err
	}
	filter.Level = level
	if f.since != "" {
		filter.Since, err = parseSince(f.since, now)
	} else if f.follow && f.lines == 0 {
		filter.Last = followedLines
	}
	return filter, err
}

// checkComponents refuses a name of none of the components that this wirelab has, or
// that has log files in dir. Such a file may be of another version.
func checkComponents(names []string, dir string) error {
	known := []string{"client", "server-tcp", "server-udp"}
	if here, err := observe.LogComponents(dir); err == nil { // else reading the logs says what is wrong
		known = append(known, here...)
	}
	slices.Sort(known)
	for _, name := range names {
		if !slices.ContainsFunc(known, func(k string) bool { return observe.StandsFor(name, k) }) {
			return term.Usagef("--component %q: components are %s", name, strings.Join(slices.Compact(known), ", "))
		}
	}
	return nil
}

func parseLogLevel(name string) (slog.Level, error) {
	level, err := config.ParseLevel(name)
	if err != nil {
		return 0, term.Usagef("--level %q: levels are debug, info, warn, error", name)
	}
	return level, nil
}

// parseSince takes how long ago it was, or when.
func parseSince(s string, now time.Time) (time.Time, error) {
	if ago, err := setting.ParseDuration(s); err == nil {
		if ago < 0 {
			return time.Time{}, term.Usagef("--since %s: no log line is from the future", s)
		}
		return now.Add(-ago), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, term.Usagef("--since %q: a time is 10m, 2h, 1d, or 2026-11-22T10:00:00Z", s)
}

// showLogs prints the entries in dir that filter wants.
func (a *app) showLogs(ctx context.Context, dir string, filter observe.Filter, follow bool) error {
	if dir == "" {
		return term.Usagef("logs.dir is empty: there are no log files; say where they are with --dir")
	}
	p := &logPrinter{app: a, out: a.Stdout, style: observe.TextStyle{Color: a.Colors(a.Stdout).On(), Verbose: a.Verbose, Date: true}}
	if follow {
		return observe.Follow(ctx, dir, filter, p.print)
	}
	out := bufio.NewWriter(a.Stdout)
	p.out = out
	err := observe.ReadLogs(dir, filter, func(e observe.Entry) error {
		return errors.Join(context.Cause(ctx), p.print(e))
	})
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("no log directory %s here; servers make it, or say where it is with --dir", dir)
	}
	if p.broken > 0 {
		a.Note("%s", term.Counted(uint64(p.broken), "broken line"))
	}
	return errors.Join(err, out.Flush())
}

// A logPrinter prints entries as a person or a program wants them.
type logPrinter struct {
	app    *app
	out    io.Writer
	style  observe.TextStyle
	broken int
	buf    []byte
}

// brokenLine stands in JSON output for a line that is none.
type brokenLine struct {
	Event     string    `json:"event"`         // "broken"
	Schema    string    `json:"schema"`        // term.EventSchema
	Time      time.Time `json:"time,omitzero"` // of the line before, if there is one
	Component string    `json:"component"`
	Broken    string    `json:"broken"` // the line, or what was wrong with the file
}

func (p *logPrinter) print(e observe.Entry) error {
	if e.Broken {
		p.broken++
	}
	switch {
	case !p.app.JSON:
		p.buf = p.style.AppendEntry(p.buf[:0], &e)
	case e.Broken:
		return json.NewEncoder(p.out).Encode(brokenLine{Event: "broken", Schema: term.EventSchema, Time: e.Time.UTC(), Component: e.Component, Broken: string(e.Raw)})
	default:
		p.buf = append(append(p.buf[:0], e.Raw...), '\n')
	}
	_, err := p.out.Write(p.buf)
	return err
}
