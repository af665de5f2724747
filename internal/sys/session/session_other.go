//go:build !linux

package session

import (
	"net"
	"time"

	"wirelab/internal/sys"
)

// Boottime returns the time since the machine was started; here, always 0.
func Boottime() time.Duration { return 0 }

// BootID returns what the kernel calls this boot.
func BootID() (string, error) { return "", sys.ErrUnsupported }

// PeerOf returns who is at the other end of a Unix socket.
func PeerOf(*net.UnixConn) (pid, uid int, err error) { return 0, 0, sys.ErrUnsupported }

// Ancestry returns a process and its ancestors.
func Ancestry(int) ([]Process, error) { return nil, sys.ErrUnsupported }

// Read returns a process by its number.
func Read(int) (Process, error) { return Process{}, sys.ErrUnsupported }

// Kill ends a process.
func Kill(int, time.Duration) error { return sys.ErrUnsupported }

// FirstConnection returns the first TCP connection of a process.
func FirstConnection(int) (Connection, bool) { return Connection{}, false }

// LeaveCgroup moves the calling process out of its control group.
func LeaveCgroup(string) error { return sys.ErrUnsupported }

// NetworkNamespace returns the network namespace of the calling thread.
func NetworkNamespace() string { return "" }

// FirstNamespace reports whether the calling thread is in the first namespace.
func FirstNamespace() bool { return true }
