//go:build !linux

package process

import (
	"fmt"
	"syscall"
	"time"

	"wirelab/internal/sys"
)

// OwnedChild returns the attributes of a process that is in a group of its own.
func OwnedChild() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// OwnedRoot returns the attributes of an OwnedChild: there are no user namespaces here.
func OwnedRoot() *syscall.SysProcAttr { return OwnedChild() }

// ReadUsage returns what a process of the same user has used.
func ReadUsage(pid int) (Usage, error) {
	return Usage{}, fmt.Errorf("usage of process %d: %w", pid, sys.ErrUnsupported)
}

func KernelRelease() (string, error)                { return "", sys.ErrUnsupported }
func ThreadID() int                                 { return 0 }
func DescriptorLimit() (limit, used int, err error) { return 0, 0, sys.ErrUnsupported }
func ReserveDescriptors(int) error                  { return sys.ErrUnsupported }
func Sleep(d time.Duration)                         { time.Sleep(d) }
func PinThread(int) error                           { return sys.ErrUnsupported }
func SetTimerSlack(time.Duration) error             { return sys.ErrUnsupported }
func ReadThreadUse() (ThreadUse, error)             { return ThreadUse{}, sys.ErrUnsupported }
func ThreadCPUTime() (time.Duration, error)         { return 0, sys.ErrUnsupported }
func CPUTime() (time.Duration, error)               { return 0, sys.ErrUnsupported }

func userThreads() (int, bool)  { return 0, false }
func exemptFromUserLimit() bool { return true }
