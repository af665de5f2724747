package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"wirelab/cli/term"
	"wirelab/internal/sys"
	"wirelab/load"
	"wirelab/load/engines"
	"wirelab/load/payload"
	"wirelab/server/tcp"
)

// enginesFlags are the flags of `wirelab load engines`.
type enginesFlags struct {
	engines     []string
	connections []int
	idle        int
	size        int
	duration    time.Duration
	rounds      int
	save        term.SaveFlag
}

func (a *app) newLoadEnginesCommand() *cobra.Command {
	var flags enginesFlags
	cmd := &cobra.Command{
		Use:   "engines",
		Short: "Compare the engines of our TCP server",
		Long: "Starts our TCP server under each engine in turn, as a process of its own, and\n" +
			"measures it: ping-pong (each connection sends when the last answer has come),\n" +
			"flood (one way, as fast as the server takes it) and idle connections. Engines\n" +
			"take turns, A B C D and in the next round D C B A, so that whatever else the\n" +
			"machine does meets all of them; figures are medians over the rounds. Servers have\n" +
			"their defaults, whatever wirelab.yaml and WIRELAB_* say.\n\n" +
			"CPU is the server's user and system time, switches are its context switches, both\n" +
			"from the first message to the last answer. The generator needs processors too: on\n" +
			"few cores, the server's CPU says more than requests per second do.",
		Example: "  wirelab load engines\n" +
			"  wirelab load engines --connections 64,1000 --rounds 5 --save engines.json\n" +
			"  wirelab load engines --engines goroutine,thread --duration 500ms -o json",
		Args: term.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runEngines(cmd, flags) },
	}
	f := cmd.Flags()
	f.StringSliceVarP(&flags.engines, "engines", "e", nil, "`names` of the engines (default all)")
	f.IntSliceVarP(&flags.connections, "connections", "c", []int{1, 64, 1000}, "`numbers` of connections")
	f.Lookup("connections").DefValue = "1,64,1000" // as it is typed
	f.IntVar(&flags.idle, "idle", 1000, "`number` of idle connections to measure memory with; 0: none")
	f.IntVarP(&flags.size, "size", "s", 64, "`bytes` of a message")
	f.DurationVarP(&flags.duration, "duration", "d", 100*time.Millisecond, "`time` that each run takes")
	f.IntVarP(&flags.rounds, "rounds", "r", 3, "`number` of rounds; 'report compare' needs 5 to judge")
	flags.save.Add(cmd)
	return cmd
}

func (a *app) runEngines(cmd *cobra.Command, flags enginesFlags) error {
	if cmd.Flags().Changed("config") {
		return term.Usagef("'load engines' takes no --config: its servers have their defaults")
	}
	names, err := flags.check()
	if err != nil {
		return err
	}
	payload, err := payload.Parse("seq", flags.size)
	if err != nil {
		return term.Usagef("%w", err)
	}
	return term.Perform(a.Console, cmd, &flags.save, term.Measurement[*engines.Report]{
		Run: func(ctx context.Context) (*engines.Report, error) {
			line := a.Progress(term.Plan{Label: "load engines", Unit: "runs", Total: uint64(len(names) * len(flags.trials()) * flags.rounds)})
			defer line.Clear()
			return engines.Measure(ctx, engines.Config{
				Engines: names, Trials: flags.trials(), Rounds: flags.rounds, Duration: flags.duration, Payload: payload,
				Start:    a.startServer,
				Progress: func(done, _ int) { line.Update(uint64(done)) },
			}), nil
		},
		Print:   a.printEngines,
		Verdict: enginesVerdict,
	})
}

// check returns the engines to measure.
func (f *enginesFlags) check() ([]string, error) {
	var all []string
	for _, e := range tcp.Engines() {
		if e.Name != "auto" { // is one of the others
			all = append(all, e.Name)
		}
	}
	for _, name := range f.engines {
		if !slices.Contains(all, name) {
			return nil, term.Usagef("there is no engine %q; engines are %s", name, strings.Join(all, ", "))
		}
	}
	for _, n := range append(slices.Clone(f.connections), max(f.idle, 1)) {
		if n < 1 || n > load.MaxClients {
			return nil, term.Usagef("--connections and --idle are numbers from 1 to %d, not %d", load.MaxClients, n)
		}
	}
	if err := errors.Join(distinct("engines", f.engines), distinct("connections", f.connections)); err != nil {
		return nil, err
	}
	switch {
	case f.size < 1:
		return nil, term.Usagef("--size must be at least 1 byte")
	case f.idle < 0:
		return nil, term.Usagef("--idle must not be negative")
	case f.duration < 10*time.Millisecond || f.duration > time.Hour:
		return nil, term.Usagef("--duration must be between 10ms and 1h, not %v", f.duration)
	case f.rounds < 1 || f.rounds > 1000:
		return nil, term.Usagef("--rounds must be between 1 and 1000, not %d", f.rounds)
	case len(f.connections) == 0 && f.idle == 0:
		return nil, term.Usagef("neither --connections nor --idle say what to measure")
	case len(f.engines) > 0:
		return f.engines, nil
	}
	return all, nil
}

// distinct refuses what a flag names twice: it would be measured as one, with more
// samples than the others have.
func distinct[T comparable](flag string, named []T) error {
	for i, v := range named {
		if slices.Contains(named[:i], v) {
			return term.Usagef("--%s names %v twice", flag, v)
		}
	}
	return nil
}

// trials returns what is measured of each engine.
func (f *enginesFlags) trials() []engines.Trial {
	var all []engines.Trial
	for _, mode := range []engines.Mode{engines.PingPong, engines.Flood} {
		for _, n := range f.connections {
			all = append(all, engines.Trial{Mode: mode, Connections: n})
		}
	}
	if f.idle > 0 {
		all = append(all, engines.Trial{Mode: engines.Idle, Connections: f.idle})
	}
	return all
}

// enginesVerdict returns the error that ends the command as the report deserves.
func enginesVerdict(ctx context.Context, report *engines.Report) error {
	if report.Interrupted {
		return ctx.Err()
	}
	for _, r := range report.Results {
		if r.Error != "" {
			return term.FailedCheck(fmt.Errorf("%s: %s", r.Name, r.Error))
		}
	}
	if len(report.Results) == 0 {
		return fmt.Errorf("none of the engines runs here: %w", sys.ErrUnsupported)
	}
	return nil
}
