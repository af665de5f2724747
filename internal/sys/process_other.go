//go:build !linux

package sys

import (
	"fmt"
	"syscall"
)

// OwnedChild returns the attributes of a process that is in a group of its own.
func OwnedChild() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// ReadProcessUsage returns what a process of the same user has used.
func ReadProcessUsage(pid int) (ProcessUsage, error) {
	return ProcessUsage{}, fmt.Errorf("usage of process %d: %w", pid, ErrUnsupported)
}
