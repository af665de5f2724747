package packet

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"wirelab/cli/term"
	"wirelab/packet"
	"wirelab/wire/capfile"
)

// readFlags are the flags of read.
type readFlags struct {
	verify     bool
	each       bool
	statistics bool
	follow     uint64
	count      uint64
	write      string
	clock      clockFlag
}

func (a *app) newReadCommand() *cobra.Command {
	var flags readFlags
	cmd := &cobra.Command{
		Use:   "read FILE [FILTER]",
		Short: "Show and check the frames of a capture file",
		Long: "Reads a pcap or pcapng file, compressed with gzip or not, or stdin for \"-\", and shows\n" +
			"a line for each frame. Checksums are judged as Linux would: bad ones are named, partial\n" +
			"ones were left to a device when the frame was captured. The filter is in the language\n" +
			"of tcpdump. A damaged file is shown up to the damage.",
		Example: "  wirelab packet read trace.pcapng tcp port 80 and host 192.0.2.1\n" +
			"  wirelab packet read trace.pcapng --verify\n" +
			"  wirelab packet read trace.pcapng --stats\n" +
			"  wirelab packet read trace.pcapng --follow 1\n" +
			"  wirelab packet read trace.pcapng --each -o json udp",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.read(cmd.Context(), flags, args) },
	}
	f := cmd.Flags()
	f.BoolVar(&flags.verify, "verify", false, "show only frames that are wrong, and count the verdicts; fail if a checksum is bad")
	f.BoolVar(&flags.statistics, "stats", false, "show protocols, conversations and verdicts instead of frames")
	f.Uint64Var(&flags.follow, "follow", 0, "show what TCP conversation `N` carried, as --stats numbers them")
	f.BoolVar(&flags.each, "each", false, "with -o json: a line for each frame before the result")
	f.Uint64Var(&flags.count, "count", 0, "stop after so `many` frames; 0: never")
	f.StringVarP(&flags.write, "write", "w", "", "write the frames to this `file` (.pcap, else pcapng; - is standard output) instead of showing them")
	f.Var(&flags.clock, "time", "how to show times: clock, utc, epoch, relative or delta")
	cmd.MarkFlagsMutuallyExclusive("verify", "stats", "follow", "write")
	cmd.MarkFlagsMutuallyExclusive("each", "follow", "write")
	return cmd
}

func (a *app) read(ctx context.Context, flags readFlags, args []string) error {
	if flags.each && !a.JSON {
		return term.Usagef("--each is for programs: it goes with -o json; without it every frame is shown anyway")
	}
	s, err := a.openSource(ctx, args[0], args[1:])
	if err != nil {
		return err
	}
	defer s.Close()
	switch {
	case flags.follow > 0:
		return a.follow(s, flags.follow)
	case flags.write != "":
		return a.rewrite(s, flags)
	}
	return a.show(s, flags)
}

// show prints lines, statistics, or what is wrong.
func (a *app) show(s *source, flags readFlags) error {
	out := bufio.NewWriterSize(a.Stdout, 64<<10)
	v := &viewer{out: out, flags: flags, json: a.JSON}
	if flags.statistics || a.JSON && !flags.verify && !flags.each {
		v.conversations = newConversations()
	}
	read := v.readAll
	if v.conversations == nil && flags.clock.alone() && flags.count == 0 && s.name != "-" {
		read = v.readParallel
	}
	v.progress = a.readProgress(s)
	damage, err := damageOf(read(s))
	v.progress.Clear()
	if err != nil {
		return err
	}
	report := v.report(s, damage)
	switch {
	case a.JSON && flags.each:
		err = term.UnlessGone(firstError(out.Flush(), a.PrintEvent(report)))
	case a.JSON:
		err = term.UnlessGone(a.PrintJSON(report))
	default:
		a.printReport(out, report, flags)
		err = term.UnlessGone(out.Flush())
	}
	if err != nil {
		return err
	}
	return report.verdict(s.name, flags.verify)
}

