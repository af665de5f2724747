package time_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"wirelab/cli/clitest"
	"wirelab/internal/require"
	"wirelab/internal/sys/clock"
	"wirelab/server/ntp"
	"wirelab/server/udp"
)

// aheadBy is how far the server of these tests is ahead.
const aheadBy = 350 * time.Millisecond

// A steering is a run of time sync --steer that believes it steers this host's clock. Twice
// it cannot: strace answers each clock_adjtime in the place of the kernel, and the
// process has no CAP_SYS_TIME, with which strace only pretends that it is there.
type steering struct {
	cmd   *exec.Cmd
	calls string // file of what it asked of the kernel
	out   bytes.Buffer
}

func steer(t *testing.T, server netip.AddrPort, answer string) *steering {
	t.Helper()
	s := &steering{calls: filepath.Join(t.TempDir(), "calls")}
	const capSysTime = "poke_exit=@arg2=000000020000000200000000" // as capget would write it
	s.cmd = exec.Command(require.Program(t, "strace"), "-f", "-qq", "-o", s.calls,
		"-e", "trace=clock_adjtime,adjtimex,clock_settime,settimeofday,capget", "-e", "signal=none",
		"-e", "inject=clock_adjtime,adjtimex,clock_settime,settimeofday:"+answer, "-e", "inject=capget:"+capSysTime,
		require.Program(t, "setpriv"), "--bounding-set", "-sys_time", "--inh-caps", "-sys_time",
		require.Program(t, "wirelab"), "time", "sync", server.String(), "--steer", "--force", "--min-poll", "125ms", "--max-poll", "250ms")
	s.cmd.Env = append(clitest.Env(t), "WIRELAB_LOGS_DIR=logs")
	s.cmd.Dir = t.TempDir()
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	s.cmd.Stdout, s.cmd.Stderr = &s.out, &s.out
	return s
}

// stop interrupts wirelab; strace itself leaves signals to what it traces.
func (s *steering) stop(t *testing.T) {
	t.Helper()
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGINT)
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, &s.out)
	}
}

// asked returns the calls so far, and fails if the kernel has seen one that asks for a change.
func (s *steering) asked(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(s.calls)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var calls []string
	for line := range strings.Lines(string(text)) {
		whole := strings.HasSuffix(line, "\n") // strace may be writing the last one
		if !whole || !strings.Contains(line, "_adjtime(") || strings.Contains(line, "unfinished") {
			continue
		}
		if !strings.Contains(line, "(INJECTED)") {
			t.Errorf("the kernel got %s", line)
		}
		calls = append(calls, line)
	}
	return calls
}

// untouched checks in the end that the clock is as it was.
func untouched(t *testing.T) {
	t.Helper()
	look := func() (clock.Reading, clock.State) {
		r, err := clock.Read()
		if err != nil {
			t.Fatal(err)
		}
		s, err := clock.ReadState()
		if err != nil {
			t.Fatal(err)
		}
		s.MaxError, s.EstimatedError = 0, 0 // grow by themselves
		return r, s
	}
	began, before := look()
	t.Cleanup(func() {
		ended, after := look()
		if before != after {
			t.Errorf("adjtimex was %+v, is %+v", before, after)
		}
		if moved := (ended.Real - began.Real) - (ended.Monotonic - began.Monotonic); moved.Abs() > time.Millisecond {
			t.Errorf("CLOCK_REALTIME was set by %v", moved)
		}
	})
}

// serverAhead runs an NTP server whose clock is aheadBy ahead.
func serverAhead(t *testing.T) netip.AddrPort {
	t.Helper()
	r, err := ntp.New(ntp.Config{})
	if err != nil {
		t.Fatal(err)
	}
	reference := ntp.LocalReference(1, time.Now())
	r.SetReference(&reference)
	s, err := ntp.Listen(udp.Config{Addr: netip.MustParseAddrPort("127.0.0.1:0"), ClockOffset: aheadBy}, r)
	require.Supported(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s.Addr()
}

// What time sync --steer asks of the kernel: a step of what the clock is off, frequencies within
// what it may order, and in the end that nobody keeps the clock right any more.
func TestSteeringAsksTheKernel(t *testing.T) {
	t.Parallel()
	require.Root(t)
	untouched(t)
	s := steer(t, serverAhead(t), "retval=0")
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	step := regexp.MustCompile(`modes=ADJ_SETOFFSET\|ADJ_NANO.*time=\{tv_sec=0, tv_usec=(\d+)\}`)
	var stepped []string
	for end := time.Now().Add(60 * time.Second); stepped == nil; time.Sleep(100 * time.Millisecond) {
		stepped = step.FindStringSubmatch(strings.Join(s.asked(t), ""))
		if time.Now().After(end) {
			s.stop(t)
			t.Fatalf("no step: %s%s", s.asked(t), &s.out)
		}
	}
	s.stop(t)
	if ns, _ := strconv.ParseFloat(stepped[1], 64); math.Abs(ns-float64(aheadBy)) > 1e6 {
		t.Errorf("a step of %v ns", ns)
	}
	calls := s.asked(t)
	for _, f := range regexp.MustCompile(`modes=ADJ_FREQUENCY.*freq=(-?\d+)`).FindAllStringSubmatch(strings.Join(calls, ""), -1) {
		if freq, _ := strconv.ParseFloat(f[1], 64); math.Abs(freq) > 500<<16 {
			t.Errorf("frequency %s", f[1])
		}
	}
	last := calls[len(calls)-1]
	if want := "modes=ADJ_MAXERROR|ADJ_ESTERROR|ADJ_STATUS|ADJ_NANO"; !strings.Contains(last, want) || !strings.Contains(last, "status=STA_UNSYNC|STA_NANO") {
		t.Errorf("in the end it says %s", last)
	}
}

// A kernel that refuses ends it, with the reason and status 3.
func TestSteeringThatIsRefused(t *testing.T) {
	t.Parallel()
	require.Root(t)
	untouched(t)
	s := steer(t, serverAhead(t), "error=EPERM")
	err := s.cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 3 || !strings.Contains(s.out.String(), "CLOCK_REALTIME") && !strings.Contains(s.out.String(), "adjtimex") {
		t.Errorf("%v: %s\n%s", err, &s.out, fmt.Sprint(s.asked(t)))
	}
}
