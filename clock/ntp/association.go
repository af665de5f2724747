package ntp

import (
	"errors"
	"fmt"
	"time"

	"wirelab/clock"
)

// Reasons for which a datagram is not the answer that a client waits for.
var (
	ErrForged  = errors.New("it repeats no random number of the request: forged, late or a duplicate")
	ErrMode    = errors.New("it is not a server's")
	ErrVersion = errors.New("its version is not the request's")
	ErrNoTime  = errors.New("it has no receive or transmit timestamp")
	// ErrOtherAnswer reports an interleaved answer whose transmit timestamp cannot
	// be of the answer before it: paired with the wrong one it would quietly inflate the delay.
	ErrOtherAnswer = errors.New("its transmit timestamp is of another answer than the last")
)

// Facts is what a server says about its clock.
type Facts struct {
	Leap           Leap
	Stratum        uint8 // 16: unsynchronised, on the wire 0
	Poll           int8  // log2 seconds
	Precision      time.Duration
	RootDelay      time.Duration // to the reference clock and back
	RootDispersion time.Duration
	ReferenceID    [4]byte
	Reference      string    // the ID in readable form: an address, or the letters of a clock
	ReferenceTime  time.Time // zero: unknown
}

// Synchronized reports whether the server claims a clock that is set.
func (f *Facts) Synchronized() bool { return f.Leap != Unsynchronized && f.Stratum < 16 }

// RootBound returns by how much the server's clock may be off UTC: half the root
// delay, and the root dispersion.
func (f *Facts) RootBound() time.Duration { return f.RootDelay/2 + f.RootDispersion }

func factsOf(p *Packet, pivot time.Time) Facts {
	f := Facts{
		Leap: p.Leap, Stratum: p.Stratum, Poll: p.Poll, Precision: p.precision(),
		RootDelay: p.RootDelay.Duration(), RootDispersion: p.RootDispersion.Duration(),
		ReferenceID: p.ReferenceID, Reference: p.referenceText(),
	}
	if f.Stratum == 0 || f.Stratum > 16 {
		f.Stratum = 16
	}
	f.ReferenceTime, _ = p.Reference.Time(pivot)
	return f
}

// An association is what a client keeps of its server from one request to the
// next. It does no I/O and reads no clock.
type association struct {
	version     uint8
	interleaved bool // whether the interleaved mode is asked for

	asked Packet // the request that is not answered yet; zero: none
	last  halfExchange
}

// A halfExchange is an exchange whose true T3 comes with the next answer.
type halfExchange struct {
	t1, t4   clock.Stamp
	received Timestamp // T2 as the server wrote it, by which it knows the exchange; 0: none
}

// request returns the next request. Its timestamps are random: the server needs only
// repeat one, and nobody learns the client's clock. random must be unguessable.
func (a *association) request(random func() uint64) Packet {
	p := Packet{Version: a.version, Mode: ClientMode, Transmit: Timestamp(random() | 1)}
	if a.interleaved && a.last.received != 0 {
		p.Origin = a.last.received
		p.Receive = p.Transmit ^ Timestamp(random()|1) // never the same
	}
	a.asked = p
	return p
}

// judge reports whether p answers the request, and in which mode. Anything else has its reason.
func (a *association) judge(p *Packet) (interleaved bool, err error) {
	switch {
	case p.Mode != ServerMode:
		return false, fmt.Errorf("%w: mode %d", ErrMode, p.Mode)
	case p.Version != a.version:
		return false, fmt.Errorf("%w: %d", ErrVersion, p.Version)
	case a.asked.Transmit == 0 || p.Origin == 0:
		return false, ErrForged
	case p.Origin == a.asked.Receive:
		interleaved = true
	case p.Origin != a.asked.Transmit:
		return false, ErrForged
	}
	if p.Kiss() == "" && (p.Receive == 0 || p.Transmit == 0) {
		return false, ErrNoTime
	}
	return interleaved, nil
}

// complete ends the exchange that p answers, sent at t1 and received at t4. In the basic
// mode it returns that exchange, in the interleaved mode the one before. The error is ErrOtherAnswer.
func (a *association) complete(p *Packet, interleaved bool, t1, t4 clock.Stamp) (clock.Exchange, error) {
	before := a.last
	a.last = halfExchange{t1, t4, p.Receive}
	a.asked = Packet{}
	if !interleaved {
		return exchangeOf(p, halfExchange{t1, t4, p.Receive}), nil
	}
	e := exchangeOf(p, before)
	if held := e.Held(); held < -e.Error || held > e.T4.Sub(e.T1)+e.Error {
		return clock.Exchange{}, fmt.Errorf("%w: %v after its receive timestamp", ErrOtherAnswer, held)
	}
	return e, nil
}

// phi is the most that a clock's frequency is taken to be off: RFC 5905's PHI, 15 ppm.
const phi = 15e-6

// exchangeOf puts the stamps of both hosts together. The server's are read in the
// era nearest to ours, so that 2036 passes unnoticed on either side.
func exchangeOf(p *Packet, h halfExchange) clock.Exchange {
	t2, _ := h.received.Time(h.t4.Time)
	t3, _ := p.Transmit.Time(h.t4.Time)
	age := float64(h.t4.Sub(h.t1))
	return clock.Exchange{
		T1: h.t1, T2: clock.Stamp{Time: t2, Source: clock.Remote}, T3: clock.Stamp{Time: t3, Source: clock.Remote}, T4: h.t4,
		Error: p.precision() + time.Duration(phi*max(age, 0)) + 1,
	}
}
