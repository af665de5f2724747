package stream

import (
	"errors"
	"net"
	"time"

	"golang.org/x/sys/unix"

	"wirelab/internal/sys"
)

// ReadInfo returns what the kernel knows of a connection (TCP_INFO, tcp(7)).
func ReadInfo(c *net.TCPConn) (info Info, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return info, err
	}
	var said *unix.TCPInfo
	var failed error
	if err := raw.Control(func(fd uintptr) {
		said, failed = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	}); err != nil || failed != nil {
		return info, sys.NewOpError("getsockopt TCP_INFO", errors.Join(err, failed))
	}
	return Info{
		Retransmits: uint64(said.Total_retrans),
		RTT:         time.Duration(said.Rtt) * time.Microsecond,
		Window:      uint64(said.Snd_cwnd) * uint64(said.Snd_mss),
	}, nil
}
