package term

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
)

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
