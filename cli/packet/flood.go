package packet

import (
	"context"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"wirelab/cli/term"
	"wirelab/packet"
	"wirelab/wire"
)

// The defaults of a flood keep a slip from becoming an attack.
const (
	defaultRate  = 10_000
	defaultCount = 10_000
)

// floodFlags are the flags of flood.
type floodFlags struct {
	wayFlags
	rate     rateFlag
	count    uint64
	workers  int
	duration time.Duration
	save     term.SaveFlag
}

func (a *app) newFloodCommand() *cobra.Command {
	f := floodFlags{rate: defaultRate, count: defaultCount, workers: 1}
	cmd := &cobra.Command{
		Use:   "flood LAYER KEY=VALUE... / LAYER...",
		Short: "Send a packet many times and count what arrives",
		Long: "Sends a packet again and again at an exact rate. Fields with inc:, dec:, rand: and list:\n" +
			"vary from frame to frame, with right checksums. The fastest way that delivers is chosen\n" +
			"and named: live (an XDP program in the kernel), xdp (AF_XDP), sendmmsg, sendto, or raw\n" +
			"for destinations on this machine. Four counts are compared: asked, taken by the kernel,\n" +
			"sent by the interface, and received by the other end where it is ours. Frames that got\n" +
			"lost are an error.\n\n" +
			"One worker keeps the order of the frames and one processor busy. With --workers 2 and more\n" +
			"each has a processor and a queue of its own: together they send the same frames at the\n" +
			"same rate, in no order. A veth wants as many queues for live and xdp (ethtool -L).",
		Example: "  wirelab packet flood ip dst=127.0.0.1 / udp dport=9 --rate 1000 --count 1000\n" +
			"  wirelab packet flood -i veth0 eth dst=02:00:00:00:00:09 / \\\n" +
			"    ip dst=192.0.2.1 / udp --rate max --duration 5s --via xdp\n" +
			"  wirelab packet flood -i veth0 eth dst=02:00:00:00:00:09 / \\\n" +
			"    ip dst=192.0.2.1 / udp --rate max --count 10M --workers 2\n" +
			"  wirelab packet flood -i veth0 eth dst=02:00:00:00:00:09 / \\\n" +
			"    ip src=inc:10.64.37.1-10.64.37.254 dst=10.64.37.35 / \\\n" +
			"    udp sport=rand:1024-65535 dport=9 --rate 100k --count 1M",
		RunE: func(cmd *cobra.Command, args []string) error { return a.flood(cmd, &f, args) },
	}
	f.add(cmd, strings.Join(wire.Backends(), ", "))
	flags := cmd.Flags()
	flags.VarP(&f.rate, "rate", "r", "frames a second, such as 100k; max: as fast as it goes")
	flags.Uint64VarP(&f.count, "count", "n", f.count, "how `many` frames, such as 1M")
	flags.IntVar(&f.workers, "workers", f.workers, "how `many` threads send, each on a processor of its own")
	flags.DurationVar(&f.duration, "duration", 0, "stop after this `time`, whatever the count; without --count there is no other end")
	f.save.Add(cmd)
	return cmd
}

func (f *floodFlags) check(cmd *cobra.Command) error {
	switch {
	case f.mtu != 0:
		return term.Usagef("--mtu: a flood sends frames as they are; send cuts into fragments")
	case f.count == 0:
		return term.Usagef("--count is at least 1")
	case f.workers < 1 || f.workers > runtime.NumCPU():
		return term.Usagef("--workers is from 1 to %d, the processors of this machine", runtime.NumCPU())
	case f.duration < 0:
		return term.Usagef("--duration is not negative")
	}
	if f.duration > 0 && !cmd.Flags().Changed("count") {
		f.count = 1 << 50
	}
	return nil
}

func (a *app) flood(cmd *cobra.Command, f *floodFlags, args []string) error {
	if err := f.check(cmd); err != nil {
		return err
	}
	if f.via == "packet" {
		f.via = "sendmmsg"
	}
	w, err := f.find(args, f.count)
	if err != nil {
		return privileged(err)
	}
	if what := rawCorrects(w.first); w.raw && what != "" {
		return rawRefusal(what)
	}
	var failed error
	return term.Perform(a.Console, cmd, &f.save, term.Measurement[deliveryReport]{
		Run: func(ctx context.Context) (r deliveryReport, err error) {
			r, failed, err = a.runFlood(ctx, f, w)
			return r, privileged(err)
		},
		Print: func(r deliveryReport) error {
			if a.JSON {
				return a.PrintJSON(r)
			}
			return a.printDelivery(floodHead(r), r, failed)
		},
		Verdict: func(ctx context.Context, r deliveryReport) error { return term.Verdict(ctx, r.Interrupted, failed) },
	})
}

// rawRefusal is the refusal of a packet that a raw socket would change.
func rawRefusal(what string) error {
	return term.Usagef("a raw socket would silently correct %s: send it with --via packet", what)
}

// runFlood sends, and returns the report and what did not hold.
func (a *app) runFlood(ctx context.Context, f *floodFlags, w *way) (deliveryReport, error, error) {
	outer := ctx
	if f.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.duration)
		defer cancel()
	}
	progress := a.Progress(term.Plan{Label: "flood", Unit: "frames", Total: f.count, Until: f.duration})
	if f.count == 1<<50 {
		progress = a.Progress(term.Plan{Label: "flood", Unit: "frames", Until: f.duration})
	}
	flood := wire.Flood{
		Device: w.device, Raw: w.raw, Size: len(w.first), Varies: w.spec.Varies(), Filler: w.filler,
		Count: f.count, Rate: float64(f.rate), Workers: f.workers, Via: f.via, Progress: progress.Update,
	}
	d, err := flood.Run(ctx)
	progress.Clear()
	if err != nil {
		return deliveryReport{}, nil, err
	}
	if f.duration > 0 && outer.Err() == nil && d.Interrupted { // by its own duration
		d.Asked, d.Interrupted = d.Accepted, false
	}
	r := newDeliveryReport(floodSchema, w.device.Name, d)
	r.Packet, r.Length, r.AskedRate, r.Workers = w.spec.CLI(), len(w.first), float64(f.rate), f.workers
	if w.spec.Random() {
		r.Seed = &w.spec.Seed
	}
	return r, d.Check(w.device.Name), nil
}

// filler writes the frames of the flood, each with a time of its own where it has one.
func (w *way) filler() wire.Fill {
	filler := w.template.Filler()
	if !has(w.spec, packet.Time) {
		return func(memory []byte, stride int, n uint64, count int) { filler.Fill(memory, stride, n, count, 0) }
	}
	return func(memory []byte, stride int, n uint64, count int) {
		for i := range count {
			filler.Fill(memory[i*stride:], stride, n+uint64(i), 1, time.Now().UnixNano())
		}
	}
}
