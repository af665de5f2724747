package relay

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"wirelab/internal/inturn"
)

// maxDatagram is more than any datagram has.
const maxDatagram = 65536

// A flow is a client of UDP with its socket to the target.
type flow struct {
	client netip.AddrPort
	target *inturn.Conn
	to     *carrier
	end    context.CancelFunc
	last   time.Time
}

// flows are the clients that are known. Only the reader of the listening socket uses them.
type flows struct {
	relay    *Relay
	ctx      context.Context
	byClient map[netip.AddrPort]*flow
	running  sync.WaitGroup
}

// listenDatagrams opens the socket, and looks up the target: while datagrams come there is no
// time for that.
func (r *Relay) listenDatagrams(ctx context.Context) error {
	host, portText, err := net.SplitHostPort(r.cfg.Target)
	if err != nil {
		return err
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return err
	}
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip"+r.cfg.Family, host)
	if err != nil {
		return err
	}
	for _, a := range found {
		r.targets = append(r.targets, netip.AddrPortFrom(a.Unmap(), uint16(port)))
	}
	slices.SortStableFunc(r.targets, func(a, b netip.AddrPort) int { return a.Addr().BitLen() - b.Addr().BitLen() })
	addr, err := net.ResolveUDPAddr("udp", r.cfg.Listen)
	if err != nil {
		return err
	}
	r.conn, err = net.ListenUDP("udp", addr)
	return err
}

// runDatagrams relays until the socket is closed, and waits for all flows.
func (r *Relay) runDatagrams(ctx context.Context) error {
	f := &flows{relay: r, ctx: ctx, byClient: map[netip.AddrPort]*flow{}}
	defer f.running.Wait()
	defer f.endAll()
	buf := make([]byte, maxDatagram)
	for {
		n, client, err := r.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return err
		}
		one, err := f.of(client)
		if err != nil {
			r.cfg.Log.Warn("the target cannot be reached", "client", client, "err", err)
			continue
		}
		select {
		case one.to.pieces <- slices.Clone(buf[:n]):
		default: // a link that cannot keep up has no room: lost, as on a wire
			r.overflowed(ToTarget)
		}
	}
}

// of returns the flow of a client, a new one if it has none.
func (f *flows) of(client netip.AddrPort) (*flow, error) {
	now := time.Now()
	if one, ok := f.byClient[client]; ok {
		one.last = now
		return one, nil
	}
	f.makeRoom(now)
	target, err := inturn.Dial(net.Dialer{}, f.relay.targets, nil)
	if err != nil {
		return nil, err
	}
	one := &flow{client: client, target: target, last: now}
	f.byClient[client] = one
	f.start(one)
	return one, nil
}

// makeRoom ends flows that are silent, and the longest silent one if there are too many.
func (f *flows) makeRoom(now time.Time) {
	var oldest *flow
	for _, one := range f.byClient {
		if now.Sub(one.last) > silence {
			f.remove(one)
			continue
		}
		if oldest == nil || one.last.Before(oldest.last) {
			oldest = one
		}
	}
	if len(f.byClient) >= MaxClients {
		f.remove(oldest)
	}
}

func (f *flows) remove(one *flow) {
	delete(f.byClient, one.client)
	one.end()
}

func (f *flows) endAll() {
	for _, one := range f.byClient {
		f.remove(one)
	}
}

// start runs a flow's two carriers and the reader of its socket.
func (f *flows) start(one *flow) {
	r := f.relay
	ctx, end := context.WithCancel(f.ctx)
	one.end = end
	c := r.came(one.client.String())
	r.cfg.Log.Info("client", "peer", one.client, "target", one.target.RemoteAddr())
	one.to = r.newCarrier(c, ToTarget, func(b []byte) error {
		_, _ = one.target.Write(b) // refused: nobody is there now, perhaps later
		return nil
	})
	from := r.newCarrier(c, ToClient, func(b []byte) error {
		_, _ = r.conn.WriteToUDPAddrPort(b, one.client) // the client may have gone
		return nil
	})
	stop := context.AfterFunc(ctx, func() { one.target.Close() })
	f.running.Go(func() { _ = one.to.run(ctx) }) // it ends with ctx
	f.running.Go(func() { _ = from.run(ctx) })
	f.running.Go(func() {
		defer stop()
		buf := make([]byte, maxDatagram)
		for ctx.Err() == nil {
			n, err := one.target.Read(buf)
			if err != nil {
				if ctx.Err() == nil {
					time.Sleep(time.Millisecond) // refused: the error is of one datagram
				}
				continue
			}
			select {
			case from.pieces <- slices.Clone(buf[:n]):
			case <-ctx.Done():
			}
		}
	})
}
