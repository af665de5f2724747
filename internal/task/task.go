// Package task runs the long-lived parts of a process together: they start
// together, the first failure or the context's end stops all of them, and
// nothing outlives Run.
package task

import (
	"context"
	"errors"
	"sync"
)

// A Task runs until ctx is cancelled or it fails. When cancelled it finishes
// what it has begun (it drains), within bounds of its own, and returns nil or
// ctx's error; nothing that it started is left when it returns.
type Task func(ctx context.Context) error

// Run runs all tasks at the same time and returns when every one has ended.
// A task that ends, with or without an error, ends the others: the parts of a
// laboratory live together. Run returns the tasks' errors joined, without those
// that only say that the context was cancelled.
func Run(ctx context.Context, tasks ...Task) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(tasks))
	var wg sync.WaitGroup
	for i, t := range tasks {
		wg.Go(func() {
			defer cancel()
			if err := t(ctx); !errors.Is(err, context.Canceled) {
				errs[i] = err
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
