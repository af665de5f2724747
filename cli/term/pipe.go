package term

import (
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// OutliveReaders lets the process go on when whoever reads what it prints has gone
// away, as tee does at a Ctrl-C that reaches both. Else SIGPIPE would end it at its
// next line, and leave its ready file or the draft of a report behind.
//
// It lasts until the process ends, for the last complaint too. The signal is taken and
// not ignored, because programs that this one starts would inherit that.
func OutliveReaders() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }

// UnlessGone returns the error of printing, and nil if all that is wrong is that the
// reader has gone away.
func UnlessGone(err error) error {
	if errors.Is(err, syscall.EPIPE) {
		return nil
	}
	return err
}
