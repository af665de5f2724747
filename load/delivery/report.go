// Package delivery accounts for datagrams: what senders sent, what the receivers say that
// they counted of it (package receiver), and what became of the rest.
package delivery

import (
	"errors"
	"time"

	"wirelab/internal/receiver"
)

// ErrServerRestarted reports that a receiver's counts are of a part of the run only.
var ErrServerRestarted = errors.New("the server was started anew during the run")

// Report is what a receiver counted of a run, and what became of the rest.
// Every datagram sent is in one of Distinct, DroppedByKernel and LostElsewhere.
type Report struct {
	Received  uint64 `json:"received"` // datagrams, those that came again included
	Bytes     uint64 `json:"bytes_received"`
	Distinct  uint64 `json:"distinct"`  // datagrams sent that came
	Numbered  bool   `json:"numbered"`  // they bore sequence numbers: else Duplicate, Reordered and Gap are not known
	Duplicate uint64 `json:"duplicate"` // came again
	Reordered uint64 `json:"reordered"` // came after one sent later
	Gap       uint64 `json:"gap"`       // numbers missing before the highest that came, those refused at the sender too

	Lost            uint64 `json:"lost"`              // sent and not received; the sum of the next two
	DroppedByKernel uint64 `json:"dropped_by_kernel"` // the receiver's buffer was full
	LostElsewhere   uint64 `json:"lost_elsewhere"`

	// Where segments arrive as one, the kernel counts them as one when it drops them: then
	// DroppedByKernel is as many of Lost as its Drops of up to MostSegments can explain.
	Drops        uint64  `json:"kernel_drops"` // requests for these counts among them
	MostSegments uint32  `json:"most_segments"`
	Shared       bool    `json:"shared"`     // others sent to the same sockets, whose drops may be among these
	Surplus      uint64  `json:"surplus"`    // counted beyond what was sent: of another sender, or for want of numbers again
	Evicted      bool    `json:"evicted"`    // the server forgot peers meanwhile, and perhaps counts of these
	RatePerS     float64 `json:"rate_per_s"` // of Received, from the first datagram of all to the last; of several servers the sum
}

// A Sender is one socket's count of what it sent, and the receiver's of what
// had come from there, before and after.
type Sender struct {
	Sent          uint64
	Before, After receiver.Report
}

// A socketKey tells the receivers' sockets apart: the number counts within one
// server, and no two servers begin in the same nanosecond.
type socketKey struct {
	since  int64 // nanoseconds since 1970
	number uint32
}

func (s *Sender) socket() socketKey {
	return socketKey{since: s.After.Since.UnixNano(), number: s.After.Socket}
}

// socketSum is what the senders whose datagrams come to one socket of a
// receiver have in common.
type socketSum struct {
	sent, received, duplicate uint64
	longest                   uint32
	firstDrops, lastDrops     uint64
	firstArrived, lastArrived uint64
	evicted                   bool
}

// Account puts together what senders and receivers counted; there may be several
// servers. It fails with ErrServerRestarted if a sender has come to two, one after the other.
func Account(senders []Sender) (*Report, error) {
	r := &Report{Numbered: true}
	sockets := map[socketKey]*socketSum{}
	servers := map[int64]*arrivals{} // by when they began
	for i := range senders {
		s := &senders[i]
		if !s.Before.Since.Equal(s.After.Since) {
			return nil, ErrServerRestarted
		}
		r.add(s)
		sum := sockets[s.socket()]
		if sum == nil {
			sum = &socketSum{}
			sockets[s.socket()] = sum
		}
		sum.add(s)
		began := s.socket().since
		if servers[began] == nil {
			servers[began] = &arrivals{}
		}
		servers[began].add(s)
	}
	for _, sum := range sockets {
		r.split(sum)
	}
	for _, a := range servers {
		r.RatePerS += a.perSecond()
	}
	return r, nil
}

// Arrived returns how many datagrams the receiver counted of the sender during the run.
func (s *Sender) Arrived() uint64 { return s.gained().Packets }

// gained returns what the receiver counted of the sender during the run. A peer
// that was forgotten and met again is counted from then on.
func (s *Sender) gained() receiver.Report {
	c, base := s.After, s.Before
	if !base.Known || !base.First.Equal(c.First) {
		return c
	}
	c.Packets -= base.Packets
	c.Bytes -= base.Bytes
	c.Reordered -= base.Reordered
	c.Duplicate -= base.Duplicate
	c.Lost -= min(base.Lost, c.Lost) // a number that comes late is not lost any more
	return c
}

// add adds what needs no knowledge of the receiver's sockets.
func (r *Report) add(s *Sender) {
	c := s.gained()
	r.Received += c.Packets
	r.Bytes += c.Bytes
	r.Numbered = r.Numbered && (c.Sequenced || c.Packets == 0)
	r.Reordered += c.Reordered
	r.Duplicate += c.Duplicate
	r.Gap += c.Lost
	r.MostSegments = max(r.MostSegments, c.Longest)
}

// arrivals are the datagrams of all senders at one server, by its clock.
type arrivals struct {
	received    uint64
	first, last time.Time
}

func (a *arrivals) add(s *Sender) {
	c := s.gained()
	if c.Packets == 0 {
		return
	}
	if a.received == 0 || c.First.Before(a.first) {
		a.first = c.First
	}
	if c.Last.After(a.last) {
		a.last = c.Last
	}
	a.received += c.Packets
}

// perSecond returns 0 where there is too little to tell.
func (a *arrivals) perSecond() float64 {
	took := a.last.Sub(a.first)
	if a.received < 2 || took <= 0 {
		return 0
	}
	return float64(a.received) / took.Seconds()
}

func (sum *socketSum) add(s *Sender) {
	c := s.gained()
	sum.sent += s.Sent
	sum.received += c.Packets
	sum.duplicate += c.Duplicate
	sum.longest = max(sum.longest, c.Longest)
	// All senders are asked about before any sends: the latest of these counts is the base.
	sum.firstDrops, sum.lastDrops = max(sum.firstDrops, s.Before.Drops), max(sum.lastDrops, s.After.Drops)
	sum.firstArrived, sum.lastArrived = max(sum.firstArrived, s.Before.Arrived), max(sum.lastArrived, s.After.Arrived)
	sum.evicted = sum.evicted || s.After.Evicted != s.Before.Evicted
}

// split says of the datagrams sent to one socket where those are that did not come.
func (r *Report) split(sum *socketSum) {
	distinct := sum.received - sum.duplicate
	if distinct > sum.sent {
		r.Surplus += distinct - sum.sent
		distinct = sum.sent
	}
	drops := sum.lastDrops - min(sum.firstDrops, sum.lastDrops)
	lost := sum.sent - distinct
	dropped := min(lost, drops*uint64(max(sum.longest, 1)))
	r.Distinct += distinct
	r.Lost += lost
	r.DroppedByKernel += dropped
	r.LostElsewhere += lost - dropped
	r.Drops += drops
	r.Shared = r.Shared || sum.lastArrived > sum.firstArrived+sum.received
	r.Evicted = r.Evicted || sum.evicted
}
