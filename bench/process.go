package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// startTime bounds how long a server may take until it accepts connections.
const startTime = 10 * time.Second

// A server is a running peer.
type server struct {
	addr    string
	port    string
	cmd     *exec.Cmd
	stderr  bytes.Buffer
	ended   chan struct{} // closed when the process has ended and was waited for
	resting usage         // before the first connection that counts
}

// startServer starts the peer on a free port and waits until it accepts
// connections. The caller stops it.
func startServer(ctx context.Context, p peer, built programs) (*server, error) {
	return startProgram(ctx, p, built[p.program], filepath.Dir(built[closedLoop]))
}

// startProgram starts the program at path as the peer, in a directory for its logs
// and for the sockets by which it can be asked, which a killed one leaves behind.
func startProgram(ctx context.Context, p peer, path, dir string) (*server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	s := &server{
		addr:  "127.0.0.1:" + port,
		port:  port,
		cmd:   exec.CommandContext(ctx, path, p.argumentsFor(port)...),
		ended: make(chan struct{}),
	}
	s.cmd.Stderr, s.cmd.Dir = &s.stderr, dir
	s.cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+dir)
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	go func() {
		defer close(s.ended)
		s.cmd.Wait() // how it ended matters only to whoever still expects it to run
	}()
	listens := s.accepts
	if p.datagrams {
		listens = s.bound
	}
	if err = s.await(listens); err == nil {
		s.resting, err = s.usage()
	}
	if err != nil {
		s.stop()
		return nil, fmt.Errorf("%s: %w\n%s", p.name, err, s.stderr.String())
	}
	return s, nil
}

// freePort returns a TCP port of 127.0.0.1 that was free just now.
func freePort() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return strconv.Itoa(listener.Addr().(*net.TCPAddr).Port), nil
}

// accepts returns nil if the server accepts a connection.
func (s *server) accepts() error {
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		return err
	}
	return conn.Close()
}

// bound returns nil if a socket is bound to the server's port. A server of datagrams
// answers nobody who asks whether it is there.
func (s *server) bound() error {
	port, err := strconv.ParseUint(s.port, 10, 16)
	if err != nil {
		return err
	}
	local := fmt.Sprintf(":%04X ", port) // and before it the address, in hexadecimal too
	for _, table := range []string{"udp", "udp6", "tcp", "tcp6"} {
		text, _ := os.ReadFile("/proc/net/" + table)
		for line := range strings.Lines(string(text)) {
			if words := strings.Fields(line); len(words) > 2 && strings.HasSuffix(words[1]+" ", local) {
				return nil
			}
		}
	}
	return errors.New("no socket is bound to its port")
}

// await returns nil once listens does.
func (s *server) await(listens func() error) error {
	deadline := time.After(startTime)
	for {
		err := listens()
		if err == nil {
			return nil
		}
		select {
		case <-s.ended:
			return errors.New("ended at its start")
		case <-deadline:
			return fmt.Errorf("does not listen after %v: %w", startTime, err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// stop ends the server and waits for it.
func (s *server) stop() {
	s.cmd.Process.Kill() // fails only when it has ended
	<-s.ended
}

// usage is what a process has used so far, and holds now.
type usage struct {
	CPU      time.Duration // user and system time of all its threads, those that ended too
	Resident int64         // bytes
	Threads  int
}

// minus returns what was used between before and u; what is held stays.
func (u usage) minus(before usage) usage {
	u.CPU -= before.CPU
	return u
}

// usage reads what the server has used.
func (s *server) usage() (usage, error) {
	cpu, err := processCPU(s.cmd.Process.Pid)
	if err != nil {
		return usage{}, err
	}
	status, err := statusFields(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return usage{}, err
	}
	return usage{CPU: cpu, Resident: status["VmRSS"] << 10, Threads: int(status["Threads"])}, nil
}

// processCPU reads the CPU clock of a process: the sum that utime and stime of
// /proc/PID/stat show in hundredths of a second, in nanoseconds
// (clock_getcpuclockid(3), MAKE_PROCESS_CPUCLOCK of the kernel).
func processCPU(pid int) (time.Duration, error) {
	const sched = 2
	clock := ^pid<<3 | sched
	var t syscall.Timespec
	if _, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, uintptr(clock), uintptr(unsafe.Pointer(&t)), 0); errno != 0 {
		return 0, fmt.Errorf("CPU clock of process %d: %w", pid, errno)
	}
	return time.Duration(t.Nano()), nil
}

// statusFields reads the numbers of a proc_pid_status(5) file, without units.
func statusFields(path string) (map[string]int64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	fields := make(map[string]int64)
	for line := range strings.Lines(string(text)) {
		name, rest, _ := strings.Cut(line, ":")
		if words := strings.Fields(rest); len(words) > 0 {
			if n, err := strconv.ParseInt(words[0], 10, 64); err == nil {
				fields[name] = n
			}
		}
	}
	return fields, nil
}
