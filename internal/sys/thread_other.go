//go:build !linux

package sys

import "time"

func SetTimerSlack(time.Duration) error { return ErrUnsupported }
func ReadThreadUse() (ThreadUse, error) { return ThreadUse{}, ErrUnsupported }
