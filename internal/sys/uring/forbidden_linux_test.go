package uring_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"wirelab/internal/sys"
	"wirelab/internal/sys/uring"
)

// forbidRing makes io_uring_setup fail with errno in this process, for good, as
// container runtimes do.
func forbidRing(errno syscall.Errno) error {
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the call's number
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: unix.SYS_IO_URING_SETUP},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(errno)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	// For all threads, of which a Go program has several: TSYNC also wants each of
	// them without new privileges, which it sees to itself.
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	_, _, failed := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	if failed != 0 {
		return failed
	}
	return nil
}

const forbidVariable = "WIRELAB_TEST_FORBID_RING"

// TestProbeRingForbidden runs itself again in a process where io_uring is forbidden.
func TestProbeRingForbidden(t *testing.T) {
	tests := []struct {
		name  string
		errno syscall.Errno
		want  error
	}{
		{"EPERM", syscall.EPERM, sys.ErrNotPermitted},
		{"EACCES", syscall.EACCES, sys.ErrNotPermitted},
		{"ENOSYS", syscall.ENOSYS, sys.ErrUnsupported},
		{"EINVAL", syscall.EINVAL, sys.ErrUnsupported}, // a kernel that knows none of the flags
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if os.Getenv(forbidVariable) != "" {
				expectForbidden(t, tt.errno, tt.want)
				return
			}
			cmd := exec.Command(os.Args[0], "-test.run", "^TestProbeRingForbidden$/^"+tt.name+"$", "-test.v")
			cmd.Env = append(os.Environ(), forbidVariable+"=1")
			out, err := cmd.CombinedOutput()
			if err != nil || !bytes.Contains(out, []byte("--- PASS: TestProbeRingForbidden/"+tt.name)) {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

func expectForbidden(t *testing.T, errno syscall.Errno, want error) {
	t.Helper()
	if err := forbidRing(errno); err != nil {
		t.Fatal(err)
	}
	if err := uring.Probe(); !errors.Is(err, want) {
		t.Errorf("ProbeRing: %v, want %v", err, want)
	}
	if r, err := uring.New(uring.Config{}); r != nil || !errors.Is(err, want) {
		t.Errorf("NewRing: %v, want %v", err, want)
	}
}
