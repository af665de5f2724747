package connect

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"wirelab/clock"
	"wirelab/internal/sys"
	"wirelab/internal/sys/datagram"
)

// stamped is a connection over UDP whose datagrams the kernel stamps as they leave and as
// they come. One goroutine reads, another writes.
type stamped struct {
	conn *datagram.Conn
	peer netip.AddrPort

	reader  *datagram.Reader
	batch   []datagram.Datagram // read, and not given out yet
	came    clock.Stamp         // of what Read has given out last
	stamps  [ledgerSize]datagram.SendStamp
	missing int // send stamps in a row that did not come

	writer *datagram.Writer
	out    [1]datagram.Datagram

	mu   sync.Mutex
	left [ledgerSize]departure // by the number of the message
	sent uint64
}

// A departure is when a message left.
type departure struct {
	id   uint32 // of its stamp
	user clock.Stamp
}

const (
	stampedBatch = 16
	// stampingBegins is how long the kernel may take to begin stamping for the first socket
	// that asks for it.
	stampingBegins = 20 * time.Millisecond
	// stampWait bounds the wait for a send stamp, which comes long before the answer where
	// there is one; after mostMissing without, none is waited for.
	stampWait   = 10 * time.Millisecond
	mostMissing = 3
)

// dialStamped opens a connection to peer, from where and as cfg says.
func dialStamped(cfg *Config, peer netip.AddrPort) (*stamped, error) {
	options, from := cfg.Socket, cfg.Source
	if from.Port() != 0 {
		options.ReuseAddress = true
		if !from.Addr().IsValid() {
			from = netip.AddrPortFrom(unspecified(peer.Addr()), from.Port())
		}
	}
	conn, err := datagram.Dial(datagram.Config{Addr: from, SendStamps: true, Reports: true, Socket: options}, peer)
	if err != nil {
		return nil, err
	}
	time.Sleep(stampingBegins)
	return &stamped{conn: conn, peer: peer, reader: conn.NewReader(stampedBatch, receiveSize), writer: conn.NewWriter(1)}, nil
}

func unspecified(like netip.Addr) netip.Addr {
	if like.Unmap().Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

// Read returns the next datagram.
func (s *stamped) Read(b []byte) (int, error) {
	for len(s.batch) == 0 {
		batch, err := s.reader.Read()
		if err != nil {
			return 0, err
		}
		if s.batch = batch; len(batch) == 0 {
			s.takeStamps(0)
		}
	}
	d := &s.batch[0]
	s.batch = s.batch[1:]
	s.came = clock.Stamp{Time: d.Time, Source: sourceOf(d.Source)}
	return copy(b, d.Payload), nil
}

func sourceOf(s datagram.Source) clock.Source {
	if s == datagram.Kernel {
		return clock.Kernel
	}
	return clock.User
}

// Write sends a datagram, which is the next message.
func (s *stamped) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out[0] = datagram.Datagram{Payload: b, Stamp: true}
	user := clock.Now()
	if _, err := s.writer.Write(s.out[:]); err != nil {
		return 0, err
	}
	s.left[s.sent%ledgerSize] = departure{s.out[0].ID, user}
	s.sent++
	return len(b), nil
}

// times returns when message n left and when what Read has given out last came, which the
// clock said was at now: both of the kernel, or both of the clock as it was read here.
func (s *stamped) times(n uint64, now clock.Stamp) (left, came clock.Stamp) {
	s.mu.Lock()
	departure := s.left[n%ledgerSize]
	s.mu.Unlock()
	if s.came.Source != clock.User {
		if stamp, ok := s.sendStamp(departure.id); ok {
			return stamp, s.came
		}
	}
	return departure.user, now
}

// sendStamp returns the kernel's stamp of a message, which it waits for a little.
func (s *stamped) sendStamp(id uint32) (clock.Stamp, bool) {
	wait := stampWait
	if s.missing >= mostMissing {
		wait = 0
	}
	for end := time.Now().Add(wait); ; wait = max(time.Until(end), 0) {
		if known := &s.stamps[id%ledgerSize]; known.ID == id && !known.Time.IsZero() {
			s.missing = 0
			return clock.Stamp{Time: known.Time, Source: sourceOf(known.Source)}, known.Source == datagram.Kernel
		}
		if s.takeStamps(wait) == 0 {
			s.missing++
			return clock.Stamp{}, false
		}
	}
}

// takeStamps notes the send stamps that have come, and returns how many there were.
func (s *stamped) takeStamps(wait time.Duration) int {
	stamps := s.reader.SendStamps(wait)
	for _, stamp := range stamps {
		s.stamps[stamp.ID%ledgerSize] = stamp
	}
	return len(stamps)
}

func (s *stamped) SetDeadline(t time.Time) error {
	return errors.Join(s.conn.SetReadDeadline(t), s.conn.SetWriteDeadline(t))
}
func (s *stamped) SetReadDeadline(t time.Time) error  { return s.conn.SetReadDeadline(t) }
func (s *stamped) SetWriteDeadline(t time.Time) error { return s.conn.SetWriteDeadline(t) }
func (s *stamped) LocalAddr() net.Addr                { return net.UDPAddrFromAddrPort(s.conn.LocalAddr()) }
func (s *stamped) RemoteAddr() net.Addr               { return net.UDPAddrFromAddrPort(s.peer) }
func (s *stamped) Close() error                       { return s.conn.Close() }

// cannotStamp reports whether an error is that of a kernel without stamps, not of the address.
func cannotStamp(err error) bool {
	return errors.Is(err, sys.ErrUnsupported) || errors.Is(err, sys.ErrNotPermitted)
}
