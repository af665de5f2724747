package packet

import (
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"wirelab/cli/term"
	"wirelab/packet"
	"wirelab/wire/capfile"
)

// explainFlags are the flags of packet explain.
type explainFlags struct {
	specFlags
	hex      string
	read     string
	frame    uint64
	link     string
	as       string
	brief    bool
	ethernet bool
}

func (a *app) newExplainCommand() *cobra.Command {
	var f explainFlags
	cmd := &cobra.Command{
		Use:   "explain LAYER KEY=VALUE... / LAYER...",
		Short: "Say of every byte of a packet what it is",
		Long: "Explains every byte of a packet: its offset, the field, its value and meaning, what is\n" +
			"allowed there, and who set it; and works the checksums out. The packet is described,\n" +
			"given in hexadecimal (or with --hex; - is standard input), or a frame of a capture\n" +
			"(--read).\n" +
			"Verdicts on checksums are those of Linux: good, bad, partial (left to a device),\n" +
			"absent, unverified.",
		Example: "  wirelab packet explain ip dst=192.0.2.35 / udp dport=9 csum=bad / text hello\n" +
			"  wirelab packet explain 4500001c000000004011f6acc0000201c0000223\n" +
			"  wirelab packet build tcp | wirelab packet explain --hex -\n" +
			"  wirelab packet explain --read trace.pcapng --frame 7\n" +
			"  wirelab packet explain --read trace.pcapng --frame 7 --as cli",
		RunE: func(_ *cobra.Command, args []string) error { return a.explain(&f, args) },
	}
	f.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.hex, "hex", "", "explain these `bytes` in hexadecimal; -: those on standard input")
	flags.StringVar(&f.read, "read", "", "explain a frame of this capture `file`")
	flags.Uint64Var(&f.frame, "frame", 1, "`number` of the frame in the file or the dump, or of the packet where fields vary, from 1")
	flags.StringVar(&f.link, "link", "", "what bytes begin with, the link `type`: ethernet, ip, null, sll, sll2 (default guessed)")
	flags.StringVar(&f.as, "as", "", "print instead the description that makes these bytes, in this `form`: cli or yaml")
	flags.BoolVar(&f.brief, "brief", false, "one line a field")
	flags.BoolVar(&f.ethernet, "ethernet", false, "put an Ethernet header before IP")
	return cmd
}

// A shownFrame is the frame that is explained.
type shownFrame struct {
	link   packet.LinkType
	bytes  []byte
	length int // on the wire
	known  packet.Offload
	made   *packet.Template // nil: it was not built here
}

// explained is an explanation for programs.
type explained struct {
	Schema string `json:"schema"`
	*packet.Explanation
}

func (a *app) explain(f *explainFlags, args []string) error {
	frame, err := a.shownFrame(f, args)
	if err != nil {
		return err
	}
	if f.as != "" {
		var h packet.Headers
		packet.Scan(frame.link, frame.bytes, frame.length, &h)
		return a.printSpec(packet.SpecOf(frame.bytes, &h), f.as)
	}
	e := explainFrame(frame.link, frame.bytes, frame.length, frame.known, frame.made)
	if a.JSON {
		return a.PrintJSON(explained{"wirelab.packet.explain/1", e})
	}
	_, err = io.WriteString(a.Stdout, explanationText(e, a.Colors(a.Stdout), f.brief))
	return err
}

// explainFrame reads a frame and explains it.
func explainFrame(link packet.LinkType, frame []byte, length int, known packet.Offload, made *packet.Template) *packet.Explanation {
	var h packet.Headers
	packet.Scan(link, frame, length, &h)
	return packet.Explain(frame, &h, known, made)
}

// shownFrame takes the frame from where the flags say.
func (a *app) shownFrame(f *explainFlags, args []string) (*shownFrame, error) {
	if f.hex == "" && isFrame(args) {
		f.hex, args = strings.Join(args, " "), nil
	}
	sources := 0
	for _, given := range []bool{f.hex != "", f.read != "", len(args) > 0 || f.file != ""} {
		if given {
			sources++
		}
	}
	switch {
	case sources > 1:
		return nil, term.Usagef("give one of a packet, --hex and --read")
	case f.frame == 0:
		return nil, term.Usagef("frames are numbered from 1")
	case f.read != "":
		return a.fromCapture(f)
	case f.hex != "":
		return a.fromHex(f)
	}
	return a.fromSpec(f, args)
}

