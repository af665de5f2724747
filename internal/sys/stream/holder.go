// Package stream has TCP sockets as bare descriptors, for the engines that wait for
// many of them at once or block in the kernel. Whoever is given a descriptor closes it.
package stream

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A Process is a running program as /proc shows it.
type Process struct {
	PID  int
	Name string // the short command name, at most 15 bytes
}

func (p Process) String() string { return fmt.Sprintf("%s (pid %d)", p.Name, p.PID) }

// PortHolder returns the process that listens on a local port ("tcp") or has it
// bound ("udp"). It reads /proc: ok is false where there is none, or when the
// holder belongs to another user and this one may not look.
func PortHolder(network string, port uint16) (holder Process, ok bool) {
	inodes := map[string]bool{}
	for _, table := range []string{network, network + "6"} {
		collectInodes(inodes, "/proc/net/"+table, network == "tcp", port)
	}
	if len(inodes) == 0 {
		return Process{}, false
	}
	return socketOwner(inodes)
}

// collectInodes adds the inode numbers of the sockets in a /proc/net table that
// are bound to port, of a TCP table only those that listen (proc(5)).
func collectInodes(inodes map[string]bool, path string, listening bool, port uint16) {
	const stateListen = "0A"
	f, err := os.Open(path)
	if err != nil {
		return
	}
	defer f.Close()
	suffix := fmt.Sprintf(":%04X", port)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 10 || !strings.HasSuffix(fields[1], suffix) || listening && fields[3] != stateListen {
			continue
		}
		inodes[fields[9]] = true
	}
}

// socketOwner returns the first process that has one of the sockets open.
func socketOwner(inodes map[string]bool) (Process, bool) {
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, link := range links {
		target, err := os.Readlink(link)
		if err != nil {
			continue
		}
		inode, isSocket := strings.CutPrefix(target, "socket:[")
		if !isSocket || !inodes[strings.TrimSuffix(inode, "]")] {
			continue
		}
		dir := filepath.Dir(filepath.Dir(link))
		pid, _ := strconv.Atoi(filepath.Base(dir))
		name, _ := os.ReadFile(filepath.Join(dir, "comm"))
		return Process{PID: pid, Name: string(bytes.TrimSpace(name))}, true
	}
	return Process{}, false
}

// Info is what the kernel knows of a connection.
type Info struct {
	Retransmits uint64        // segments that this end has sent again
	RTT         time.Duration // smoothed
	Window      uint64        // congestion window, in bytes
}
