package relay

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"wirelab/lab/impair"
)

// pieceSize is what is read at once of a stream that is shown or impaired.
const pieceSize = 32 << 10

// runStreams accepts clients until the listener is closed, and waits for all of them.
func (r *Relay) runStreams(ctx context.Context) error {
	var clients sync.WaitGroup
	defer clients.Wait()
	room := make(chan struct{}, MaxClients)
	for {
		conn, err := r.listener.Accept()
		if err != nil {
			return err
		}
		select {
		case room <- struct{}{}:
		default:
			r.cfg.Log.Warn("refused: too many clients", "client", conn.RemoteAddr())
			conn.Close()
			continue
		}
		clients.Go(func() {
			defer func() { <-room }()
			r.serveStream(ctx, conn.(half))
		})
	}
}

// dialTime bounds a connect to the target.
const dialTime = 10 * time.Second

// A half is one of the two connections of a client, over TCP or a Unix socket.
type half interface {
	net.Conn
	CloseWrite() error
}

// reset closes a connection so that its peer is told of an error, where it can be.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // fails only when it is closed already
	}
	c.Close()
}

// serveStream relays one connection until both directions have ended, or ctx has.
func (r *Relay) serveStream(ctx context.Context, conn half) {
	defer conn.Close()
	peer := r.came(conn.RemoteAddr().String())
	dialer := net.Dialer{Timeout: dialTime}
	dialled, err := dialer.DialContext(ctx, r.cfg.TargetNetwork+r.cfg.Family, r.cfg.Target)
	if err != nil {
		r.cfg.Log.Warn("the target cannot be reached", "client", peer.name, "err", err)
		reset(conn) // as the target would have done
		return
	}
	target := dialled.(half)
	defer target.Close()
	stop := context.AfterFunc(ctx, func() {
		conn.Close()
		target.Close()
	})
	defer stop()
	r.cfg.Log.Info("client", "peer", peer.name, "target", target.RemoteAddr())
	var both sync.WaitGroup
	both.Go(func() { r.pipe(ctx, peer, ToTarget, target, conn) })
	both.Go(func() { r.pipe(ctx, peer, ToClient, conn, target) })
	both.Wait()
}

// pipe carries one direction, and then its end.
func (r *Relay) pipe(ctx context.Context, peer client, d Direction, to, from half) {
	var err error
	switch {
	case r.way(d) != (impair.Config{}):
		err = r.pipeImpaired(ctx, peer, d, to, from)
	case r.cfg.View != nil:
		err = r.pipeShown(peer, d, to, from)
	default:
		var n int64
		n, err = io.Copy(to, from) // in the kernel: splice(2)
		r.passedBytes(d, n)
	}
	if err != nil && ctx.Err() == nil {
		reset(to) // what one side was told by a reset, the other is told too
		from.Close()
		return
	}
	_ = to.CloseWrite() // fails only when it is closed already
}

func (r *Relay) passedBytes(d Direction, n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if d == ToTarget {
		r.counts.BytesTo += uint64(n)
	} else {
		r.counts.BytesFrom += uint64(n)
	}
}

func (r *Relay) pipeShown(peer client, d Direction, to, from half) error {
	buf := make([]byte, pieceSize)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return err
			}
			r.passed(peer, d, buf[:n])
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *Relay) pipeImpaired(ctx context.Context, peer client, d Direction, to, from half) error {
	c := r.newCarrier(peer, d, func(piece []byte) error {
		_, err := to.Write(piece)
		return err
	})
	delivered := make(chan error, 1)
	go func() {
		err := c.run(ctx)
		if err != nil {
			from.Close() // nobody takes what would be read
		}
		delivered <- err
		for range c.pieces { // the reader must not wait for a carrier that has ended
		}
	}()
	buf := make([]byte, pieceSize)
	var err error
	for err == nil {
		var n int
		if n, err = from.Read(buf); n > 0 {
			c.pieces <- slices.Clone(buf[:n])
		}
	}
	close(c.pieces)
	failed := <-delivered
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return errors.Join(err, failed)
}
