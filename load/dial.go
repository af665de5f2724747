package load

import (
	"time"

	"wirelab/internal/sys"
	"wirelab/internal/sys/datagram"
	"wirelab/internal/sys/epoll"
	"wirelab/internal/sys/stream"
)

// A dialer says when a loop opens connections. A server whose queue of connections
// that it has not accepted yet is full drops what asks for another, and the kernel
// asks again only after a second. So there are few connects at a time, one that
// takes suspiciously long is begun anew, and all wait a little then.
type dialer struct {
	waiting  []uint32 // a ring of clients that are to connect
	head     int
	queued   int
	underWay []uint32
	limit    int // connects at once now
	most     int // and at best
	resume   time.Duration
	pause    time.Duration // after the next suspicion
	usual    time.Duration // smoothed time that a connect takes; 0: none has ended yet
	lookout  time.Duration // when to look next for what is suspicious
}

// A dialAttempt is what a client that connects is to the dialer.
type dialAttempt struct {
	begun time.Duration
	tries uint8  // given up so far
	place uint32 // in dialer.underWay
}

const (
	connectsAtOnce = 64 // in all loops together: fewer than the backlog of most servers
	dialPause      = 2 * time.Millisecond
	maxDialPause   = 64 * time.Millisecond
	dialLookout    = 5 * time.Millisecond
	minSuspicion   = 20 * time.Millisecond
	firstSuspicion = 300 * time.Millisecond // as long as nothing is known of the way
)

func newDialer(clients, most int) dialer {
	return dialer{waiting: make([]uint32, clients), limit: most, most: most, pause: dialPause}
}

func (d *dialer) enqueue(index uint32) {
	d.waiting[(d.head+d.queued)%len(d.waiting)] = index
	d.queued++
}

// next takes a client from the queue, if one may connect now.
func (d *dialer) next(now time.Duration) (index uint32, ok bool) {
	if d.queued == 0 || len(d.underWay) >= d.limit || now < d.resume {
		return 0, false
	}
	index = d.waiting[d.head]
	d.head = (d.head + 1) % len(d.waiting)
	d.queued--
	return index, true
}

func (d *dialer) idle() bool { return d.queued == 0 && len(d.underWay) == 0 }

// suspicion returns after what time a connect seems to have been dropped.
func (d *dialer) suspicion(tries uint8) time.Duration {
	usual := firstSuspicion
	if d.usual > 0 {
		usual = max(minSuspicion, 8*d.usual)
	}
	return usual << min(tries, 2)
}

// took learns from a connect that ended well.
func (d *dialer) took(t time.Duration) {
	if d.usual == 0 {
		d.usual = t
	}
	d.usual += (t - d.usual) / 8
	d.limit = min(d.limit+1, d.most)
	d.pause = dialPause
}

// backOff lets the server take breath.
func (d *dialer) backOff(now time.Duration) {
	if now < d.resume {
		return // for this one already
	}
	d.resume = now + d.pause
	d.pause = min(2*d.pause, maxDialPause)
	d.limit = max(d.limit/2, 1)
}

// dial begins what connects may be begun now.
func (l *loop) dial() {
	for {
		index, ok := l.dialer.next(l.clock)
		if !ok {
			return
		}
		c := &l.clients[index]
		if l.now(); c.attempt.tries == 0 {
			c.since = l.clock
		}
		if l.clock-c.since >= l.run.cfg.Timeout && c.attempt.tries > 0 {
			l.fail(c, "connect timed out")
			continue
		}
		l.connect(c)
	}
}

// connect begins to connect c.
func (l *loop) connect(c *client) {
	c.attempt.begun = l.clock
	fd, underWay, err := l.open(c.number)
	if err != nil {
		l.fail(c, sys.ErrorName(err))
		return
	}
	c.fd = fd
	c.generation++
	token := uint64(c.generation&0x7fffffff)<<32 | uint64(c.index)
	if err := l.epoll.Add(fd, epoll.ReadyIn|epoll.ReadyOut|epoll.ReadyEOF|epoll.OnEdge, token); err != nil {
		l.fail(c, sys.ErrorName(err))
		return
	}
	if underWay {
		c.state = connecting
		c.attempt.place = uint32(len(l.dialer.underWay))
		l.dialer.underWay = append(l.dialer.underWay, c.index)
		return
	}
	l.opened(c)
}

// opened goes on with c, which has connected.
func (l *loop) opened(c *client) {
	if l.run.cfg.TLS != nil {
		l.secure(c)
		return
	}
	l.established(c)
}

func (l *loop) open(number uint64) (fd int, underWay bool, err error) {
	source, target, options := l.run.endpoints.source(number), l.run.endpoints.target(number), l.run.cfg.Socket
	if l.datagrams {
		fd, err = datagram.ConnectFrom(source, target)
		if err == nil {
			err = options.Set(fd)
		}
		return fd, false, err
	}
	return stream.ConnectFrom(source, target, options)
}

// dialed handles the end of the connect of c.
func (l *loop) dialed(c *client) {
	l.leaveDialer(c)
	l.now()
	if errno := stream.SocketError(c.fd); errno != 0 {
		l.fail(c, sys.ErrorName(errno))
		return
	}
	l.dialer.took(l.clock - c.attempt.begun)
	l.opened(c)
}

func (l *loop) leaveDialer(c *client) {
	d, place := &l.dialer, c.attempt.place
	last := d.underWay[len(d.underWay)-1]
	d.underWay[place] = last
	l.clients[last].attempt.place = place
	d.underWay = d.underWay[:len(d.underWay)-1]
}

func (l *loop) established(c *client) {
	c.state = open
	c.attempt.tries = 0
	c.connections++
	c.fresh = c.begun()
	c.written = l.payload.Len()
	l.rec.connect(l.now()-c.since, c.connections == 1)
	if t := l.targetOf(c); t != nil && c.connections == 1 {
		t.connected++
	}
	if l.running {
		l.proceed(c)
	}
}

// reconnect ends the connection of c, which owes nothing, and lets it connect anew.
func (l *loop) reconnect(c *client) {
	stream.Close(c.fd)
	c.fd, c.state, c.tls = -1, unconnected, nil
	l.dialer.enqueue(c.index)
}

// watchDials looks for connects that take too long.
func (l *loop) watchDials() {
	d := &l.dialer
	d.lookout = l.clock + dialLookout
	for i := len(d.underWay) - 1; i >= 0; i-- {
		c := &l.clients[d.underWay[i]]
		switch {
		case l.clock-c.since >= l.run.cfg.Timeout:
			l.leaveDialer(c)
			l.fail(c, "connect timed out")
		case l.clock-c.attempt.begun >= d.suspicion(c.attempt.tries):
			l.redial(c)
		}
	}
}

// redial gives up the connect of c, to begin it anew when its turn comes.
func (l *loop) redial(c *client) {
	l.dialer.backOff(l.clock)
	l.leaveDialer(c)
	stream.Close(c.fd)
	c.fd, c.state = -1, unconnected
	c.attempt.tries++
	l.rec.redials++
	l.dialer.enqueue(c.index)
}

// until returns when the loop has to look at the dialer.
func (d *dialer) until(now time.Duration) time.Duration {
	switch {
	case d.queued == 0 || len(d.underWay) >= d.limit:
		return d.lookout
	case now < d.resume:
		return min(d.resume, d.lookout)
	}
	return now
}

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
