package delivery

import (
	"context"
	"errors"
	"time"
)

// AskedAtOnce is how many senders a receiver is asked about at the same time: their
// requests find room in its smallest buffer.
const AskedAtOnce = 128

// askInterrupted is how long the receiver is asked after a run that was interrupted:
// its counts are wanted too, but whoever interrupted it waits.
const askInterrupted = time.Second

var errAskingCut = errors.New("asking it was interrupted")

// TimeToAsk returns the context for asking before or after a run of ctx.
func TimeToAsk(ctx context.Context, after bool) (context.Context, context.CancelFunc) {
	if after && ctx.Err() != nil {
		return context.WithTimeout(context.WithoutCancel(ctx), askInterrupted)
	}
	return context.WithCancel(ctx)
}

// AskingError returns err, or that asking was interrupted if ctx has ended.
func AskingError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errAskingCut
	}
	return err
}
