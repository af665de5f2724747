package cli

import (
	"context"
	"errors"
	"net/netip"
	"syscall"

	"github.com/spf13/cobra"

	"wirelab/cli/config"
	"wirelab/load"
)

// A measurement says how a report comes about, how it is shown, and what it deserves.
type measurement[R any] struct {
	run     func(context.Context) (R, error)
	print   func(R) error
	verdict func(context.Context, R) error // the error that ends the command
}

// perform measures, saves the report if that is asked for, shows it, and judges it.
func perform[R any](a *app, cmd *cobra.Command, save *saveFlag, m measurement[R]) error {
	outliveReaders()
	saver, err := save.open()
	if err != nil {
		return err
	}
	defer saver.close()
	report, err := m.run(cmd.Context())
	if err != nil {
		return err
	}
	// Saved first: what goes wrong with showing it must not cost the report.
	if err := errors.Join(saver.save(a.args, report), unlessGone(m.print(report))); err != nil {
		return err
	}
	saver.announce(a)
	return m.verdict(cmd.Context(), report)
}

// prepareLoad returns the settings and the targets, of which there may be so many.
func (a *app) prepareLoad(cmd *cobra.Command, args []string, most int) (*config.Config, []netip.AddrPort, error) {
	settings, err := a.settings(cmd)
	if err != nil {
		return nil, nil, err
	}
	all, err := targets(cmd.Context(), settings, args, most)
	return settings, all, err
}

// verdict returns the error that ends a command whose report was interrupted or not,
// and says that something failed, or nothing.
func verdict(ctx context.Context, interrupted bool, failed error) error {
	switch {
	case failed != nil:
		return failedCheck(failed)
	case interrupted:
		return ctx.Err()
	}
	return nil
}

// explainLoad says why a load could not be run, and what to do. The handler is that
// of a server that takes it; empty: the usual one.
func explainLoad(err error, network, target, handler string) error {
	switch {
	case errors.Is(err, load.ErrConfig):
		return usagef("%w", err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return failedCheck(refusedError{err: err, network: network, address: target, handler: handler})
	}
	return err
}
