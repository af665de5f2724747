// Package process tells what this process, its threads and its children use of the
// machine, and what they may.
package process

import "time"

// Usage is what a process has used since it began, and what it holds now.
type Usage struct {
	CPU         time.Duration // user and system time of all its threads, those that ended too
	Resident    int64         // bytes of memory
	Switches    uint64        // context switches of the threads that it has now; those that ended took theirs along
	Threads     int
	Descriptors int // that it has open
}

// Since returns what was used between before and u. What is held stays.
func (u Usage) Since(before Usage) Usage {
	u.CPU -= before.CPU
	u.Switches -= min(before.Switches, u.Switches)
	return u
}
