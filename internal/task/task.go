// Package task runs the long-lived parts of a process together, in stages: what others
// need is up before them and goes down after them, the first failure or the context's
// end stops everything, and nothing outlives [Run].
package task

import (
	"context"
	"errors"
	"sync"
)

// A Task is a long-lived part of a process.
type Task struct {
	Name string // as people know it: "udp 127.0.0.1:12345"

	// Run runs until ctx is cancelled or it fails. When cancelled it finishes what it
	// has begun (it drains), within bounds of its own, and returns nil or ctx's error;
	// nothing that it started is left when it returns.
	Run func(ctx context.Context) error

	// Ready is closed by Run once others may rely on the task; nil: at once.
	Ready <-chan struct{}
}

// A Stage is tasks that start and end together.
type Stage []Task

// An Error names the task that failed.
type Error struct {
	Task string
	Err  error
}

func (e *Error) Error() string { return e.Task + ": " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Run starts one stage after the other, each when all tasks of the one before are
// ready, and waits until ctx ends or a task does, with an error or without: the parts
// of a laboratory live together. Then it ends the stages in reverse order, each when
// all tasks of the one after it have returned. A later stage is not started when a task
// ends before that.
//
// Run returns when every task has. Its error joins an [*Error] for each task that
// failed, in the order of the stages; that a task was cancelled is no failure.
func Run(ctx context.Context, stages ...Stage) error {
	g := group{ended: make(chan struct{})}
	for _, stage := range stages {
		s := g.start(ctx, stage)
		g.running = append(g.running, s)
		if !g.await(ctx, stage) {
			break
		}
	}
	if len(g.running) > 0 {
		g.wait(ctx, g.ended)
	}
	var errs []error
	for i := len(g.running) - 1; i >= 0; i-- {
		errs = append(g.running[i].end(context.Cause(ctx)), errs...)
	}
	return errors.Join(errs...)
}

// A group is the stages that one Run has started.
type group struct {
	running []*running
	once    sync.Once
	ended   chan struct{} // closed when a task has ended
}

// A running stage.
type running struct {
	cancel context.CancelCauseFunc
	tasks  sync.WaitGroup
	errs   []error // one for each task
}

// start runs the tasks of a stage. They are cancelled by end, not by ctx, so that
// those of a later stage are first.
func (g *group) start(ctx context.Context, stage Stage) *running {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	s := &running{cancel: cancel, errs: make([]error, len(stage))}
	for i, t := range stage {
		s.tasks.Go(func() {
			defer g.once.Do(func() { close(g.ended) })
			if err := t.Run(ctx); err != nil && !errors.Is(err, context.Canceled) && err != context.Cause(ctx) {
				s.errs[i] = &Error{t.Name, err}
			}
		})
	}
	return s
}

// await waits until all tasks of a stage are ready, and reports whether the next may
// start.
func (g *group) await(ctx context.Context, stage Stage) bool {
	for _, t := range stage {
		if t.Ready != nil && !g.wait(ctx, t.Ready) {
			return false
		}
	}
	select {
	case <-g.ended:
		return false
	default:
		return ctx.Err() == nil
	}
}

// wait waits for happened, and reports false if ctx or a task ends before.
func (g *group) wait(ctx context.Context, happened <-chan struct{}) bool {
	select {
	case <-happened:
		return true
	case <-g.ended:
	case <-ctx.Done():
	}
	return false
}

// end cancels the tasks, waits for all, and returns the errors of those that failed.
func (s *running) end(cause error) []error {
	s.cancel(cause)
	s.tasks.Wait()
	var failed []error
	for _, err := range s.errs {
		if err != nil {
			failed = append(failed, err)
		}
	}
	return failed
}
