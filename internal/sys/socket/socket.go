// Package socket has the options of sockets that a person may choose: DSCP, buffers,
// Nagle's algorithm.
package socket

import (
	"errors"
	"syscall"
)

// Options are what a socket does otherwise than the kernel would have it. The zero value
// changes nothing.
type Options struct {
	DSCP          int // of what is sent, 1 to 63 (RFC 2474); 0: the kernel's
	SendBuffer    int // bytes of payload; 0: the kernel's choice, which grows
	ReceiveBuffer int
	Nagle         bool // TCP waits with small segments for acknowledgements (RFC 896)
	ReuseAddress  bool // bind to an address with connections that are being forgotten
}

// ErrBuffer reports that the kernel grants no buffer so large.
var ErrBuffer = errors.New("larger than this host allows (net.core.wmem_max, net.core.rmem_max; CAP_NET_ADMIN goes beyond)")

// Control sets the options on a socket before it is bound or connected, as the Control of
// [net.Dialer] and [net.ListenConfig]. Connections that a listener accepts have the same.
// Nagle is not among them: package net turns it off later, see SetNoDelay there, and
// package stream too.
func (o Options) Control(_, _ string, c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) { failed = o.Set(int(fd)) })
	return errors.Join(err, failed)
}
