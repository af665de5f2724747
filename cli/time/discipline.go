package time

import (
	"context"

	"github.com/spf13/cobra"

	"wirelab/cli/term"
	"wirelab/clock/discipline"
)

func (a *app) newDisciplineCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "discipline",
		Short: "Run the clock's loop on recorded or simulated samples",
		Long: `Reads events from standard input and answers each with an order, both one JSON
object a line, so that you can feed recorded samples and see what the loop would do,
or let a simulator of your own drive it. No clock is touched.

The first line says where the clock stands:
  {"event":"start","schema":"wirelab.discipline/1","t_ns":0,
   "clock_ns":1790000000000000000,"freq_ppb":0,"max_freq_ppb":500000,
   "min_poll_s":64,"max_poll_s":1024,"step":true}
t_ns is a clock that nobody steers (CLOCK_MONOTONIC_RAW), clock_ns the steered clock at
the same instant. step allows steps. Optional: drift_ppb, the frequency of a former run;
panic_ns, the largest correction of a clock that was right; max_distance_ns, the largest
root distance of a source.

Then samples, with the readings of the middle of the exchange, and requests without
answer:
  {"event":"sample","source":"a","t_ns":1,"clock_ns":2,"offset_ns":350000,
   "delay_ns":400000,"dispersion_ns":1000,"root_delay_ns":0,
   "root_dispersion_ns":0,"stratum":1,"leap":0}
  {"event":"lost","source":"a","t_ns":3,"clock_ns":4}
A sample without clock_ns is a recording of a clock that nobody steered: the loop steers
a clock of its own, and residual_ns says how far that was off.

The answer replaces all that the one before it ordered:
  {"freq_ppb":80000,"slew_ns":1200,"slew_s":8,"step_ns":0,"poll_s":64,
   "state":"locked",…}
freq_ppb above the natural frequency, slew_ns to be gained over slew_s seconds of t_ns,
step_ns at once, poll_s from the last request to the next. A bad line is answered with
{"error":"line N: …"} and changes nothing. The end of the input ends the command.`,
		Example: "  wirelab time discipline < recorded.jsonl\n" +
			"  ./simulator | wirelab time discipline | jq -c '[.state, .freq_ppb]'",
		Args: term.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.runDiscipline(cmd.Context())
		},
	}
}

// runDiscipline ends at the end of the input, or when interrupted.
func (a *app) runDiscipline(ctx context.Context) error {
	in, err := term.OpenInput(a.Stdin)
	if err != nil {
		return err
	}
	defer in.Close()
	defer context.AfterFunc(ctx, func() { in.Close() })()
	err = discipline.Serve(ctx, in, a.Stdout)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
