package load

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"wirelab/cli/term"
	"wirelab/load/throughput"
)

const throughputHelp = `With --throughput, connections carry as many bytes as they can, to the server, with
--reverse from it, with --bidir both ways at once on connections of their own. Both ends
count, and the counts are compared. A server for it:
wirelab serve tcp --handler throughput.

`

// throughputFlags are the flags of `wirelab load tcp` that --throughput needs, beside
// those of every load.
type throughputFlags struct {
	on, reverse, bidir bool
}

// Unless they are told, a throughput run takes one connection and so long.
const (
	throughputClients  = 1
	throughputDuration = 5 * time.Second
)

func (f *throughputFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&f.on, "throughput", false, "measure bits per second, for --duration (then 5s by default) over --clients connections (then 1)")
	flags.BoolVar(&f.reverse, "reverse", false, "with --throughput: the server sends")
	flags.BoolVar(&f.bidir, "bidir", false, "with --throughput: both send, on connections of their own")
}

// check refuses flags that have no meaning without --throughput, and with it.
func (f *throughputFlags) check(cmd *cobra.Command) error {
	only := []string{"reverse", "bidir"}
	never := []string{"messages", "payload", "loops", "rate", "ramp", "outstanding", "source", "search", "step", "flood", "fail-fast", "reconnect", "percentiles", "histogram"}
	refused, format := only, "--%s has a meaning only with --throughput"
	if f.on {
		refused, format = never, "--%s has no meaning with --throughput"
	}
	for _, name := range refused {
		if cmd.Flags().Changed(name) {
			return term.Usagef(format, name)
		}
	}
	if f.reverse && f.bidir {
		return term.Usagef("--bidir goes both ways: it takes no --reverse")
	}
	return nil
}

func (f *throughputFlags) direction() throughput.Direction {
	switch {
	case f.bidir:
		return throughput.Both
	case f.reverse:
		return throughput.Down
	}
	return throughput.Up
}

func (a *app) runThroughput(cmd *cobra.Command, flags loadFlags, f throughputFlags, args []string) error {
	cfg := throughput.Config{
		Clients: throughputClients, Direction: f.direction(), Duration: throughputDuration, Block: flags.size,
		Timeout: flags.timeout, Interval: flags.interval,
	}
	given := cmd.Flags().Changed
	if given("clients") {
		cfg.Clients = flags.clients
	}
	if given("duration") {
		cfg.Duration = flags.duration
	}
	settings, all, err := a.prepareLoad(cmd, flags.family, args, 1)
	if err != nil {
		return err
	}
	cfg.Target = all[0]
	if cfg.Socket, err = flags.socket.Options(); err != nil {
		return err
	}
	if cfg.TLS, err = flags.tlsConfig(settings, args); err != nil {
		return err
	}
	return term.Perform(a.Console, cmd, &flags.save, term.Measurement[*throughput.Report]{
		Run: func(ctx context.Context) (*throughput.Report, error) {
			logs := a.OpenClientLogs(settings)
			defer logs.Close()
			cfg.Log = logs.Component("client")
			report, err := a.measureThroughput(ctx, cfg)
			return report, explainLoad(err, "tcp", cfg.Target.String(), "throughput")
		},
		Print: a.printThroughput,
		Verdict: func(ctx context.Context, r *throughput.Report) error {
			return term.Verdict(ctx, r.Interrupted, r.Verify())
		},
	})
}

// measureThroughput runs cfg and shows progress, or each interval.
func (a *app) measureThroughput(ctx context.Context, cfg throughput.Config) (*throughput.Report, error) {
	line := a.Progress(term.Plan{Label: "load tcp", Unit: "bytes", Until: cfg.Duration})
	defer line.Clear()
	cfg.Progress = line.Update
	cfg.Report = func(i throughput.Interval) {
		line.Clear()
		sent, received := i.BitsPerS()
		a.printInterval(i, i.FromS, i.ToS, ways(cfg.Direction, "%s, %s", term.Bits(sent), term.Bits(received))+"  "+
			ways(cfg.Direction, "%s, %s", term.Bytes(i.Sent), term.Bytes(i.Received)))
	}
	return throughput.Run(ctx, cfg)
}

// ways writes what went up and down, as far as there is something in that direction.
func ways(d throughput.Direction, format, up, down string) string {
	switch d {
	case throughput.Up:
		return "up " + up
	case throughput.Down:
		return "down " + down
	}
	return fmt.Sprintf(format, "up "+up, "down "+down)
}

func (a *app) printThroughput(r *throughput.Report) error {
	if a.JSON {
		return a.PrintJSON(r)
	}
	p := a.Colors(a.Stdout)
	var b strings.Builder
	term.WriteReport(&b, p, throughputHeadline(r), r.Verify() == nil, throughputLines(r))
	if t := throughputStreams(r); !t.Empty() {
		b.WriteString("\n")
		if err := t.Write(&b, 0, p); err != nil {
			return err
		}
	}
	_, err := fmt.Fprint(a.Stdout, b.String())
	return err
}

func throughputHeadline(r *throughput.Report) string {
	var parts []string
	for _, w := range []struct {
		name string
		way  *throughput.Way
	}{{"up", r.Up}, {"down", r.Down}} {
		if w.way != nil {
			parts = append(parts, term.Bits(w.way.BitsPerS)+" "+w.name)
		}
	}
	s := strings.Join(parts, ", ")
	if r.Interrupted {
		s += " (interrupted)"
	}
	return s
}

func throughputLines(r *throughput.Report) [][2]string {
	target := r.Network + " " + term.OneLine(r.Target)
	if r.TLS {
		target += ", TLS"
	}
	lines := [][2]string{
		{"target", target},
		{"clients", term.Counted(uint64(r.Clients), "connection") + " each way, " + term.Bytes(uint64(r.BlockBytes)) + " at once"},
	}
	for _, w := range []struct {
		name string
		way  *throughput.Way
	}{{"up", r.Up}, {"down", r.Down}} {
		if w.way == nil {
			continue
		}
		text := term.Bytes(w.way.SentBytes) + " sent, " + term.Bytes(w.way.ReceivedBytes) + " received"
		if w.name == "up" {
			text += ", " + term.Counted(w.way.Retransmits, "segment") + " sent again"
		}
		lines = append(lines, [2]string{w.name, text})
	}
	return append(lines,
		[2]string{"errors", loadErrors(r.Errors)},
		[2]string{"elapsed", term.Duration(time.Duration(r.ElapsedS * float64(time.Second)))},
		[2]string{"generator", fmt.Sprintf("%.2f processors busy", r.CPUShare)})
}

// mostStreams is how many connections are shown one by one.
const mostStreams = 32

// throughputStreams is the table of the connections, if there are several.
func throughputStreams(r *throughput.Report) *term.Table {
	t := term.NewTable("connection", "", ">bytes", ">rate", ">sent again", ">rtt", "")
	if len(r.Streams) < 2 {
		return t
	}
	for _, s := range r.Streams[:min(len(r.Streams), mostStreams)] {
		t.Row(term.OneLine(s.Local), string(s.Direction), term.Bytes(s.ReceivedBytes), term.Bits(s.BitsPerS),
			term.Count(s.Retransmits), term.Micros(s.RTTUS), term.OneLine(s.Error))
	}
	return t
}
