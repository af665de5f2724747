package task

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"wirelab/internal/require"
)

// A diary notes who began and who ended.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) note(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

// task returns a task that runs until it is cancelled, and needs a while to end.
func (d *diary) task(name string) Task {
	return Task{Name: name, Run: func(ctx context.Context) error {
		d.note("+" + name)
		<-ctx.Done()
		time.Sleep(time.Second)
		d.note("-" + name)
		return ctx.Err()
	}}
}

func failing(name string, err error) Task {
	return Task{Name: name, Run: func(context.Context) error { return err }}
}

func TestStagesGoUpInOrderAndDownInReverse(t *testing.T) {
	require.NoLeaks(t)
	synctest.Test(t, func(t *testing.T) {
		var d diary
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		slow := d.task("clock")
		ready := make(chan struct{})
		slow.Ready = ready
		run := slow.Run
		slow.Run = func(ctx context.Context) error {
			time.Sleep(time.Minute)
			d.note("ready")
			close(ready)
			return run(ctx)
		}
		go func() { done <- Run(ctx, Stage{d.task("logs")}, Stage{slow}, Stage{d.task("server")}) }()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if want := []string{"+logs", "ready", "+clock", "+server", "-server", "-clock", "-logs"}; !slices.Equal(d.lines, want) {
			t.Errorf("%v, want %v", d.lines, want)
		}
	})
}

func TestWhoFailedIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		broken := errors.New("broken")
		err := Run(t.Context(), Stage{d.task("logs")}, Stage{d.task("tcp"), failing("udp", broken)})
		var failed *Error
		if !errors.Is(err, broken) || !errors.As(err, &failed) || failed.Task != "udp" || err.Error() != "udp: broken" {
			t.Errorf("%v", err)
		}
		if last := d.lines[len(d.lines)-1]; last != "-logs" {
			t.Errorf("%v", d.lines)
		}
	})
}

// All that failed are in the error, those of the first stage first.
func TestErrorsAreJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late := Task{Name: "logs", Run: func(ctx context.Context) error { <-ctx.Done(); return errors.New("disk full") }}
		err := Run(t.Context(), Stage{late}, Stage{failing("udp", errors.New("broken"))})
		if err == nil || strings.Join(strings.Fields(err.Error()), " ") != "logs: disk full udp: broken" {
			t.Errorf("%v", err)
		}
	})
}

func TestLaterStagesDoNotStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended, end := context.WithCancel(t.Context())
		end()
		never := make(chan struct{})
		for name, tt := range map[string]struct {
			ctx   context.Context
			first Task
			want  error
		}{
			"failed before it was ready": {t.Context(), Task{"a", func(context.Context) error { return errors.ErrUnsupported }, never}, errors.ErrUnsupported},
			"ended before it was ready":  {t.Context(), Task{"a", func(context.Context) error { return nil }, never}, nil},
			"cancelled":                  {ended, Task{"a", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, nil}, nil},
		} {
			err := Run(tt.ctx, Stage{tt.first}, Stage{{Name: "b", Run: func(context.Context) error { t.Errorf("%s: started", name); return nil }}})
			if !errors.Is(err, tt.want) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestOneThatIsDoneEndsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		if err := Run(t.Context(), Stage{d.task("a"), failing("done", nil)}); err != nil || len(d.lines) != 2 {
			t.Errorf("%v: %v", err, d.lines)
		}
	})
}

// A cancelled task may return why it was cancelled, and see the values of the context.
func TestCauseIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		signal := errors.New("terminated")
		ctx, cancel := context.WithCancelCause(context.WithValue(t.Context(), key{}, "value"))
		cancel(signal)
		err := Run(ctx, Stage{{Name: "a", Run: func(ctx context.Context) error {
			<-ctx.Done()
			if ctx.Value(key{}) != "value" {
				t.Error("no value")
			}
			return context.Cause(ctx)
		}}})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestRunWithoutTasks(t *testing.T) {
	if err := Run(t.Context()); err != nil {
		t.Error(err)
	}
}
