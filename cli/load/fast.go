package load

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"wirelab/cli/term"
	"wirelab/load/delivery"
	"wirelab/load/oneway"
)

const fastHelp = `
With --fast, datagrams go one way and as fast as this host can send them, or at
--rate: many with one system call, and as segments that the kernel cuts apart (GSO).
A wirelab server is asked before and after what it counted, so that every
datagram is accounted for; of another target only the sender's side is known.
A server for it: wirelab serve udp --handler discard.
`

// defaultFastDuration is how long a fast load goes on unless it is told.
const defaultFastDuration = 3 * time.Second

// fastFlags are the flags of `wirelab load udp` that --fast needs, beside those of
// every load.
type fastFlags struct {
	on          bool
	senders     int
	batch       int
	gso, gro    bool
	allowPublic bool
}

func (f *fastFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&f.on, "fast", false, "send one way, as fast as this host can, for --duration (then 3s by default)")
	flags.IntVar(&f.senders, "senders", 1, "with --fast: `number` of sockets, each with a thread of its own; 0: one a core")
	flags.IntVar(&f.batch, "batch", 0, "with --fast: `number` of datagrams, or of several as segments, in one system call (default 32)")
	flags.BoolVar(&f.gso, "gso", true, "with --fast: hand datagrams to the kernel as segments (UDP_SEGMENT)")
	flags.BoolVar(&f.gro, "gro", true, "with --fast: take answers from the kernel as segments (UDP_GRO)")
	flags.BoolVar(&f.allowPublic, "allow-public", false, "with --fast: send to public addresses too")
}

// check refuses flags that have no meaning without --fast, and with it.
func (f *fastFlags) check(cmd *cobra.Command) error {
	only := []string{"senders", "batch", "gso", "gro", "allow-public"}
	never := []string{"clients", "timeout", "loops", "ramp", "outstanding", "source", "search", "step", "percentiles", "histogram"}
	refused, format := only, "--%s has a meaning only with --fast"
	if f.on {
		refused, format = never, "--%s has no meaning with --fast"
	}
	for _, name := range refused {
		if cmd.Flags().Changed(name) {
			return term.Usagef(format, name)
		}
	}
	return nil
}

func (a *app) runFastLoad(cmd *cobra.Command, flags loadFlags, fast fastFlags, args []string) error {
	cfg, err := term.Await(cmd.Context(), func() (oneway.Config, error) { return fast.config(cmd, flags) })
	if err != nil {
		return err
	}
	settings, all, err := a.prepareLoad(cmd, flags.family, args, 1)
	if err != nil {
		return err
	}
	cfg.Target = all[0]
	return term.Perform(a.Console, cmd, &flags.save, term.Measurement[*oneway.Report]{
		Run: func(ctx context.Context) (*oneway.Report, error) {
			logs := a.OpenClientLogs(settings)
			defer logs.Close()
			cfg.Log = logs.Component("client")
			report, err := a.measureFast(ctx, cfg)
			return report, explainLoad(err, "udp", cfg.Target.String(), "discard")
		},
		Print: a.printFastLoad,
		Verdict: func(ctx context.Context, r *oneway.Report) error {
			return term.Verdict(ctx, r.Interrupted, r.Verify())
		},
	})
}

// measureFast runs cfg and shows progress.
func (a *app) measureFast(ctx context.Context, cfg oneway.Config) (*oneway.Report, error) {
	line := a.Progress(term.Plan{
		Label: "load udp", Unit: "datagrams", Until: cfg.Duration, Total: cfg.Messages * uint64(max(cfg.Senders, 0)),
	})
	defer line.Clear()
	cfg.Progress = line.Update
	cfg.Report = func(i oneway.Interval) {
		line.Clear()
		a.printInterval(i, i.FromS, i.ToS, fmt.Sprintf("%s, %s/s", term.Counted(i.Sent, "datagram"), term.Rate(float64(i.Sent)/max(i.ToS-i.FromS, 1e-9))))
	}
	return oneway.Run(ctx, cfg)
}

// config returns what the flags ask for, without target and log.
func (f *fastFlags) config(cmd *cobra.Command, flags loadFlags) (oneway.Config, error) {
	cfg := oneway.Config{
		Duration: flags.duration, Rate: flags.pace.rate, Interval: flags.interval,
		Senders: f.senders, Batch: f.batch, WithoutGSO: !f.gso, WithoutGRO: !f.gro, AllowPublic: f.allowPublic,
	}
	var err error
	if cfg.Payload, cfg.Messages, err = flags.content(cmd); err != nil {
		return cfg, err
	}
	if cfg.Socket, err = flags.socket.Options(); err != nil {
		return cfg, err
	}
	if cmd.Flags().Changed("batch") && f.batch == 0 {
		return cfg, term.Usagef("--batch must be at least 1")
	}
	if f.senders == 0 {
		cfg.Senders = runtime.GOMAXPROCS(0)
	}
	if !cmd.Flags().Changed("messages") && cfg.Duration == 0 {
		cfg.Messages, cfg.Duration = 0, defaultFastDuration
	}
	return cfg, flags.pace.check(cmd)
}

