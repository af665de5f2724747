package packet

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/spf13/cobra"

	"wirelab/cli/term"
	"wirelab/packet"
	"wirelab/wire"
	"wirelab/wire/capfile"
)

// replayFlags are the flags of replay.
type replayFlags struct {
	device   string
	speed    float64
	rate     rateFlag
	fast     bool
	count    uint64
	loop     uint64
	via      string
	src, dst string
	complete bool
	public   bool
}

func (a *app) newReplayCommand() *cobra.Command {
	var f replayFlags
	cmd := &cobra.Command{
		Use:   "replay FILE [FILTER] --iface NAME",
		Short: "Send the frames of a capture file again",
		Long: "Sends the frames of a capture file on an interface, byte by byte as they are, in the\n" +
			"time of the capture, faster or slower (--speed), at a rate, or as fast as it goes.\n" +
			"What the kernel and the interface counted is compared with what was asked.\n" +
			"Frames that were captured on the sending machine may lack checksums that its device\n" +
			"was to compute: --complete puts them in.",
		Example: "  wirelab packet replay trace.pcapng --iface veth0\n" +
			"  wirelab packet replay trace.pcapng udp port 53 --iface veth0 --speed 10\n" +
			"  wirelab packet replay trace.pcapng --iface veth0 \\\n" +
			"    --rate 1000 --eth-dst 02:00:00:00:00:02",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.replay(cmd.Context(), &f, args) },
	}
	flags := cmd.Flags()
	flags.StringVarP(&f.device, "iface", "i", "", "`interface` to send on")
	flags.Float64Var(&f.speed, "speed", 1, "`factor` by which to be faster than the capture: 2 is twice as fast")
	flags.VarP(&f.rate, "rate", "r", "frames a second, whatever their times are, such as 10k")
	flags.BoolVar(&f.fast, "fast", false, "as fast as it goes")
	flags.Uint64Var(&f.count, "count", 0, "stop after so `many` frames; 0: never")
	flags.Uint64Var(&f.loop, "loop", 1, "send the file so `many` times")
	flags.StringVar(&f.via, "via", "", "`way` to send: sendmmsg or sendto (default the first that will do)")
	flags.StringVar(&f.dst, "eth-dst", "", "change the Ethernet destination to this `address`")
	flags.StringVar(&f.src, "eth-src", "", "change the Ethernet source to this `address`")
	flags.BoolVar(&f.complete, "complete", false, "compute the checksums that were left to a device")
	flags.BoolVar(&f.public, "allow-public", false, "let packets go to public addresses")
	cmd.MarkFlagsMutuallyExclusive("speed", "rate", "fast")
	return cmd
}

func (f *replayFlags) check(args []string) error {
	switch {
	case f.device == "" || f.device == "any":
		return term.Usagef("--iface is missing: say on which interface to send")
	case !(f.speed > 0) || f.speed > 1e6:
		return term.Usagef("--speed is above 0 and at most 1000000, not %v", f.speed)
	case f.loop == 0:
		return term.Usagef("--loop is at least 1")
	case f.loop > 1 && args[0] == "-":
		return term.Usagef("--loop needs a file that can be read again")
	case f.via != "" && f.via != "sendmmsg" && f.via != "sendto":
		return term.Usagef("--via is sendmmsg or sendto here, not %q", f.via)
	}
	return nil
}

