package load

import "time"

// A TCP client whose connection fails while messages are exchanged connects anew, after
// a pause that doubles from failure to failure, and goes on with its next message. What
// was outstanding is lost. So one slow answer, or a server that is started anew, costs
// what it costs and not the rest of the run. [Config.FailFast] ends the client instead.
const (
	firstRetryPause = 10 * time.Millisecond
	maxRetryPause   = time.Second

	// mostFailures is after how many failures without an answer a client gives up. Where
	// connections are refused at once, that takes about five seconds.
	mostFailures = 10
)

// mayRetry reports whether c is to connect anew after a failure.
func (l *loop) mayRetry(c *client) bool {
	if l.run.cfg.FailFast || !l.running || l.datagrams || l.flood || c.state == finished {
		return false
	}
	return c.failures < mostFailures
}

// retryLater ends the connection of c, and has it connect anew after a pause.
func (l *loop) retryLater(c *client) {
	if c.written == 0 && !c.window.empty() {
		c.window.retract() // nothing of it was sent: it is sent on the next connection
	}
	for !c.window.empty() {
		c.window.settle(c.window.first)
	}
	l.hangUp(c)
	c.state, c.written, c.attempt.tries = unconnected, l.payload.Len(), 0
	if l.schedule.open() {
		l.rec.retries++
	} else if !l.wanted(c) {
		l.active--
		c.state = closed
		return
	} else {
		l.rec.retries++
	}
	pause := min(firstRetryPause<<min(c.failures, 10), maxRetryPause)
	c.failures++
	c.retryAt = l.clock + pause
	l.retrying++
	l.nextRetry = min(l.nextRetry, c.retryAt)
}

// retry has those connect whose pause is over.
func (l *loop) retry() {
	if l.retrying == 0 || l.clock < l.nextRetry {
		return
	}
	l.nextRetry = never
	for i := range l.clients {
		c := &l.clients[i]
		switch {
		case c.retryAt == 0:
		case l.clock > l.cutoff:
			c.retryAt, c.state = 0, closed
			l.retrying--
			l.active--
		case l.clock >= c.retryAt:
			c.retryAt = 0
			l.retrying--
			l.dialer.enqueue(c.index)
		default:
			l.nextRetry = min(l.nextRetry, c.retryAt)
		}
	}
}
