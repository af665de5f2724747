package measure

import (
	"context"
	"errors"
	"fmt"

	"wirelab/clock"
	"wirelab/clock/ntp"
	"wirelab/clock/stamp"
)

// A Protocol is how a host is asked for its time.
type Protocol string

// The protocols.
const (
	STAMP Protocol = "stamp" // RFC 8762: our UDP server, routers, other reflectors
	NTP   Protocol = "ntp"   // RFC 5905
)

// Modes of a measurement: whether T3, when the other host's answer left, was told
// with the next answer, as it really was, or in the answer itself, as it was expected.
const (
	Interleaved = "interleaved" // NTP, RFC 9769
	FollowUp    = "follow_up"   // STAMP, RFC 8972
	Basic       = "basic"       // NTP
	Plain       = "plain"       // STAMP
	Mixed       = "mixed"       // some answers told and some did not
)

// A probed is what one request has brought.
type probed struct {
	exchange   clock.Exchange
	followed   bool // the exchange is of the request before
	facts      Facts
	refused    int
	refusedFor error
}

// Facts is what a host says of its clock.
type Facts struct {
	Known        bool // an answer has said it
	Synchronized bool
	// UTCError is by how much its clock may be off UTC, if Synchronized.
	UTCError int64
	NTP      *ntp.Facts // of an NTP server
}

// A prober sends a request and waits for the answer.
type prober interface {
	probe(context.Context) (probed, error)
	Close() error
}

func dial(cfg *Config) (prober, error) {
	if cfg.Protocol == NTP {
		c, err := ntp.Dial(ntp.Config{Server: cfg.Host, From: cfg.From, Basic: cfg.Basic, Timeout: cfg.Timeout, Protection: cfg.Protection})
		if err != nil {
			return nil, err
		}
		return ntpProber{c}, nil
	}
	s, err := stamp.Dial(stamp.Config{Reflector: cfg.Host, From: cfg.From, Plain: cfg.Basic, Timeout: cfg.Timeout})
	if err != nil {
		return nil, err
	}
	return stampProber{s}, nil
}

type ntpProber struct{ *ntp.Client }

func (p ntpProber) probe(ctx context.Context) (probed, error) {
	a, err := p.Query(ctx)
	if err != nil && !errors.Is(err, ntp.ErrOtherAnswer) {
		return probed{refused: a.Refused, refusedFor: a.RefusedFor}, err
	}
	return probed{
		exchange: a.Exchange, followed: a.Interleaved,
		facts:   Facts{Known: true, Synchronized: a.Facts.Synchronized(), UTCError: int64(a.Facts.RootBound()), NTP: &a.Facts},
		refused: a.Refused, refusedFor: a.RefusedFor,
	}, err
}

type stampProber struct{ *stamp.Sender }

func (p stampProber) probe(ctx context.Context) (probed, error) {
	a, err := p.Exchange(ctx)
	if err != nil {
		return probed{refused: a.Refused, refusedFor: a.RefusedFor}, err
	}
	return probed{
		exchange: a.Exchange, followed: a.FollowUp,
		facts:   Facts{Known: true, Synchronized: a.Synchronized, UTCError: int64(a.Estimate)},
		refused: a.Refused, refusedFor: a.RefusedFor,
	}, nil
}

// modeOf names a measurement in which so many of all samples have a T3 that was told after.
func modeOf(p Protocol, followed, all int) string {
	names := [...]string{Basic, Interleaved}
	if p == STAMP {
		names = [...]string{Plain, FollowUp}
	}
	switch followed {
	case 0:
		return names[0]
	case all:
		return names[1]
	}
	return Mixed
}

// ParseProtocol reads the name of a protocol.
func ParseProtocol(name string) (Protocol, error) {
	switch p := Protocol(name); p {
	case STAMP, NTP:
		return p, nil
	}
	return "", fmt.Errorf("unknown protocol %.20q; there are stamp and ntp", name)
}
