package steer

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	kernel "wirelab/internal/sys/clock"
	"wirelab/internal/sys/process"
)

// Facts is what can be seen of who steers this host's clock.
type Facts struct {
	Span          time.Duration // between the two looks
	Before, After kernel.Reading
	StateBefore   kernel.State
	StateAfter    kernel.State
	Processes     []process.Listed
	Release       string   // of the kernel; that of WSL2 says so
	PTP           []string // names of the clocks that a host offers its guest
	Self          int      // process id that does not count
}

// Look gathers the facts; it takes span, at least some seconds to see a slow slew.
func Look(ctx context.Context, span time.Duration) (Facts, error) {
	f := Facts{Span: span, Self: os.Getpid()}
	var err error
	if f.Before, err = kernel.Read(); err != nil {
		return f, err
	}
	if f.StateBefore, err = kernel.ReadState(); err != nil {
		return f, err
	}
	timer := time.NewTimer(span)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return f, context.Cause(ctx)
	case <-timer.C:
	}
	if f.After, err = kernel.Read(); err != nil {
		return f, err
	}
	if f.StateAfter, err = kernel.ReadState(); err != nil {
		return f, err
	}
	f.Processes = process.List()
	f.Release, _ = process.KernelRelease() // without it WSL2 is not recognised
	f.PTP = ptpClocks()
	return f, nil
}

// ptpClocks returns the names of the PTP clocks, by which hypervisors offer their time.
func ptpClocks() []string {
	files, _ := filepath.Glob("/sys/class/ptp/ptp*/clock_name")
	var names []string
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil {
			names = append(names, strings.TrimSpace(string(text)))
		}
	}
	return names
}
