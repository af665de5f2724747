package delivery

import (
	"context"
	"errors"
	"testing"
)

// After a run that was interrupted the receiver is asked all the same, for a moment; else as
// long as the run may take.
func TestTimeToAsk(t *testing.T) {
	ended, end := context.WithCancel(t.Context())
	end()
	for _, tt := range []struct {
		run         context.Context
		after       bool
		asks, bound bool
	}{
		{t.Context(), false, true, false}, {t.Context(), true, true, false}, {ended, false, false, false}, {ended, true, true, true},
	} {
		ctx, cancel := TimeToAsk(tt.run, tt.after)
		if _, bound := ctx.Deadline(); bound != tt.bound || (ctx.Err() == nil) != tt.asks {
			t.Errorf("of a run that ended with %v, asked after it %v: %v, with a deadline %v", tt.run.Err(), tt.after, ctx.Err(), bound)
		}
		cancel()
	}
	cause := errors.New("cause")
	if err := AskingError(t.Context(), cause); err != cause {
		t.Errorf("what went wrong is told as %v", err)
	}
	if err := AskingError(ended, cause); err != errAskingCut {
		t.Errorf("an interruption is told as %v", err)
	}
}
