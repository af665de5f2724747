package kernel

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"wirelab/internal/netlink"
)

// Follow calls each for every packet that rules log to a group of NFLOG, in the
// network namespace of the calling thread, until the context ends. Lost counts the
// packets' gaps: how often the kernel had more than could be read. Each must not keep
// the payload.
func Follow(ctx context.Context, group uint16, each func(p netlink.LoggedPacket, lost int) error) error {
	c, err := netlink.Dial(unix.NETLINK_NETFILTER)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Log(group, 1); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { c.Close() })()
	for lost := 0; ; {
		messages, err := c.Receive()
		switch {
		case errors.Is(err, netlink.ErrAnswersLost):
			lost++
			continue
		case errors.Is(err, os.ErrClosed):
			return context.Cause(ctx)
		case err != nil:
			return err
		}
		for m := range messages.All() {
			p, ok, err := netlink.ParseLog(m)
			if err == nil && ok {
				err = each(p, lost)
			}
			if err != nil {
				return err
			}
		}
	}
}
