//go:build !linux

package sys

import "time"

func SetTimerSlack(time.Duration) error     { return ErrUnsupported }
func ReadThreadUse() (ThreadUse, error)     { return ThreadUse{}, ErrUnsupported }
func ThreadCPUTime() (time.Duration, error) { return 0, ErrUnsupported }
func CPUTime() (time.Duration, error)       { return 0, ErrUnsupported }
