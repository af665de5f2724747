package load

import (
	"math"
	"sort"
	"time"
)

// A pacer goes round the clients of a loop and hands each the messages that have
// become due, in the order of their times.
type pacer struct {
	client   int           // whose turn is next
	round    uint64        // the number of the message that it gets
	upcoming time.Duration // when that is due
}

// paceBatch bounds how many messages are paced before events are looked at.
const paceBatch = 64

// lateAfter is how late a message is begun that counts as late.
const lateAfter = time.Millisecond

// pace hands out what is due now.
func (l *loop) pace() {
	for range paceBatch {
		if l.pacer.upcoming > l.clock || l.paced {
			return
		}
		c, due := &l.clients[l.pacer.client], l.pacer.upcoming
		if l.pacer.client++; l.pacer.client == len(l.clients) {
			l.pacer.client, l.pacer.round = 0, l.pacer.round+1
		}
		if l.schedule.open() {
			l.hand(c, l.clock-due)
		} else {
			l.proceed(c)
		}
		l.preparePace()
	}
}

// hand gives c a message of an open loop, which the loop comes late to give.
func (l *loop) hand(c *client, late time.Duration) {
	c.due++
	l.rec.lateness.Add(late)
	if late > lateAfter {
		l.rec.lateSends++
	}
	l.proceed(c)
	if c.begun() < c.due && c.state != closed {
		l.rec.heldBack++
		if l.crowded(c) {
			l.rec.heldByWindow++
		}
	}
}

// unpaced returns how many messages of an open loop, which has ended, had their time
// and were never handed out: the loop came so late to deal that sending was over.
func (l *loop) unpaced() (n uint64) {
	if !l.schedule.open() || l.paced || l.cut || l.clock <= l.cutoff {
		return 0
	}
	for i := range l.clients {
		c := &l.clients[i]
		n += l.schedule.scheduled(c.number) - c.due
	}
	return n
}

// abandoned returns how many messages of an open loop became due until a time, not 0,
// after the loop had ended because none of its clients lived any more.
func (l *loop) abandoned(until time.Duration) (n uint64) {
	if until == 0 || !l.schedule.open() || l.paced || l.cut || l.clock > l.cutoff {
		return 0
	}
	schedule := l.schedule
	schedule.end = until
	for i := range l.clients {
		c := &l.clients[i]
		n += max(schedule.scheduled(c.number), c.due) - c.due
	}
	return n
}

// preparePace finds out when the next message is due. When there is none any more,
// clients that have nothing left to do are finished.
func (l *loop) preparePace() {
	c := &l.clients[l.pacer.client]
	at, ok := l.schedule.due(c.number, l.pacer.round)
	if ok {
		l.pacer.upcoming = at
		return
	}
	l.pacer.upcoming, l.paced = never, true
	if l.schedule.open() {
		for i := range l.clients {
			if c := &l.clients[i]; c.window.empty() {
				l.proceed(c)
			}
		}
	}
}

// A schedule says when clients send. All times are those since the run's origin.
//
// In a closed loop (rate 0) a client sends its first message when the run begins
// or, in a ramp, when its turn comes, and each later one as soon as the last one was
// answered. In an open loop message n of the run, counted over all clients, has its
// time whatever the answers do: client c sends those with n = c modulo the number of
// clients.
type schedule struct {
	began    time.Duration
	end      time.Duration // when no message is sent any more; 0: never
	messages uint64        // that a client sends; 0: no bound
	clients  uint64
	rate     float64 // messages/s of all clients together; 0: a closed loop
	ramp     time.Duration
}

// grace is how long after the end messages are still sent whose time was before it.
const grace = time.Second

func newSchedule(cfg *Config, began time.Duration) schedule {
	s := schedule{began: began, messages: cfg.Messages, clients: uint64(cfg.Clients), rate: cfg.Rate, ramp: cfg.Ramp}
	if cfg.Duration > 0 {
		s.end = began + cfg.Duration
	}
	return s
}

func (s *schedule) open() bool { return s.rate > 0 }

// more reports whether a client of a closed loop that has sent so many messages
// sends another one now.
func (s *schedule) more(sent uint64, now time.Duration) bool {
	return (s.messages == 0 || sent < s.messages) && (s.end == 0 || now < s.end)
}

// due returns when a client sends its message number k, from 1, and false if that
// is not set: after the end, or because it depends on answers.
func (s *schedule) due(client, k uint64) (time.Duration, bool) {
	if !s.open() {
		return s.began + time.Duration(float64(s.ramp)*float64(client)/float64(s.clients)), k == 1
	}
	at := s.began + s.offset((k-1)*s.clients+client)
	return at, (s.messages == 0 || k <= s.messages) && (s.end == 0 || at < s.end)
}

// scheduled returns how many messages of a client are due before the end, which is
// set, of an open loop.
func (s *schedule) scheduled(client uint64) uint64 {
	// Message n of the run is due n/rate after the beginning at the earliest.
	most := s.rate*(s.end-s.began).Seconds()/float64(s.clients) + 2
	return uint64(sort.Search(int(most), func(k int) bool {
		_, ok := s.due(client, uint64(k)+1)
		return !ok
	}))
}

// maxOffset bounds times in a schedule, in seconds: 200 years, which no run lasts.
const maxOffset = 200 * 365 * 24 * 3600

// offset returns when message n of the run is sent, after its beginning. In the
// ramp the rate rises from 0 in proportion to the time t: by then rate*t*t/(2*ramp)
// messages were sent.
func (s *schedule) offset(n uint64) time.Duration {
	seconds, ramp := float64(n)/s.rate, s.ramp.Seconds()
	if seconds < ramp/2 {
		seconds = math.Sqrt(2 * ramp * seconds)
	} else {
		seconds += ramp / 2
	}
	return time.Duration(min(seconds, maxOffset) * float64(time.Second))
}

// over returns when an open loop has sent all messages and the next would be due.
func (s *schedule) over() time.Duration {
	if s.messages == 0 {
		return s.end
	}
	over := s.began + s.offset(s.messages*s.clients)
	if s.end > 0 {
		over = min(over, s.end)
	}
	return over
}

// cutoff returns the time after which nothing is sent any more, whatever its time was.
func (s *schedule) cutoff() time.Duration {
	if s.end == 0 {
		return math.MaxInt64
	}
	return s.end + grace
}
