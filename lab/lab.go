// Package lab has virtual hosts: network namespaces with addresses and a wire
// between them, for programs to run on as they would on machines of their own.
//
// A [Pair] is two of them on one network, 10.64.37.0/24. They have no names and leave
// nothing behind: the kernel takes them away with the process that made them, however
// it ends, and the programs on them too.
//
//	pair, err := lab.OpenPair()
//	defer pair.Close()
//	err = pair.Server.Run(ctx, exec.Command("wirelab", "serve", "tcp", "--bind", pair.Server.Addr.String()), nil)
package lab

import (
	"context"
	"errors"
	"net/netip"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"wirelab/internal/sys/netns"
	"wirelab/internal/sys/process"
)

// Link is the name of a host's interface to the other.
const Link = "eth0"

// A Host is one virtual host, or this machine.
type Host struct {
	Name string // "client" or "server"
	Addr netip.Addr

	namespace *netns.Namespace // nil: this machine
}

// A Pair is two hosts that reach each other.
type Pair struct{ Client, Server *Host }

// The hosts' addresses and their network.
const (
	clientAddr = "10.64.37.34"
	serverAddr = "10.64.37.35"
	prefixBits = 24
)

// Loopback returns a pair whose hosts are both this machine at 127.0.0.1.
func Loopback() *Pair {
	addr := netip.MustParseAddr("127.0.0.1")
	return &Pair{Client: &Host{Name: "client", Addr: addr}, Server: &Host{Name: "server", Addr: addr}}
}

// Virtual reports whether the hosts are namespaces of their own.
func (p *Pair) Virtual() bool { return p.Client.namespace != nil }

// Close takes the hosts away. What still runs on them keeps its namespace until it ends.
func (p *Pair) Close() error {
	var failed []error
	for _, h := range []*Host{p.Client, p.Server} {
		if h != nil && h.namespace != nil {
			failed = append(failed, h.namespace.Close())
		}
	}
	return errors.Join(failed...)
}

// Do runs f on a thread of the host.
func (h *Host) Do(f func() error) error {
	if h.namespace == nil {
		return f()
	}
	return h.namespace.Do(f)
}

// Run runs a program on the host and waits for its end; when ctx ends first, the
// program is told to end (SIGTERM), and killed if it has not after 3 seconds. It tells
// started, unless that is nil, once the program runs. The kernel kills the program if this
// process ends before it.
func (h *Host) Run(ctx context.Context, cmd *exec.Cmd, started func()) error {
	cmd.SysProcAttr = process.OwnedChild()
	ended := make(chan error, 1)
	go func() { ended <- h.Do(func() error { return runHere(ctx, cmd, started) }) }()
	return <-ended
}

// RunAsRoot runs a program as [Host.Run] does, on this machine, as the root of a user
// namespace of its own: without any privilege outside of it, it can [OpenPair]. Where the
// system lets nobody have such a namespace the program does not start.
func RunAsRoot(ctx context.Context, cmd *exec.Cmd) error {
	cmd.SysProcAttr = process.OwnedRoot()
	ended := make(chan error, 1)
	go func() { ended <- runHere(ctx, cmd, nil) }()
	return <-ended
}

// drainTime is how long a program may take to end in order.
const drainTime = 3 * time.Second

// end tells a program to end when ctx ends, and kills it if it does not.
func end(ctx context.Context, cmd *exec.Cmd, ended <-chan struct{}) {
	select {
	case <-ended:
		return
	case <-ctx.Done():
	}
	_ = cmd.Process.Signal(syscall.SIGTERM) // fails only if it has ended
	late := time.NewTimer(drainTime)
	defer late.Stop()
	select {
	case <-ended:
	case <-late.C:
		_ = cmd.Process.Kill()
	}
}

// runHere keeps to its thread, with which the program would end.
func runHere(ctx context.Context, cmd *exec.Cmd, started func()) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	over := make(chan struct{})
	go func() {
		defer close(over)
		end(ctx, cmd, ended)
	}()
	if started != nil {
		started()
	}
	err := cmd.Wait()
	close(ended)
	<-over
	return err
}
