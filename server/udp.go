package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"sync"
	"time"

	"wirelab/internal/sys"
	"wirelab/observe"
)

// Bounds of UDPConfig.Buffer. MaxDatagram is the most payload that UDP can carry, and the default.
const (
	MinDatagram = 64
	MaxDatagram = 65535 - 8
)

const (
	// datagramBatch is how many datagrams are read and answered at once.
	datagramBatch = 32
	// datagramReceiveBuffer is what the kernel is asked to hold while the server is
	// busy: 20 ms of small datagrams at the rate that one core can take.
	datagramReceiveBuffer = 4 << 20
	// datagramDrain bounds how long the last answers may wait for the network.
	datagramDrain = time.Second
)

// UDPConfig says what a UDP server does. Zero values are the defaults.
type UDPConfig struct {
	Addr        netip.AddrPort // where to listen; port 0 takes a free one
	AutoPort    bool           // take the next free port when Addr's is busy
	Handler     Responder      // required
	HandlerName string         // for the status and the logs
	Buffer      int            // bytes taken of a datagram; a longer one is counted and not answered
	Access      *Access        // from where datagrams are taken; nil: from everywhere
	Log         *slog.Logger
}

// UDP is a UDP server. It listens from ListenUDP on, and answers while Run runs.
//
// It answers each datagram at most once, with at most as many bytes, from the
// address that it was sent to. It does not answer multicast and broadcast, services
// that answer themselves (ports 7, 13, 17, 19 and 37), and, unless its handler knows
// that this cannot go on for ever, peers on its own port number: see Datagram.SetFinal.
type UDP struct {
	cfg    UDPConfig
	conn   *sys.DatagramConn
	since  time.Time
	worker *udpWorker
	log    *slog.Logger
}

// ListenUDP binds a server to its address. A busy port is a *PortBusyError.
// The caller must call Run, which closes what ListenUDP opened.
func ListenUDP(cfg UDPConfig) (*UDP, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	s := &UDP{cfg: cfg, since: time.Now(), log: cfg.Log}
	err := bindNext("udp", cfg.Addr, cfg.AutoPort, func(addr netip.AddrPort) (err error) {
		s.conn, err = sys.ListenDatagrams(sys.DatagramConfig{Addr: addr, ReceiveBuffer: datagramReceiveBuffer})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listen on udp %s: %w", cfg.Addr, err)
	}
	s.worker = newUDPWorker(s.conn, cfg)
	return s, nil
}

func (cfg *UDPConfig) complete() error {
	if cfg.Handler == nil {
		return errors.New("a UDP server needs a handler")
	}
	if cfg.Buffer == 0 {
		cfg.Buffer = MaxDatagram
	}
	if cfg.Buffer < MinDatagram || cfg.Buffer > MaxDatagram {
		return fmt.Errorf("a buffer of %d bytes is outside %d to %d", cfg.Buffer, MinDatagram, MaxDatagram)
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Addr returns the address that the server listens on.
func (s *UDP) Addr() netip.AddrPort { return s.conn.LocalAddr() }

// Run receives and answers datagrams until ctx ends. Then it answers those that
// had come by then, closes the socket and returns nil. When it returns, no
// goroutine or descriptor of the server is left. It may be called once.
func (s *UDP) Run(ctx context.Context) error {
	s.log.Info("listening", "addr", s.Addr(), "handler", s.cfg.HandlerName)
	ended := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case <-ctx.Done():
			s.interrupt()
		case <-ended:
		}
	})
	err := s.worker.run()
	close(ended)
	wg.Wait()
	s.worker.noteKernelDrops()
	s.logSummary()
	return errors.Join(err, s.conn.Close())
}

// interrupt makes the worker's wait end. Deadlines of an open socket cannot fail to be set.
func (s *UDP) interrupt() {
	now := time.Now()
	_ = s.conn.SetWriteDeadline(now.Add(datagramDrain))
	_ = s.conn.SetReadDeadline(now)
}

// Kick implements observe.Source: datagrams have no connection that could be ended.
func (s *UDP) Kick(uint64) bool { return false }

// Status returns a snapshot of the server and its peers.
func (s *UDP) Status() observe.Server {
	st := observe.Server{Network: "udp", Addr: s.Addr().String(), Handler: s.cfg.HandlerName, Since: s.since}
	s.worker.noteKernelDrops()
	s.worker.fill(&st)
	st.Peers = s.worker.peerStatus()
	return st
}

// maxPeersLogged bounds the summary: the log is no place for 65,536 lines.
const maxPeersLogged = 100

func (s *UDP) logSummary() {
	st := s.Status()
	for _, p := range st.Peers[:min(len(st.Peers), maxPeersLogged)] {
		args := []any{"peer", p.Peer, "packets", p.Packets, "bytes", p.Bytes, "lost", p.Lost,
			"reordered", p.Reordered, "duplicate", p.Duplicate, "jitter_us", p.JitterUS}
		if d := p.Diff; d != nil {
			args = append(args, "difference_min_us", d.Min, "difference_median_us", d.Median,
				"difference_p99_us", d.P99, "difference_last_us", d.Last)
		}
		s.log.Info("peer summary", append(args, "first_seen", p.FirstSeen, "last_seen", p.LastSeen)...)
	}
	s.log.Info("stopped", "peers", st.Active, "packets", st.Traffic.MessagesIn, "bytes_in", st.Traffic.BytesIn,
		"bytes_out", st.Traffic.BytesOut, "stamps", st.StampSource, "refused", st.Refused, "events", st.Events)
}

// run answers until the socket's read deadline passes.
func (w *udpWorker) run() error {
	for {
		batch, err := w.reader.Read()
		switch {
		case err == nil:
			w.serve(batch)
		case errors.Is(err, os.ErrDeadlineExceeded):
			return w.drain(time.Now())
		default:
			return fmt.Errorf("receive datagrams: %w", err)
		}
	}
}

// drain answers what had come by then. Later datagrams end it, so that those
// who keep sending cannot keep it running.
func (w *udpWorker) drain(until time.Time) error {
	for {
		batch, err := w.reader.ReadNow()
		if err != nil {
			return fmt.Errorf("receive datagrams: %w", err)
		}
		if len(batch) == 0 {
			return nil
		}
		w.serve(batch)
		if batch[len(batch)-1].Time.After(until) {
			return nil
		}
	}
}
