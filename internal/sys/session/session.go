// Package session tells where a process comes from: its ancestors, its terminal,
// its audit session, and the TCP peer at the other end of the login that it runs
// in. It reads /proc and asks the kernel for the credentials of a socket's peer;
// nothing that a process says about itself is believed.
package session

import (
	"net/netip"
	"slices"
	"strconv"
	"time"
)

// NoAudit is the audit session id of a process that no login has given one.
const NoAudit = 1<<32 - 1

// A Process is a running program as proc_pid_stat(5) shows it.
type Process struct {
	PID, Parent int
	Program     string        // base name of the executable, or the short command name
	Started     time.Duration // CLOCK_BOOTTIME, in steps of 10 ms
	Terminal    Terminal
	Audit       uint32 // audit session id; NoAudit if there is none
}

func (p Process) String() string { return p.Program + " (pid " + strconv.Itoa(p.PID) + ")" }

// RemoteLogin reports whether the program serves logins over the network. OpenSSH
// calls the process of a session sshd-session since 9.8.
func (p Process) RemoteLogin() bool {
	return slices.Contains([]string{"sshd", "sshd-session", "sshd-auth", "dropbear", "dropbearmulti"}, p.Program)
}

// A Terminal is the device number of a controlling terminal as tty_nr in
// proc_pid_stat(5) has it; 0 is none.
type Terminal uint32

// Console reports whether the terminal is a screen or a serial line of the machine,
// and not a pseudo-terminal (majors 2, 3 and 136 to 143 of the kernel's list).
func (t Terminal) Console() bool {
	major := t >> 8 & 0xfff
	return t != 0 && major != 2 && major != 3 && (major < 136 || major > 143)
}

// A Connection is an established TCP connection. IPv4 addresses are plain.
type Connection struct{ Local, Peer netip.AddrPort }

// Login returns the connection of the remote login that chain comes from, and its
// process. The chain is what Ancestry returned, nearest first. ok is false where
// no ancestor serves a remote login.
func Login(chain []Process) (p Process, c Connection, ok bool) {
	for _, p := range chain {
		if !p.RemoteLogin() {
			continue
		}
		if c, ok := FirstConnection(p.PID); ok {
			return p, c, true
		}
	}
	return Process{}, Connection{}, false
}