func (a *app) printFastLoad(r *oneway.Report) error {
	if a.JSON {
		return a.PrintJSON(r)
	}
	var b strings.Builder
	term.WriteReport(&b, a.Colors(a.Stdout), fastHeadline(r), r.Verify() == nil, fastLines(r))
	_, err := fmt.Fprint(a.Stdout, b.String())
	return err
}

func fastHeadline(r *oneway.Report) string {
	s := term.Counted(r.Sent, "datagram") + " sent"
	if v := r.Receiver; v != nil {
		s = fmt.Sprintf("%s of %s received", term.Count(v.Distinct), term.Counted(r.Sent, "datagram"))
	}
	if r.Interrupted {
		s += " (interrupted)"
	}
	return s
}

// fastLines are the counts of a report, the sender's and then the receiver's.
func fastLines(r *oneway.Report) [][2]string {
	lines := [][2]string{
		{"target", r.Network + " " + term.OneLine(r.Target)},
		{"payload", term.Cut(term.OneLine(r.Payload), 40) + ", " + term.Bytes(uint64(r.SizeBytes))},
		{"sent", fmt.Sprintf("%s, %s in %s, %s/s", term.Count(r.Sent), term.Bytes(r.BytesSent),
			term.Duration(time.Duration(r.ElapsedS*float64(time.Second))), term.Count(uint64(r.RatePerS+0.5)))},
		{"  batches", fastBatches(r)},
		{"  refused", fastRefused(r)},
		{"  generator", fmt.Sprintf("%s, %s of processor time a datagram", term.Counted(uint64(r.Senders), "sender"), term.Micros(r.CPUUS))},
		{"errors", loadErrors(r.Errors)},
	}
	if r.GSORefused != "" {
		lines = append(lines, [2]string{"  no GSO", term.Cut(term.OneLine(r.GSORefused), 66)})
	}
	if r.Answers > 0 {
		lines = append(lines, [2]string{"answers", fmt.Sprintf("%s, %s; %.1f a read, %.1f as one", term.Count(r.Answers), term.Bytes(r.AnswerBytes),
			r.AnswersPerRead, r.AnswerSegmentsPerMessage)})
	}
	if r.Receiver == nil {
		return append(lines, [2]string{"receiver", "only the sender's side is known:"}, [2]string{"", term.Cut(term.OneLine(r.ReceiverUnknown), 66)})
	}
	return append(lines, receiverLines(r.Receiver)...)
}

func fastBatches(r *oneway.Report) string {
	s := fmt.Sprintf("%.1f datagrams a call", r.DatagramsPerCall)
	if r.GSO {
		s += fmt.Sprintf(", %.1f messages of %.1f segments (GSO)", r.MessagesPerCall, r.SegmentsPerMessage)
	}
	return s
}

func fastRefused(r *oneway.Report) string {
	s := term.Count(r.Refused) + " by this host"
	if r.Waits > 0 {
		s += ", which had no room " + term.Counted(r.Waits, "time")
	}
	return s
}

// receiverLines say what the receiver counted, and where the rest is.
func receiverLines(v *delivery.Report) [][2]string {
	lines := [][2]string{
		{"received", fmt.Sprintf("%s, %s/s", term.Count(v.Received), term.Count(uint64(v.RatePerS+0.5)))},
		{"lost", fmt.Sprintf("%s: %s at the receiver's full buffer, %s elsewhere", term.Count(v.Lost), term.Count(v.DroppedByKernel), term.Count(v.LostElsewhere))},
	}
	if v.Numbered {
		lines = append(lines, [2]string{"order", fmt.Sprintf("%s late, %s again, %s missing before the last", term.Count(v.Reordered), term.Count(v.Duplicate), term.Count(v.Gap))})
	} else {
		lines = append(lines, [2]string{"order", "not known: the server saw no numbers in this payload (use seq)"})
	}
	if v.Drops > 0 && v.MostSegments > 1 {
		lines = append(lines, [2]string{"", fmt.Sprintf("the kernel dropped %s of up to %d segments", term.Counted(v.Drops, "message"), v.MostSegments)})
	}
	if v.Surplus > 0 {
		lines = append(lines, [2]string{"surplus", term.Count(v.Surplus) + " more than were sent"})
	}
	if v.Shared {
		lines = append(lines, [2]string{"shared", "others sent to the server too: drops may be theirs"})
	}
	if v.Evicted {
		lines = append(lines, [2]string{"forgotten", "the server forgot peers meanwhile: it may have counted too little"})
	}
	return lines
}
