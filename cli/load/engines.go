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
	"wirelab/internal/sys/process"
	"wirelab/load"
	"wirelab/load/payload"
	"wirelab/server"
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
	f.IntVar(&flags.idle, "idle", 5000, "`number` of idle connections to measure memory with; 0: none")
	f.IntVarP(&flags.size, "size", "s", 64, "`bytes` of a message")
	f.DurationVarP(&flags.duration, "duration", "d", time.Second, "`time` that each run takes")
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
	trial := &engineTrial{app: a, flags: flags, payload: payload, trials: flags.trials(), report: load.EnginesReport{
		Schema: load.EnginesSchema, SizeBytes: payload.Len(), DurationS: flags.duration.Seconds(),
		Skipped: []load.Skipped{}, Results: []load.EngineResult{},
	}}
	return term.Perform(a.Console, cmd, &flags.save, term.Measurement[*load.EnginesReport]{
		Run: func(ctx context.Context) (*load.EnginesReport, error) {
			trial.measureAll(ctx, names)
			return &trial.report, nil
		},
		Print:   a.printEngines,
		Verdict: enginesVerdict,
	})
}

// check returns the engines to measure.
func (f *enginesFlags) check() ([]string, error) {
	var all []string
	for _, e := range server.Engines() {
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
func (f *enginesFlags) trials() []load.Trial {
	var all []load.Trial
	for _, mode := range []load.Mode{load.PingPong, load.Flood} {
		for _, n := range f.connections {
			all = append(all, load.Trial{Mode: mode, Connections: n})
		}
	}
	if f.idle > 0 {
		all = append(all, load.Trial{Mode: load.Idle, Connections: f.idle})
	}
	return all
}

// An engineTrial is one `wirelab load engines`.
type engineTrial struct {
	app     *app
	flags   enginesFlags
	payload *payload.Payload
	trials  []load.Trial
	report  load.EnginesReport
}

// measureAll measures in rounds until all is done or ctx ends. What goes wrong is in
// the report.
func (t *engineTrial) measureAll(ctx context.Context, engines []string) {
	engines = t.available(ctx, engines)
	runs := uint64(len(engines) * len(t.trials))
	line := t.app.Progress(term.Plan{Label: "load engines", Unit: "runs", Total: runs * uint64(t.flags.rounds)})
	defer line.Clear()
	done := uint64(0)
	for round := range t.flags.rounds {
		for _, trial := range t.trials {
			for _, engine := range load.EngineOrder(engines, round) {
				if ctx.Err() != nil {
					t.report.Interrupted = true
					return
				}
				err := t.measure(ctx, trial, engine, func() { line.Update(done) })
				if err != nil && ctx.Err() == nil {
					t.report.Result(trial, engine).Error = err.Error()
				}
				done++
				line.Update(done)
			}
		}
		t.report.Rounds = round + 1
	}
	t.report.Interrupted = ctx.Err() != nil
}

// available returns the engines that a server can be started under here.
func (t *engineTrial) available(ctx context.Context, engines []string) []string {
	var here []string
	for _, engine := range engines {
		s, err := t.start(ctx, engine, "echo")
		if ctx.Err() != nil {
			t.report.Interrupted = true
			return nil
		}
		if err != nil {
			t.report.Skipped = append(t.report.Skipped, load.Skipped{Engine: engine, Reason: err.Error()})
			continue
		}
		s.stop()
		here = append(here, engine)
	}
	return here
}

// start starts a server, which runs under that engine and under no other.
func (t *engineTrial) start(ctx context.Context, engine, handler string) (*serverProcess, error) {
	s, err := t.app.startServer(ctx, "tcp", "--engine", engine, "--handler", handler)
	if err != nil {
		return nil, err
	}
	if s.listening.Engine != engine {
		s.stop()
		return nil, fmt.Errorf("not available here: the server took %s", s.listening.Engine)
	}
	return s, nil
}

// measure makes one run with a server of its own.
func (t *engineTrial) measure(ctx context.Context, trial load.Trial, engine string, tick func()) error {
	handler := "echo"
	if trial.Mode == load.Flood {
		handler = "discard"
	}
	s, err := t.start(ctx, engine, handler)
	if err != nil {
		return err
	}
	defer s.stop()
	if trial.Mode == load.Idle {
		return t.holdIdle(ctx, trial, engine, s)
	}
	return t.exchange(ctx, trial, engine, s, tick)
}

// exchange loads the server with messages.
func (t *engineTrial) exchange(ctx context.Context, trial load.Trial, engine string, s *serverProcess, tick func()) error {
	var before, after process.Usage
	var errBefore, errAfter error
	run, err := load.Run(ctx, load.Config{
		Network: "tcp", Target: s.addr, Clients: trial.Connections, Duration: t.flags.duration, Payload: t.payload,
		Flood:    trial.Mode == load.Flood,
		Begin:    func() { before, errBefore = s.usage() },
		End:      func() { after, errAfter = s.usage() },
		Progress: func(load.Progress) { tick() },
	})
	if err := errors.Join(err, errBefore, errAfter); err != nil {
		return err
	}
	if run.Interrupted {
		return nil // it counts in no figure
	}
	if err := run.Verify(); err != nil {
		return err
	}
	t.report.Result(trial, engine).AddRun(run, after.Since(before))
	return nil
}

// holdIdle measures the memory that silent connections need.
func (t *engineTrial) holdIdle(ctx context.Context, trial load.Trial, engine string, s *serverProcess) error {
	before, err := s.rest(ctx)
	if err != nil {
		return err
	}
	held, err := load.Hold(ctx, s.addr, trial.Connections)
	if err != nil {
		return err
	}
	with, err := s.rest(ctx)
	if err := errors.Join(err, held.Close()); err != nil {
		return err
	}
	if open := with.Descriptors - before.Descriptors; open < trial.Connections {
		return fmt.Errorf("the server holds %d of %d connections", open, trial.Connections)
	}
	t.report.Result(trial, engine).AddIdle(before, with)
	return nil
}

// A server is taken to rest when it used less than restCPU in each of restTimes
// parts of restPart. If it never does, it is measured as it is after restLimit.
const (
	restPart  = 25 * time.Millisecond
	restTimes = 6
	restCPU   = time.Millisecond
	restLimit = 10 * time.Second
)

// rest waits until the server rests, and returns what it holds then. A server
// tells nobody that it has done all there was to do; its processor clock does.
func (s *serverProcess) rest(ctx context.Context) (process.Usage, error) {
	tick := time.NewTicker(restPart)
	defer tick.Stop()
	last, err := s.usage()
	for parts, quiet := 0, 0; err == nil && quiet < restTimes && parts < int(restLimit/restPart); parts++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return last, context.Cause(ctx)
		}
		now, err := s.usage()
		if err != nil {
			return now, err
		}
		quiet++
		if now.CPU-last.CPU >= restCPU {
			quiet = 0
		}
		last = now
	}
	return last, err
}

// enginesVerdict returns the error that ends the command as the report deserves.
func enginesVerdict(ctx context.Context, report *load.EnginesReport) error {
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
