package term

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"wirelab/internal/atomicfile"
	"wirelab/report"
)

// A SaveFlag is --save of the commands that measure.
type SaveFlag struct{ name string }

// Add gives cmd the flag.
func (f *SaveFlag) Add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.name, "save", "", "`file` to save the report to, for 'wirelab report'")
}

// A saver is a file that a report will be saved to. It is made before the
// measurement, so that one of an hour is not lost because of a misspelt directory.
type saver struct {
	name string
	file *atomicfile.File // nil: nothing is to be saved
}

// open makes the saver that the flag asks for. The caller closes it.
func (f *SaveFlag) open() (*saver, error) {
	if f.name == "" {
		return &saver{}, nil
	}
	file, err := atomicfile.Create(f.name, 0o644)
	switch {
	case errors.Is(err, atomicfile.ErrNotRegular):
		return nil, Usagef("--save %s: not a file", f.name)
	case err != nil:
		return nil, fmt.Errorf("--save: %w", err)
	}
	return &saver{f.name, file}, nil
}

// save writes the report in place of what the file was, as a whole or not at all.
func (s *saver) save(args []string, measured any) error {
	if s.file == nil {
		return nil
	}
	err := report.Save(s.file, time.Now(), commandLine(args), thisMachine(), measured)
	if err == nil {
		err = s.file.Commit()
	}
	if err != nil {
		return fmt.Errorf("--save %s: %w", s.name, err)
	}
	return nil
}

// announce says to people how to look at what was saved.
func (s *saver) announce(c *Console) {
	if s.file != nil && !c.JSON {
		c.Note("saved; look at it: wirelab report show %s", shellQuote(s.name))
	}
}

// close removes what is left if nothing was saved.
func (s *saver) close() {
	if s.file != nil {
		s.file.Discard()
	}
}

// commandLine returns what a shell takes to run wirelab with args.
func commandLine(args []string) string {
	line := "wirelab"
	for _, arg := range args {
		line += " " + shellQuote(arg)
	}
	return line
}

// shellQuote returns s as a shell takes it for one word.
func shellQuote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:,=+@%", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// A SavedKind is a kind of report that 'wirelab report show' prints as the command
// did that saved it.
type SavedKind struct {
	report.Kind
	// Printer returns what prints a report of this kind. Its error is that of a report
	// that makes no sense; nothing is printed before that is known.
	Printer func(json.RawMessage) (print func() error, err error)
}

// A Measurement says how a report comes about, how it is shown, and what it deserves.
type Measurement[R any] struct {
	Run     func(context.Context) (R, error)
	Print   func(R) error
	Verdict func(context.Context, R) error // the error that ends the command
}

// Perform measures, saves the report if that is asked for, shows it, and judges it.
func Perform[R any](c *Console, cmd *cobra.Command, save *SaveFlag, m Measurement[R]) error {
	OutliveReaders()
	saver, err := save.open()
	if err != nil {
		return err
	}
	defer saver.close()
	report, err := m.Run(cmd.Context())
	if err != nil {
		return err
	}
	// Saved first: what goes wrong with showing it must not cost the report.
	if err := errors.Join(saver.save(c.Args, report), UnlessGone(m.Print(report))); err != nil {
		return err
	}
	saver.announce(c)
	return m.Verdict(cmd.Context(), report)
}

// Verdict returns the error that ends a command whose report was interrupted or not,
// and says that something failed, or nothing.
func Verdict(ctx context.Context, interrupted bool, failed error) error {
	switch {
	case failed != nil:
		return FailedCheck(failed)
	case interrupted:
		return ctx.Err()
	}
	return nil
}
