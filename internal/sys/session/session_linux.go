package session

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// maxAncestors bounds the walk to init: /proc can change under it.
const maxAncestors = 256

// userHertz is how many ticks of proc_pid_stat(5) make a second, on every
// architecture that Go knows.
const userHertz = 100

// Boottime returns the time since the machine was started, suspended or not.
func Boottime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		panic("CLOCK_BOOTTIME, which Linux has since 2.6.39: " + err.Error())
	}
	return time.Duration(t.Nano())
}

// BootID returns what the kernel calls this boot, another one after each.
func BootID() (string, error) {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return string(bytes.TrimSpace(text)), err
}

// PeerOf returns who connected to, or listens at, the other end of a Unix socket
// (SO_PEERCRED, unix(7)). The pid is 0 if it is of another pid namespace.
func PeerOf(conn *net.UnixConn) (pid, uid int, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, 0, err
	}
	var cred *unix.Ucred
	var failed error
	err = raw.Control(func(fd uintptr) {
		cred, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err = errors.Join(err, failed); err != nil {
		return 0, 0, fmt.Errorf("credentials of the peer: %w", err)
	}
	return int(cred.Pid), int(cred.Uid), nil
}

// Ancestry returns a process and its ancestors, nearest first, without init.
func Ancestry(pid int) ([]Process, error) {
	var chain []Process
	for pid > 1 && len(chain) < maxAncestors {
		p, err := Read(pid)
		if err != nil {
			return nil, err
		}
		chain = append(chain, p)
		pid = p.Parent
	}
	return chain, nil
}

// Read returns a process by its number.
func Read(pid int) (Process, error) {
	dir := "/proc/" + strconv.Itoa(pid)
	text, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return Process{}, fmt.Errorf("process %d: %w", pid, err)
	}
	p, err := parseStat(string(text))
	if err != nil {
		return Process{}, fmt.Errorf("process %d: %w", pid, err)
	}
	if exe, err := os.Readlink(dir + "/exe"); err == nil {
		p.Program = filepath.Base(strings.TrimSuffix(exe, " (deleted)"))
	}
	p.Audit = NoAudit
	if text, err := os.ReadFile(dir + "/sessionid"); err == nil {
		if id, err := strconv.ParseUint(string(bytes.TrimSpace(text)), 10, 32); err == nil {
			p.Audit = uint32(id)
		}
	}
	return p, nil
}

var errStat = errors.New("unknown form of /proc/PID/stat")

// parseStat reads the fields of proc_pid_stat(5). The command name stands in
// brackets, and may have brackets and spaces itself.
func parseStat(text string) (Process, error) {
	const parent, terminal, started = 4 - 3, 7 - 3, 22 - 3 // numbered as in the manual, which starts at 1
	open, end := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	if open < 1 || end < open {
		return Process{}, errStat
	}
	fields := strings.Fields(text[end+1:])
	if len(fields) <= started {
		return Process{}, errStat
	}
	pid, err1 := strconv.Atoi(strings.TrimSpace(text[:open]))
	ppid, err2 := strconv.Atoi(fields[parent])
	tty, err3 := strconv.ParseInt(fields[terminal], 10, 64)
	ticks, err4 := strconv.ParseInt(fields[started], 10, 64)
	if errors.Join(err1, err2, err3, err4) != nil {
		return Process{}, errStat
	}
	return Process{
		PID: pid, Parent: ppid, Program: text[open+1 : end],
		Started: time.Duration(ticks) * (time.Second / userHertz), Terminal: Terminal(tty),
	}, nil
}

// Kill ends a process with SIGKILL, and waits until it is gone or the time is up.
// It holds the process by a pidfd, so that no other one is hit that got its number.
func Kill(pid int, wait time.Duration) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("kill process %d: %w", pid, err)
	}
	defer unix.Close(fd)
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("kill process %d: %w", pid, err)
	}
	until := time.Now().Add(wait)
	for time.Now().Before(until) {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(poll, int(time.Until(until).Milliseconds())+1)
		if n == 1 {
			return nil
		}
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("kill process %d: %w", pid, err)
		}
	}
	return fmt.Errorf("kill process %d: it is still there after %v", pid, wait)
}

// NetworkNamespace returns what tells the network namespace of the calling thread
// from all others of this boot, such as "netns-4097" (SO_NETNS_COOKIE, Linux 5.14), or
// else from those that exist now, such as "net:[4026531840]".
func NetworkNamespace() string {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		defer unix.Close(fd)
		if cookie, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE); err == nil {
			return fmt.Sprintf("netns-%d", cookie)
		}
	}
	name, _ := os.Readlink("/proc/thread-self/ns/net")
	return name
}

// FirstNamespace reports whether the calling thread is in the network namespace of
// process 1, where what process 1 starts will be too. Where that cannot be seen the
// kernel's own threads tell, which are in the first one of all. Only root may know
// better than true.
func FirstNamespace() bool {
	own, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		return true
	}
	if first, err := os.Readlink("/proc/1/ns/net"); err == nil {
		return first == own
	}
	name, _ := os.ReadFile("/proc/2/comm")
	first, err := os.Readlink("/proc/2/ns/net")
	return err != nil || string(bytes.TrimSpace(name)) != "kthreadd" || first == own
}
