package process

import "time"

// ThreadUse is what an OS thread has used of the machine.
type ThreadUse struct {
	CPU         time.Duration // processor time
	Waited      time.Duration // ready to run, but without a processor; 0 where the kernel does not say
	Yields      uint64        // switches because it waited for something
	Preemptions uint64        // switches because another thread was to run
}

// Sub returns what was used since before.
func (u ThreadUse) Sub(before ThreadUse) ThreadUse {
	return ThreadUse{u.CPU - before.CPU, u.Waited - before.Waited, u.Yields - before.Yields, u.Preemptions - before.Preemptions}
}
