package packet

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"wirelab/cli/term"
	"wirelab/internal/setting"
	"wirelab/internal/sys"
	"wirelab/packet"
	"wirelab/wire"
	"wirelab/wire/capfile"
)

// captureFlags are the flags of capture.
type captureFlags struct {
	device      string
	write       string
	comment     string
	count       uint64
	duration    time.Duration
	snap        int
	memory      sizeFlag
	fileSize    sizeFlag
	files       int
	promiscuous bool
	explain     bool
	brief       bool
	clock       clockFlag
}

func (a *app) newCaptureCommand() *cobra.Command {
	f := captureFlags{memory: 64 << 20}
	cmd := &cobra.Command{
		Use:   "capture --iface NAME [FILTER]",
		Short: "Show or record the frames that pass an interface",
		Long: "Captures frames and shows a line for each, an explanation (--explain), or writes them to\n" +
			"a file (-w), whatever comes first of --count, --duration and Ctrl-C. The filter is in\n" +
			"the language of tcpdump and runs in the kernel. VLAN tags are where they were on the\n" +
			"wire, and checksums that a device was to compute are known as such, in the file too.\n" +
			"It needs CAP_NET_RAW: run it as root, or once: setcap cap_net_raw+ep wirelab.",
		Example: "  wirelab packet capture --iface lo tcp port 12345\n" +
			"  wirelab packet capture --iface any -w trace.pcapng --duration 10s\n" +
			"  wirelab packet capture --iface lo -w ring.pcapng --file-size 100MB --files 5\n" +
			"  wirelab packet capture --iface lo --count 1 --explain udp",
		RunE: func(cmd *cobra.Command, args []string) error { return a.capture(cmd.Context(), &f, args) },
	}
	flags := cmd.Flags()
	flags.StringVarP(&f.device, "iface", "i", "", "`interface` to listen on; any: all of them")
	flags.StringVarP(&f.write, "write", "w", "", "write to this `file` (.pcap, else pcapng; - is standard output) instead of showing lines")
	flags.StringVar(&f.comment, "comment", "", "`text` of a comment in the file")
	flags.Uint64Var(&f.count, "count", 0, "stop after so `many` frames; 0: never")
	flags.DurationVar(&f.duration, "duration", 0, "stop after this `time`; 0: never")
	flags.IntVar(&f.snap, "snap", 0, "keep only the first `bytes` of each frame; 0: all")
	flags.Var(&f.memory, "memory", "size of the kernel's buffer")
	flags.Var(&f.fileSize, "file-size", "begin a new file, numbered, after this size; 0: never")
	flags.IntVar(&f.files, "files", 0, "keep only the last so `many` files; 0: all")
	flags.BoolVar(&f.promiscuous, "promiscuous", false, "ask the device for frames to other machines too")
	flags.BoolVar(&f.explain, "explain", false, "explain every byte instead of showing a line")
	flags.BoolVar(&f.brief, "brief", false, "with --explain: one line a field")
	flags.Var(&f.clock, "time", "how to show times: clock, utc, epoch, relative or delta")
	cmd.MarkFlagsMutuallyExclusive("write", "explain")
	return cmd
}

// sizeFlag is a number of bytes such as 64MB.
type sizeFlag int64

func (f *sizeFlag) String() string { return term.Bytes(uint64(*f)) }

// Type names the flag's values in the help.
func (f *sizeFlag) Type() string { return "size" }

// Set takes a size.
func (f *sizeFlag) Set(s string) error {
	n, err := setting.ParseSize(s)
	*f = sizeFlag(n)
	return err
}

func (f *captureFlags) check() error {
	switch {
	case f.device == "":
		return term.Usagef("--iface is missing: say on which interface, or any")
	case f.memory < 1<<20 || f.memory > 4<<30:
		return term.Usagef("--memory is from 1MB to 4GB, not %v", &f.memory)
	case f.snap < 0, f.files < 0, f.duration < 0:
		return term.Usagef("--snap, --files and --duration are not negative")
	case f.fileSize > 0 && f.write == "", f.files > 0 && f.fileSize == 0:
		return term.Usagef("--files goes with --file-size, and that with --write")
	case f.fileSize > 0 && f.write == "-":
		return term.Usagef("--file-size needs files, not standard output")
	case f.comment != "" && (f.write == "" || capfile.FormatOf(f.write) == capfile.Pcap):
		return term.Usagef("--comment needs a pcapng file to be in")
	}
	return nil
}

// findDevice looks up an interface; "any" is the zero Device.
func findDevice(name string) (wire.Device, error) {
	if name == "any" {
		return wire.Device{}, nil
	}
	d, err := wire.FindDevice(name)
	if err != nil {
		return d, term.Usagef("--iface: %w", err)
	}
	return d, nil
}

func (a *app) capture(ctx context.Context, f *captureFlags, args []string) error {
	if err := f.check(); err != nil {
		return err
	}
	device, err := findDevice(f.device)
	if err != nil {
		return err
	}
	config := wire.CaptureConfig{Device: device, Filter: strings.Join(args, " "), SnapLength: f.snap, Promiscuous: f.promiscuous, Memory: int(f.memory)}
	if f.write == "" { // somebody is looking
		config.Latency = 10 * time.Millisecond
	}
	c, err := wire.OpenCapture(config)
	if err != nil {
		return privileged(usageOf(err))
	}
	defer c.Close()
	run := &capturing{app: a, flags: f, capture: c, out: bufio.NewWriterSize(a.Stdout, 64<<10)}
	run.view = viewer{out: run.out, json: a.JSON, flags: readFlags{each: a.JSON, clock: f.clock}}
	run.view.times.form = f.clock
	return run.run(ctx)
}