// isFrame reports whether words are the bytes of a packet: no layer's name has hexadecimal
// digits alone.
func isFrame(words []string) bool {
	_, err := parseDump(strings.Join(words, " "))
	return err == nil
}

// fromSpec builds the packet that is described.
func (a *app) fromSpec(f *explainFlags, args []string) (*shownFrame, error) {
	s, err := f.spec(args)
	if err != nil {
		return nil, err
	}
	a.noteSeed(s)
	s.Complete(f.ethernet)
	t, err := compile(s)
	if err != nil {
		return nil, err
	}
	if s.MTU == 0 {
		frame := t.Append(nil, f.frame-1, time.Now().UnixNano())
		return &shownFrame{t.Link(), frame, len(frame), packet.OffloadUnknown, t}, nil
	}
	one, made, count, err := t.Fragment(t.Append(nil, 0, time.Now().UnixNano()), s.MTU, int(min(f.frame-1, packet.MaxPacket)))
	if err != nil {
		return nil, term.Usagef("%w", err)
	}
	if one == nil {
		return nil, term.Usagef("the packet is cut into %d frames: there is no frame %d", count, f.frame)
	}
	return &shownFrame{t.Link(), one, len(one), packet.OffloadUnknown, made}, nil
}

func (a *app) fromHex(f *explainFlags) (*shownFrame, error) {
	text := f.hex
	if text == "-" {
		all, err := io.ReadAll(io.LimitReader(a.Stdin, 4*packet.MaxPacket))
		if err != nil {
			return nil, err
		}
		text = string(all)
	}
	frames, err := parseDump(text)
	if err != nil {
		return nil, term.Usagef("%w", err)
	}
	if f.frame > uint64(len(frames)) {
		return nil, term.Usagef("the dump has %s: there is no frame %d", term.Counted(uint64(len(frames)), "frame"), f.frame)
	}
	frame := frames[f.frame-1]
	link, err := linkNamed(f.link, frame)
	if err != nil {
		return nil, err
	}
	return &shownFrame{link, frame, len(frame), packet.OffloadUnknown, nil}, nil
}

// linkNamed returns the link type of that name, or guesses it from the bytes: IP
// if the length in its header fits, else Ethernet.
func linkNamed(name string, frame []byte) (packet.LinkType, error) {
	links := map[string]packet.LinkType{
		"ethernet": packet.LinkEthernet, "eth": packet.LinkEthernet, "ip": packet.LinkRaw, "raw": packet.LinkRaw,
		"null": packet.LinkNull, "sll": packet.LinkCooked, "sll2": packet.LinkCooked2,
	}
	if name == "" {
		return guessLink(frame), nil
	}
	link, ok := links[name]
	if !ok {
		return 0, term.Usagef("--link is ethernet, ip, null, sll or sll2, not %q", name)
	}
	return link, nil
}

func guessLink(frame []byte) packet.LinkType {
	var h packet.Headers
	packet.Scan(packet.LinkRaw, frame, len(frame), &h)
	if h.N == 0 || h.List[0].Fault == packet.WrongVersion || h.List[0].Fault == packet.ShortHeader {
		return packet.LinkEthernet
	}
	ethernet := len(frame) > 14 && slices.Contains([]string{"0800", "86dd", "0806", "8100"}, hex.EncodeToString(frame[12:14]))
	if ethernet && h.List[0].Fault != packet.NoFault {
		return packet.LinkEthernet
	}
	return packet.LinkRaw
}

// fromCapture explains a frame of a capture file.
func (a *app) fromCapture(f *explainFlags) (*shownFrame, error) {
	s, err := a.openSource(f.cmd.Context(), f.read, nil)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	for {
		switch err := s.next(); {
		case errors.Is(err, io.EOF):
			return nil, term.Usagef("%s has %s: there is no frame %d", f.read, term.Counted(s.number, "frame"), f.frame)
		case err != nil:
			return nil, reading(f.read, err)
		}
		if s.number == f.frame {
			frame := s.frame
			return &shownFrame{packet.LinkType(frame.Link), frame.Data, frame.Length, offload(frame.Flags), nil}, nil
		}
	}
}

// offload says what the flags of a capture file tell of checksums.
func offload(flags capfile.Flags) packet.Offload {
	switch {
	case flags&capfile.FlagChecksumNotReady != 0:
		return packet.OffloadPending
	case flags&capfile.FlagChecksumValid != 0:
		return packet.OffloadValid
	}
	return packet.OffloadUnknown
}
