//go:build !linux

package socket

import "wirelab/internal/sys"

// Set sets the options on a socket.
func (o Options) Set(int) error {
	if o.DSCP == 0 && o.SendBuffer == 0 && o.ReceiveBuffer == 0 {
		return nil
	}
	return sys.NewOpError("socket options", sys.ErrUnsupported)
}

// SetNagle turns TCP_NODELAY off.
func SetNagle(int) error { return sys.ErrUnsupported }