// privileged says of a missing privilege how to get it.
func privileged(err error) error {
	if errors.Is(err, sys.ErrNotPermitted) {
		return fmt.Errorf("%w; this needs CAP_NET_RAW: run it as root, or once: setcap cap_net_raw+ep on the wirelab binary", err)
	}
	return err
}

// capturing is a capture that goes on.
type capturing struct {
	*app
	flags    *captureFlags
	capture  *wire.Capture
	out      *bufio.Writer
	view     viewer
	scanned  scanned
	ring     *capfile.Ring // nil: frames are shown
	captured uint64
	bytes    uint64
	progress *term.Progress
}

func (c *capturing) run(ctx context.Context) error {
	outer := ctx
	if c.flags.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.flags.duration)
		defer cancel()
	}
	if c.flags.write != "" {
		c.openRing()
		if _, err := term.Await(ctx, func() (struct{}, error) { return struct{}{}, c.ring.Open() }); err != nil {
			return err
		}
		c.progress = c.Progress(term.Plan{Label: "capture", Unit: "frames", Total: c.flags.count, Until: c.flags.duration})
	}
	err := c.capture.Run(ctx, c.frame, c.idle)
	if err == io.EOF { // as many as were asked for
		err = nil
	}
	if c.ring != nil {
		c.progress.Clear()
		if closed := c.ring.Close(); err == nil {
			err = closed
		}
		err = term.UnlessGone(err)
	}
	if err = firstError(err, c.out.Flush()); err != nil {
		return term.UnlessGone(err)
	}
	if err := c.finish(); err != nil {
		return err
	}
	return outer.Err()
}

// into returns standard output for the file "-", nil for others.
func (a *app) into(name string) io.Writer {
	if name == "-" {
		return a.Stdout
	}
	return nil
}

func (c *capturing) openRing() {
	f := c.flags
	c.ring = &capfile.Ring{
		Path: f.write, Into: c.into(f.write), Format: capfile.FormatOf(f.write), Comment: f.comment,
		Interfaces: append([]capfile.Interface(nil), c.capture.Interfaces()...), Size: int64(f.fileSize), Keep: f.files,
		Finished: func(w *capfile.Writer) error {
			received, dropped, err := c.capture.Counts()
			if err != nil || len(c.capture.Interfaces()) != 1 {
				return err // of all interfaces together nobody can say where frames were lost
			}
			return w.WriteStatistics(0, time.Now().UnixNano(), received, dropped)
		},
	}
}

// frame shows or writes one frame. It returns io.EOF after the last one that is wanted.
func (c *capturing) frame(f *capfile.Frame) error {
	c.captured++
	c.bytes += uint64(f.Length)
	var err error
	switch {
	case c.ring != nil:
		err = c.record(f)
	case c.flags.explain:
		err = c.explainFrame(f)
	default:
		c.scan(f)
		err = c.view.frame(&c.scanned)
	}
	if err == nil && c.captured == c.flags.count {
		err = io.EOF
	}
	return err
}

func (c *capturing) scan(f *capfile.Frame) {
	c.scanned.frame, c.scanned.number, c.scanned.interfaces = f, c.captured, c.capture.Interfaces()
	c.scanned.scan()
}

func (c *capturing) record(f *capfile.Frame) error {
	for n := len(c.ring.Interfaces); n < len(c.capture.Interfaces()); n++ {
		if _, err := c.ring.AddInterface(c.capture.Interfaces()[n]); err != nil {
			return err
		}
	}
	return c.ring.WriteFrame(f, "")
}

func (c *capturing) explainFrame(f *capfile.Frame) error {
	e := explainFrame(packet.LinkType(f.Link), f.Data, f.Length, offload(f.Flags), nil)
	if c.JSON {
		return firstError(c.out.Flush(), c.PrintEvent(explained{"wirelab.packet.explain/1", e}))
	}
	_, err := c.out.WriteString(explanationText(e, c.Colors(c.Stdout), c.flags.brief) + "\n")
	return err
}

// idle lets people see what there is so far.
func (c *capturing) idle() error {
	if c.ring == nil {
		return c.out.Flush()
	}
	c.progress.Update(c.captured)
	return c.ring.Flush()
}

// captureReport is the result of a capture: wirelab.packet.capture/1.
type captureReport struct {
	Schema   string `json:"schema"`
	Packets  uint64 `json:"packets"`
	Bytes    uint64 `json:"length_bytes"`
	Received uint64 `json:"received"` // by the kernel's filter
	Dropped  uint64 `json:"dropped"`
	File     string `json:"file,omitempty"`
}

func (c *capturing) finish() error {
	received, dropped, err := c.capture.Counts()
	if err != nil {
		return err
	}
	if c.JSON && c.flags.write != "-" {
		return term.UnlessGone(c.PrintEvent(captureReport{"wirelab.packet.capture/1", c.captured, c.bytes, received, dropped, c.flags.write}))
	}
	where := ""
	if c.flags.write != "" && c.flags.write != "-" {
		where = " written to " + c.flags.write
	}
	c.Note("%s%s, %s dropped by the kernel", term.Counted(c.captured, "frame"), where, term.Count(dropped))
	return nil
}