func (a *app) replay(ctx context.Context, f *replayFlags, args []string) error {
	if err := f.check(args); err != nil {
		return err
	}
	device, err := findDevice(f.device)
	if err != nil {
		return err
	}
	frames := &replayFrames{app: a, ctx: ctx, flags: f, args: args, link: device.Link}
	if err := frames.parse(); err != nil {
		return err
	}
	if err := frames.open(); err != nil {
		return err
	}
	defer func() { frames.source.Close() }()
	progress := a.Progress(term.Plan{Label: "replay", Unit: "frames", Total: f.count})
	r := wire.Replay{Device: device, Next: frames.next, Speed: f.speed, Rate: float64(f.rate), Via: f.via, Progress: progress.Update}
	if f.fast {
		r.Speed = 0
	}
	d, err := r.Run(ctx)
	progress.Clear()
	damage, err := damageOf(err)
	if d.Via == "" || err != nil && d.Accepted == 0 {
		return privileged(err)
	}
	report := newDeliveryReport("wirelab.packet.replay/1", device.Name, d)
	report.File, report.AskedRate = args[0], float64(f.rate)
	failed := firstError(err, d.Check(device.Name))
	if failed == nil && damage != nil {
		failed = fmt.Errorf("%s: %w", args[0], damage)
	}
	if a.JSON {
		err = a.PrintJSON(report)
	} else {
		err = a.printDelivery(fmt.Sprintf("replay of %s on %s", args[0], device.Name), report, failed)
	}
	if err != nil {
		return term.UnlessGone(err)
	}
	return term.Verdict(ctx, d.Interrupted, failed)
}

// replayFrames reads the frames to be sent, again and again if that is asked for.
type replayFrames struct {
	*app
	ctx      context.Context
	flags    *replayFlags
	args     []string
	link     capfile.LinkType
	source   *source
	sent     uint64
	rounds   uint64
	src, dst net.HardwareAddr
	shift    int64 // of time, of rounds after the first
	first    int64
	last     int64
}

func (r *replayFrames) parse() (err error) {
	for _, one := range []struct {
		flag, text string
		to         *net.HardwareAddr
	}{{"--eth-dst", r.flags.dst, &r.dst}, {"--eth-src", r.flags.src, &r.src}} {
		if one.text == "" {
			continue
		}
		if *one.to, err = net.ParseMAC(one.text); err != nil || len(*one.to) != 6 {
			return term.Usagef("%s: %q is no Ethernet address", one.flag, one.text)
		}
		if r.link != capfile.LinkEthernet {
			return term.Usagef("%s: frames on %s have no Ethernet addresses", one.flag, r.flags.device)
		}
	}
	return nil
}

func (r *replayFrames) open() (err error) {
	r.source, err = r.openSource(r.ctx, r.args[0], r.args[1:])
	return err
}

// next gives the next frame, changed where that is asked for.
func (r *replayFrames) next(f *capfile.Frame) error {
	if r.flags.count > 0 && r.sent == r.flags.count {
		return io.EOF
	}
	for {
		err := r.source.next()
		if err == nil {
			break
		}
		if !errors.Is(err, io.EOF) || r.sent == 0 || r.rounds+1 >= r.flags.loop {
			return err
		}
		r.rounds++
		r.shift += r.last - r.first
		r.source.Close()
		if err := r.open(); err != nil {
			return err
		}
	}
	s := &r.source.scanned
	s.scan()
	if err := r.allowed(s); err != nil {
		return err
	}
	r.change(s)
	if r.sent == 0 {
		r.first = s.frame.Time
	}
	r.last = s.frame.Time
	*f = *s.frame
	f.Time += r.shift
	r.sent++
	return nil
}

// allowed refuses public destinations.
func (r *replayFrames) allowed(s *scanned) error {
	if r.flags.public {
		return nil
	}
	if e, _, ok := endpointsOf(s.frame.Data, &s.headers); ok && !wire.Harmless(e.to.Addr()) {
		return term.Usagef("frame %d goes to %v, %w: --allow-public lets it", s.number, e.to.Addr(), wire.ErrPublic)
	}
	return nil
}

// change writes what was asked for into a frame.
func (r *replayFrames) change(s *scanned) {
	b := s.frame.Data
	if len(b) >= 12 {
		copy(b[:6], r.dst)
		copy(b[6:12], r.src)
	}
	if !r.flags.complete {
		return
	}
	for i := len(s.checks) - 1; i >= 0; i-- { // inner ones first
		if c := &s.checks[i]; c.Verdict == packet.Partial && c.Offset+2 <= len(b) {
			binary.BigEndian.PutUint16(b[c.Offset:], c.Right)
		}
	}
}

// publicError is the refusal of a public destination.
func publicError(which string) error {
	return term.Usagef("%s is %w: --allow-public lets packets go there", which, wire.ErrPublic)
}