// readProgress is about how much of a file was read. Where lines go to the terminal, they
// show it themselves.
func (a *app) readProgress(s *source) *term.Progress {
	plan := term.Plan{Label: "read", Unit: "bytes"}
	if info, err := os.Stat(s.name); err == nil && info.Mode().IsRegular() && !strings.HasSuffix(s.name, ".gz") {
		plan.Total = uint64(info.Size())
	}
	if plan.Total == 0 || term.IsTerminal(a.Stdout) {
		return &term.Progress{}
	}
	return a.Progress(plan)
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// viewer shows frames and counts what it sees.
type viewer struct {
	out   *bufio.Writer
	flags readFlags
	json  bool
	line  []byte
	times timeWriter

	progress      *term.Progress
	totals        totals
	conversations *conversations // nil: not wanted
}

// readAll shows all frames. It returns io.EOF at the end of the file.
func (v *viewer) readAll(s *source) error {
	v.times.form = v.flags.clock
	for v.flags.count == 0 || v.totals.packets < v.flags.count {
		if err := s.next(); err != nil {
			return err
		}
		s.scan()
		v.totals.add(&s.scanned)
		if v.conversations != nil {
			v.conversations.add(&s.scanned)
		}
		if err := v.frame(&s.scanned); err != nil {
			return err
		}
		if s.name == "-" { // others may be waiting for what comes now
			if err := v.out.Flush(); err != nil {
				return err
			}
		}
		if v.totals.packets%1024 == 0 {
			v.progress.Update(uint64(s.reader.Offset()))
		}
	}
	return io.EOF
}

// frame writes the line of a frame, if there is to be one.
func (v *viewer) frame(s *scanned) error {
	v.line = v.append(v.line[:0], s)
	_, err := v.out.Write(v.line)
	return err
}

// append appends the line of a frame, if there is to be one.
func (v *viewer) append(dst []byte, s *scanned) []byte {
	switch {
	case v.json && v.flags.each:
		return appendJSON(dst, s)
	case v.json, v.flags.statistics, v.flags.verify && !wrong(s):
		return dst
	}
	return v.appendLine(dst, s)
}

// wrong reports whether a frame is malformed or has a bad checksum.
func wrong(s *scanned) bool {
	for i := range s.checks {
		if s.checks[i].Verdict == packet.Bad {
			return true
		}
	}
	_, malformed := s.headers.Malformed()
	return malformed
}

// rewrite copies the frames that pass the filter to another file.
func (a *app) rewrite(s *source, flags readFlags) error {
	ring := &capfile.Ring{Path: flags.write, Into: a.into(flags.write), Format: capfile.FormatOf(flags.write)}
	if err := ring.Open(); err != nil {
		return err
	}
	var copied uint64
	damage, err := damageOf(copyFrames(s, ring, flags.count, &copied))
	if closed := ring.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", flags.write, err)
	}
	if flags.write != "-" {
		a.Note("%s written to %s", term.Counted(copied, "frame"), flags.write)
	}
	if damage != nil {
		return term.FailedCheck(fmt.Errorf("%s: %w", s.name, damage))
	}
	return nil
}

func copyFrames(s *source, ring *capfile.Ring, count uint64, copied *uint64) error {
	described := 0
	var numbers []int
	for count == 0 || *copied < count {
		if err := s.next(); err != nil {
			return err
		}
		for ; described < len(s.reader.Interfaces()); described++ {
			number, err := ring.AddInterface(s.reader.Interfaces()[described])
			if err != nil {
				return err
			}
			numbers = append(numbers, number)
		}
		f := *s.frame
		f.Interface = numbers[f.Interface]
		var comment string
		for c := range f.Comments() {
			comment = string(c)
			break
		}
		if err := ring.WriteFrame(&f, comment); err != nil {
			return err
		}
		*copied++
	}
	return nil
}
