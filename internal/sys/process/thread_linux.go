package process

import (
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"wirelab/internal/sys"
)

// SetTimerSlack says by how much the kernel may delay the timeouts of the calling
// OS thread to wake up less often: 50 us unless set (PR_SET_TIMERSLACK, prctl(2)).
// It means something only to a goroutine that is locked to its thread.
func SetTimerSlack(slack time.Duration) error {
	return sys.NewOpError("prctl PR_SET_TIMERSLACK", unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(max(slack, 1)), 0, 0, 0))
}

// PinThread keeps the calling OS thread on one of the processors that it may use: the
// nth, counted from 0 and, behind the last, from the first again.
func PinThread(n int) error {
	var may, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &may); err != nil {
		return sys.NewOpError("sched_getaffinity", err)
	}
	for cpu, left := 0, n%max(may.Count(), 1); ; cpu++ {
		if !may.IsSet(cpu) {
			continue
		}
		if left--; left < 0 {
			one.Set(cpu)
			return sys.NewOpError("sched_setaffinity", unix.SchedSetaffinity(0, &one))
		}
	}
}

// Sleep blocks the calling OS thread for that long, more exactly than time.Sleep, whose
// timers wake a thread up to a millisecond late. A signal ends it early.
func Sleep(d time.Duration) {
	t := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&t, nil)
}

// ReadThreadUse returns what the calling OS thread has used since it began. It
// means something only to a goroutine that is locked to its thread.
func ReadThreadUse() (ThreadUse, error) {
	cpu, err := ThreadCPUTime()
	if err != nil {
		return ThreadUse{}, err
	}
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &r); err != nil {
		return ThreadUse{}, sys.NewOpError("getrusage", err)
	}
	return ThreadUse{CPU: cpu, Waited: readRunDelay(), Yields: uint64(r.Nvcsw), Preemptions: uint64(r.Nivcsw)}, nil
}

// readRunDelay reads the second field of /proc/thread-self/schedstat, 0 on a
// kernel that does not keep it.
func readRunDelay() time.Duration {
	b, err := os.ReadFile("/proc/thread-self/schedstat")
	fields := strings.Fields(string(b))
	if err != nil || len(fields) < 2 {
		return 0
	}
	ns, _ := strconv.ParseInt(fields[1], 10, 64)
	return time.Duration(ns)
}

// ThreadCPUTime returns the processor time that the calling OS thread has used.
// It means something only to a goroutine that is locked to its thread.
func ThreadCPUTime() (time.Duration, error) { return cpuTime(unix.CLOCK_THREAD_CPUTIME_ID) }

// CPUTime returns the processor time that all threads of this process have used.
func CPUTime() (time.Duration, error) { return cpuTime(unix.CLOCK_PROCESS_CPUTIME_ID) }

func cpuTime(clock int32) (time.Duration, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(clock, &t); err != nil {
		return 0, sys.NewOpError("clock_gettime", err)
	}
	return time.Duration(t.Nano()), nil
}
