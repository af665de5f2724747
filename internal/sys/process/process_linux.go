package process

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"wirelab/internal/sys"
)

// OwnedChild returns the attributes of a process that is in a group of its own, so
// that a terminal's Ctrl-C does not reach it, and that the kernel kills when the
// thread that started it ends (PR_SET_PDEATHSIG(2const)). Whoever starts it locks
// the goroutine to its thread, and keeps both until the process has ended.
func OwnedChild() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// OwnedRoot returns the attributes of an OwnedChild that is root in a user namespace of
// its own, in which it may make namespaces of other kinds (user_namespaces(7)). Files it
// reads and writes as this process does.
func OwnedRoot() *syscall.SysProcAttr {
	attributes := OwnedChild()
	attributes.Cloneflags = syscall.CLONE_NEWUSER
	attributes.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
	attributes.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	return attributes
}

// ReadUsage returns what a process of the same user has used. The parts are
// read one after the other, and agree only while the process rests.
func ReadUsage(pid int) (Usage, error) {
	var u Usage
	var err error
	if u.CPU, err = processCPUTime(pid); err != nil {
		return u, err
	}
	proc := fmt.Sprintf("/proc/%d", pid)
	if u.Resident, err = residentBytes(proc); err != nil {
		return u, err
	}
	if u.Threads, u.Switches, err = contextSwitches(proc + "/task"); err != nil {
		return u, err
	}
	descriptors, err := os.ReadDir(proc + "/fd")
	u.Descriptors = len(descriptors)
	return u, sys.NewOpError("count descriptors", err)
}

// processCPUTime reads the processor clock of a process: the sum that utime and
// stime of proc_pid_stat(5) show in hundredths of a second, in nanoseconds. The
// clock's number is what clock_getcpuclockid(3) returns.
func processCPUTime(pid int) (time.Duration, error) {
	const sched = 2
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|sched), &t); err != nil {
		return 0, sys.NewOpError(fmt.Sprintf("processor clock of process %d", pid), err)
	}
	return time.Duration(t.Nano()), nil
}

// residentBytes prefers smaps_rollup, which counts pages: what status says is
// behind by what each processor has not added yet (proc_pid_status(5)).
func residentBytes(proc string) (int64, error) {
	for _, source := range []struct{ file, field string }{{"/smaps_rollup", "Rss"}, {"/status", "VmRSS"}} {
		text, err := os.ReadFile(proc + source.file)
		if err != nil {
			continue
		}
		if kib, ok := procField(text, source.field); ok {
			return int64(kib) << 10, nil
		}
	}
	return 0, fmt.Errorf("resident memory of %s: %w", proc, sys.ErrUnsupported)
}

// contextSwitches counts the threads in a task directory, and sums up their
// voluntary and involuntary context switches.
func contextSwitches(tasks string) (threads int, switches uint64, err error) {
	entries, err := os.ReadDir(tasks)
	if err != nil {
		return 0, 0, sys.NewOpError("count threads", err)
	}
	for _, task := range entries {
		text, err := os.ReadFile(tasks + "/" + task.Name() + "/status")
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // the thread has ended
		}
		if err != nil {
			return 0, 0, sys.NewOpError("count context switches", err)
		}
		voluntary, _ := procField(text, "voluntary_ctxt_switches")
		involuntary, _ := procField(text, "nonvoluntary_ctxt_switches")
		threads++
		switches += voluntary + involuntary
	}
	return threads, switches, nil
}

// procField returns the number of a line such as "VmRSS:  1234 kB", without its unit.
func procField(text []byte, name string) (uint64, bool) {
	for line := range bytes.Lines(text) {
		field, rest, found := bytes.Cut(line, []byte(":"))
		if !found || string(field) != name {
			continue
		}
		words := bytes.Fields(rest)
		if len(words) == 0 {
			return 0, false
		}
		n, err := strconv.ParseUint(string(words[0]), 10, 62)
		return n, err == nil
	}
	return 0, false
}

// KernelRelease returns the release of the running kernel, such as
// "6.18.2-amd64" (uname(2)).
func KernelRelease() (string, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "", sys.NewOpError("uname", err)
	}
	return unix.ByteSliceToString(u.Release[:]), nil
}

// ThreadID returns the id of the calling OS thread, as ps -L shows it. It means
// something only to a goroutine that is locked to its thread.
func ThreadID() int { return unix.Gettid() }
