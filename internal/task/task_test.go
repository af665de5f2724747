package task

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

func waitForEnd(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestRunStopsAllWhenOneFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		drained := false
		err := Run(t.Context(),
			func(context.Context) error { return broken },
			func(ctx context.Context) error {
				<-ctx.Done()
				drained = true
				return nil
			})
		if !errors.Is(err, broken) || !drained {
			t.Fatalf("err = %v, drained = %v; want the task's error after the other drained", err, drained)
		}
	})
}

func TestRunEndsWhenOneTaskIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if err := Run(t.Context(), func(context.Context) error { return nil }, waitForEnd); err != nil {
			t.Fatal(err)
		}
	})
}

func TestRunSwallowsCancellation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- Run(ctx, waitForEnd, waitForEnd) }()
		synctest.Wait()
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	})
}

func TestRunJoinsErrors(t *testing.T) {
	a, b := errors.New("a"), errors.New("b")
	err := Run(t.Context(),
		func(context.Context) error { return a },
		func(ctx context.Context) error { <-ctx.Done(); return b })
	if !errors.Is(err, a) || !errors.Is(err, b) {
		t.Fatalf("err = %v, want both", err)
	}
}

func TestRunWithoutTasks(t *testing.T) {
	if err := Run(t.Context()); err != nil {
		t.Fatal(err)
	}
}
