package load

import "time"

// A dealer goes round the clients of a loop and hands each the messages that have
// become due, in the order of their times.
type dealer struct {
	client   int           // whose turn is next
	round    uint64        // the number of the message that it gets
	upcoming time.Duration // when that is due
}

// dealBatch bounds how many messages are dealt before events are looked at.
const dealBatch = 64

// lateAfter is how late a message is begun that counts as late.
const lateAfter = time.Millisecond

// deal hands out what is due now.
func (l *loop) deal() {
	for range dealBatch {
		if l.dealer.upcoming > l.clock || l.dealt {
			return
		}
		c, due := &l.clients[l.dealer.client], l.dealer.upcoming
		if l.dealer.client++; l.dealer.client == len(l.clients) {
			l.dealer.client, l.dealer.round = 0, l.dealer.round+1
		}
		if l.schedule.open() {
			l.hand(c, l.clock-due)
		} else {
			l.proceed(c)
		}
		l.prepareDeal()
	}
}

// hand gives c a message of an open loop, which the loop comes late to give.
func (l *loop) hand(c *client, late time.Duration) {
	c.due++
	l.rec.lateness.add(late)
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

// undealt returns how many messages of an open loop, which has ended, had their time
// and were never handed out: the loop came so late to deal that sending was over.
func (l *loop) undealt() (n uint64) {
	if !l.schedule.open() || l.dealt || l.cut || l.clock <= l.cutoff {
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
	if until == 0 || !l.schedule.open() || l.dealt || l.cut || l.clock > l.cutoff {
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

// prepareDeal finds out when the next message is due. When there is none any more,
// clients that have nothing left to do are finished.
func (l *loop) prepareDeal() {
	c := &l.clients[l.dealer.client]
	at, ok := l.schedule.due(c.number, l.dealer.round)
	if ok {
		l.dealer.upcoming = at
		return
	}
	l.dealer.upcoming, l.dealt = never, true
	if l.schedule.open() {
		for i := range l.clients {
			if c := &l.clients[i]; c.window.empty() {
				l.proceed(c)
			}
		}
	}
}
