// Package stamp is a Session-Sender of STAMP, the Simple Two-way Active Measurement
// Protocol (RFC 8762), unauthenticated: it asks a reflector and gets four stamps back.
//
// The reflector writes T3 into its packet before it leaves, so that the time from there to
// the wire counts as delay of the way back. A reflector that knows Follow-Up Telemetry (RFC
// 8972, section 4.7), such as wirelab's UDP server, tells with the next packet when this one
// really left: each exchange is completed by the next, as in NTP's interleaved mode.
package stamp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"wirelab/internal/human"

	"wirelab/clock"
	"wirelab/clock/probe"
)

// Port is the port of STAMP reflectors (RFC 8762, section 4.1).
const Port = 862

// Reasons for which a datagram is not the answer that a Sender waits for.
var (
	ErrOther    = errors.New("it reflects another packet: forged, late or a duplicate")
	ErrEcho     = errors.New("it is the packet itself: an echo service, not a STAMP reflector")
	ErrNoTime   = errors.New("it has no receive or send timestamp")
	ErrEstimate = errors.New("its error estimate is 0, which marks a corrupt packet")
)

// Config says how to ask a reflector. Zero values are the defaults.
type Config struct {
	Reflector netip.AddrPort
	From      netip.Addr    // the address that packets leave from; not valid: the system's choice
	Plain     bool          // do not ask for Follow-Up Telemetry
	Timeout   time.Duration // for each answer; 0: a second
}

// A Sender asks one reflector again and again. It is used by one goroutine.
type Sender struct {
	cfg      Config
	conn     *probe.Conn
	sequence uint32
	last     half
	buffer   []byte
}

// A half is an exchange whose true T3 comes with the next answer.
type half struct {
	t1, t4, t2 clock.Stamp
	sequence   uint32 // the reflector's
	bound      time.Duration
	known      bool
}

// Dial opens a socket for a reflector; it sends nothing.
func Dial(cfg Config) (*Sender, error) {
	if cfg.Timeout == 0 {
		cfg.Timeout = time.Second
	}
	conn, err := probe.Dial(probe.Config{Peer: cfg.Reflector, From: cfg.From, SamePort: true})
	if err != nil {
		return nil, err
	}
	return &Sender{cfg: cfg, conn: conn}, nil
}

// Close closes the socket.
func (s *Sender) Close() error { return s.conn.Close() }

// An Answer is what one packet has brought.
type Answer struct {
	// Exchange is complete. With FollowUp it is that of the packet before.
	Exchange     clock.Exchange
	FollowUp     bool
	Synchronized bool // the reflector says that its clock is synchronised to UTC
	// Estimate is by how much the reflector says that its clock is off UTC, if Synchronized.
	Estimate   time.Duration
	Refused    int   // datagrams that came and were not the answer
	RefusedFor error // why the last of them was not; nil: there was none
}

// Exchange sends one packet and waits for its reflection. What else comes is refused,
// and waiting goes on. The errors are those of [probe.Conn.Ask].
func (s *Sender) Exchange(ctx context.Context) (Answer, error) {
	s.sequence++
	sent := time.Now()
	s.buffer = clock.SenderPacket{
		Sequence: s.sequence, Timestamp: clock.NTP.Encode(sent),
		Estimate: clock.NewErrorEstimate(time.Millisecond, false, clock.NTP),
	}.Append(s.buffer[:0], clock.TestPacketLen)
	if !s.cfg.Plain {
		s.buffer = clock.AppendFollowUp(s.buffer)
	}
	var (
		answer Answer
		packet clock.ReflectorPacket
		follow clock.FollowUp
		told   bool
	)
	times, err := s.conn.Ask(ctx, s.buffer, s.cfg.Timeout, func(b []byte, at time.Time) bool {
		p, err := s.judge(b, at)
		if err != nil {
			answer.Refused++
			answer.RefusedFor = err
			return false
		}
		packet = p
		follow, told = clock.ParseFollowUp(b, p.Estimate.Format(), at)
		return true
	})
	if err != nil {
		if answer.Refused > 0 {
			err = fmt.Errorf("%w; %s, the last because %w", err, human.Counted(uint64(answer.Refused), "refused datagram"), answer.RefusedFor)
		}
		return answer, err
	}
	answer.Synchronized, answer.Estimate = packet.Estimate.Synchronized(), packet.Estimate.Bound()
	answer.Exchange, answer.FollowUp = s.complete(&packet, times, follow, told)
	return answer, nil
}

// judge reads a reflection of the packet just sent.
func (s *Sender) judge(b []byte, at time.Time) (clock.ReflectorPacket, error) {
	p, err := clock.ParseReflector(b)
	if err != nil {
		return p, err
	}
	sent, err := clock.ParseSender(s.buffer)
	if err != nil {
		return p, err
	}
	switch {
	case p.Sequence == s.sequence && p.Timestamp == sent.Timestamp && p.SenderTimestamp == 0:
		return p, ErrEcho
	case p.SenderSequence != s.sequence || p.SenderTimestamp != sent.Timestamp:
		return p, ErrOther
	case !p.Estimate.Valid():
		return p, ErrEstimate
	}
	if _, _, _, ok := p.Times(at); !ok {
		return p, ErrNoTime
	}
	return p, nil
}

// complete ends the exchange of packet, or with follow-up telemetry the one before.
func (s *Sender) complete(p *clock.ReflectorPacket, times probe.Times, follow clock.FollowUp, told bool) (clock.Exchange, bool) {
	_, t2, t3, _ := p.Times(times.Received.Time)
	before := s.last
	s.last = half{
		t1: times.Sent, t4: times.Received, t2: clock.Stamp{Time: t2, Source: clock.Remote},
		sequence: p.Sequence, bound: followUpError(p.Estimate), known: true,
	}
	if told && before.known && follow.Sequence == before.sequence {
		e := clock.Exchange{T1: before.t1, T2: before.t2, T3: follow.Sent, T4: before.t4, Error: before.bound}
		if held := e.Held(); held >= 0 && held <= e.T4.Sub(e.T1)+e.Error {
			return e, true
		}
	}
	return clock.Exchange{
		T1: times.Sent, T2: s.last.t2, T3: clock.Stamp{Time: t3, Source: clock.Remote}, T4: times.Received,
		Error: p.Estimate.Bound(),
	}, false
}

// followUpError is how far the stamps of a kernel or an interface may be off: their
// resolution. The reflector's error estimate also covers T3 as it is in the packet,
// which was written before the packet left, and is taken where there is nothing better.
func followUpError(e clock.ErrorEstimate) time.Duration { return min(e.Bound(), time.Microsecond) }
