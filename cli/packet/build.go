package packet

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"wirelab/cli/term"
	"wirelab/internal/atomicfile"
	"wirelab/packet"
	"wirelab/wire/capfile"
)

// buildFlags are the flags of packet build.
type buildFlags struct {
	specFlags
	as       string
	count    uint64
	ethernet bool
	write    string
}

func (a *app) newBuildCommand() *cobra.Command {
	var f buildFlags
	cmd := &cobra.Command{
		Use:   "build LAYER KEY=VALUE... / LAYER...",
		Short: "Make a packet and print its bytes",
		Long: "Makes a packet and prints its bytes in hexadecimal, a line for each frame. With --as\n" +
			"it prints the description instead, on one line or in YAML.",
		Example: "  wirelab packet build ip dst=192.0.2.35 / udp dport=9 / text hello\n" +
			"  wirelab packet build tcp dport=80 flags=syn opts=mss:1460,sackok --as yaml\n" +
			"  wirelab packet build udp sport=inc:1000-1009 / zero 10 --count 10 -w a.pcapng\n" +
			"  wirelab packet build icmp / zero 3000 --mtu 1500 -o json",
		RunE: func(cmd *cobra.Command, args []string) error { return a.build(cmd.Context(), &f, args) },
	}
	f.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.as, "as", "", "print the description in this `form`: cli or yaml")
	flags.Uint64Var(&f.count, "count", 1, "`number` of frames, where fields vary")
	flags.BoolVar(&f.ethernet, "ethernet", false, "put an Ethernet header before IP")
	flags.StringVarP(&f.write, "write", "w", "", "write the frames to this pcapng `file`")
	return cmd
}

// builtJSON is what packet build prints with -o json.
type builtJSON struct {
	Schema   string          `json:"schema"`
	LinkType packet.LinkType `json:"link_type"`
	Hex      string          `json:"hex"` // of the first frame
	Length   int             `json:"length_bytes"`
	Seed     uint64          `json:"seed"`
	CLI      string          `json:"cli"`
	Frames   []frameJSON     `json:"frames"`
}

type frameJSON struct {
	Hex    string `json:"hex"`
	Length int    `json:"length_bytes"`
}

func (a *app) build(ctx context.Context, f *buildFlags, args []string) error {
	s, err := f.spec(args)
	if err != nil {
		return err
	}
	if f.as != "" {
		return a.printSpec(s, f.as)
	}
	cli := s.CLI()
	a.noteSeed(s)
	s.Complete(f.ethernet)
	t, err := compile(s)
	if err != nil {
		return err
	}
	frames, err := makeFrames(s, t, f.count)
	if err != nil {
		return term.Usagef("%w", err)
	}
	if f.write != "" {
		if err := a.writeFrames(ctx, f.write, t.Link(), frames); err != nil {
			return err
		}
		a.Note("%s written to %s", term.Counted(uint64(len(frames)), "frame"), f.write)
		return nil
	}
	return a.printFrames(builtJSON{Schema: "wirelab.packet.build/1", LinkType: t.Link(), Seed: s.Seed, CLI: cli}, frames)
}

// makeFrames makes count packets, cut into fragments where the packet says so.
func makeFrames(s *packet.Spec, t *packet.Template, count uint64) ([][]byte, error) {
	const most = 100_000
	if count == 0 || count > most {
		return nil, fmt.Errorf("--count is from 1 to %d, not %d", most, count)
	}
	var all [][]byte
	for n := range count {
		frame := t.Append(nil, n, time.Now().UnixNano())
		if s.MTU == 0 {
			all = append(all, frame)
			continue
		}
		fragments, err := packet.Fragments(t.Link(), frame, s.MTU)
		if err != nil {
			return nil, err
		}
		all = append(all, fragments...)
	}
	return all, nil
}

func (a *app) printFrames(result builtJSON, frames [][]byte) error {
	if !a.JSON {
		for _, frame := range frames {
			fmt.Fprintln(a.Stdout, hex.EncodeToString(frame))
		}
		return nil
	}
	for _, frame := range frames {
		result.Frames = append(result.Frames, frameJSON{hex.EncodeToString(frame), len(frame)})
	}
	result.Hex, result.Length = result.Frames[0].Hex, result.Frames[0].Length
	return a.PrintJSON(result)
}

// writeFrames writes a capture file, a microsecond between frames.
func (a *app) writeFrames(ctx context.Context, name string, link packet.LinkType, frames [][]byte) (err error) {
	out, err := term.Await(ctx, func() (*os.File, error) {
		target, err := atomicfile.Follow(name)
		if err != nil {
			return nil, err
		}
		return os.Create(target)
	})
	if err != nil {
		return err
	}
	defer func() {
		if closed := out.Close(); err == nil {
			err = closed
		}
	}()
	w, err := capfile.NewWriter(out, capfile.FormatOf(name), "")
	if err != nil {
		return err
	}
	id, err := w.AddInterface(capfile.Interface{Link: capfile.LinkType(link)})
	if err != nil {
		return err
	}
	begin := time.Now().UnixNano()
	for n, frame := range frames {
		f := capfile.Frame{Data: frame, Length: len(frame), Time: begin + int64(n)*1000, Timed: true, Interface: id, Link: capfile.LinkType(link)}
		if err := w.WriteFrame(&f, ""); err != nil {
			return err
		}
	}
	return w.Flush()
}
