package oneway

import (
	"context"
	"errors"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"wirelab/internal/receiver"
	"wirelab/internal/sys"
	"wirelab/internal/sys/datagram"
	"wirelab/internal/sys/process"
	"wirelab/load/delivery"
	"wirelab/load/latency"
)

// A sender is one socket of a run. While the run goes on, one goroutine
// sends and takes what is answered.
type sender struct {
	config *Config
	stop   *atomic.Bool
	conn   *datagram.Conn
	writer *datagram.Writer
	reader *datagram.Reader
	batch  *batch
	rate   float64 // datagrams a second; 0: no limit
	burst  int     // datagrams that are due before any is sent

	began    time.Time
	sent     uint64 // datagrams that the kernel took
	refused  uint64 // that it discarded before they left the host
	messages uint64 // handed over: datagrams, or several as segments
	calls    uint64 // system calls that did
	waits    uint64 // how often the kernel had no room
	errors   map[string]uint64
	noGSO    error // why segments are not handed over any more
	failed   bool  // it ended for one of errors
	cpu      time.Duration

	intervals latency.Intervals
	published atomic.Uint64 // sent, for progress

	answers, answerBytes, answerMessages, answerReads uint64
	queue                                             []datagram.Datagram // read and not yet given out by Read
	before, after                                     receiver.Report
}

// What a sender reads at most at a time: answers come when the target is an echo
// server, and the receiver's counts at the end.
const readsAtOnce = 16

func newSender(r *run, number int) (*sender, error) {
	cfg := &r.cfg
	conn, err := datagram.Dial(datagram.Config{ReceiveBuffer: 1 << 20, GRO: !cfg.WithoutGRO, Socket: cfg.Socket}, cfg.Target)
	if err != nil {
		return nil, err
	}
	perMessage := 1
	if conn.GSO() {
		perMessage = cfg.perMessage()
	}
	s := &sender{
		config: cfg, stop: &r.stopped, conn: conn, errors: map[string]uint64{},
		writer: conn.NewWriter(cfg.Batch), reader: conn.NewReader(readsAtOnce, datagram.MaxRead),
		batch: newBatch(cfg.Payload, uint64(number), cfg.Batch, perMessage),
	}
	if cfg.Rate > 0 {
		s.rate = cfg.Rate / float64(cfg.Senders)
		s.burst = max(1, min(s.batch.capacity, int(s.rate*burstTime.Seconds())))
	}
	return s, nil
}

// gso reports whether datagrams are handed over as segments.
func (s *sender) gso() bool { return s.batch.perMessage > 1 }

// run sends until all is sent, the time is over, or it is told to stop.
func (s *sender) run() {
	before, err := process.ThreadCPUTime()
	callsBefore, waitsBefore := s.writer.Calls()
	s.began = time.Now()
	s.intervals.Begin(0)
	var look time.Duration // when to look for answers
	for !s.stop.Load() {
		n := s.due()
		if n == 0 {
			break
		}
		had := s.sent
		if !s.send(n) {
			break
		}
		now := time.Since(s.began)
		s.intervals.Add(now, s.sent-had)
		s.published.Store(s.sent)
		if now < look {
			continue
		}
		look = now + answerTime
		if err := s.takeAnswers(); err != nil && !s.bear(err) {
			break
		}
	}
	s.published.Store(s.sent)
	_ = s.takeAnswers() // nothing is left to be sent
	s.calls, s.waits = s.writer.Calls()
	s.calls, s.waits = s.calls-callsBefore, s.waits-waitsBefore
	if after, err2 := process.ThreadCPUTime(); err == nil && err2 == nil {
		s.cpu = after - before
	}
}

// burstTime is how much of a rate is sent at once: a timer is not more exact.
const burstTime = 500 * time.Microsecond

// due returns how many datagrams to send now, and waits until there are some; 0
// when the run is over.
func (s *sender) due() int {
	n := s.batch.capacity
	if s.config.Messages > 0 {
		n = int(min(uint64(n), s.config.Messages-s.sent-s.refused))
	}
	if n == 0 || s.rate == 0 {
		if s.config.Duration > 0 && time.Since(s.began) >= s.config.Duration {
			return 0
		}
		return n
	}
	for !s.stop.Load() {
		elapsed := time.Since(s.began)
		if s.config.Duration > 0 && elapsed >= s.config.Duration {
			return 0
		}
		due := s.rate*elapsed.Seconds() + 1 - float64(s.sent+s.refused) // the first at once
		if due >= float64(min(s.burst, n)) {
			return int(min(due, float64(n)))
		}
		s.pause((float64(min(s.burst, n)) - due) / s.rate)
	}
	return 0
}

// pause sleeps for some seconds, but not past the end, nor so long that an
// interruption would go unnoticed.
func (s *sender) pause(seconds float64) {
	d := min(time.Duration(seconds*float64(time.Second))+time.Microsecond, 50*time.Millisecond)
	if s.config.Duration > 0 {
		d = min(d, s.config.Duration-time.Since(s.began))
	}
	time.Sleep(d)
}

// maxRefusals is how often the target may say that nobody listens. It does so
// after each datagram that it gets, so that sending on would tell nothing more.
const maxRefusals = 10

// send sends the next n datagrams and reports whether to go on.
func (s *sender) send(n int) bool {
	for rest := s.batch.load(n); len(rest) > 0; {
		messages := s.batch.messages(rest)
		sent, err := s.writer.Write(messages)
		for i := range messages[:sent] {
			s.sent += uint64(messages[i].Segments())
			rest = rest[len(messages[i].Payload):]
		}
		s.messages += uint64(sent)
		if err == nil {
			continue
		}
		skip, goOn := s.cope(err, &messages[sent])
		if !goOn {
			return false
		}
		rest = rest[skip:]
	}
	return true
}

// cope deals with the error of a message that was not sent. It returns how many
// bytes to pass over, and whether to go on.
func (s *sender) cope(err error, message *datagram.Datagram) (skip int, goOn bool) {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, os.ErrClosed):
		return 0, false
	case errors.Is(err, datagram.ErrSegmentation):
		s.noGSO = err
		s.config.Log.Warn("datagrams are handed over one by one from now on", "err", err)
		s.batch.split()
		return 0, true
	case errors.Is(err, syscall.ENOBUFS):
		s.refused += uint64(message.Segments())
		return len(message.Payload), true
	}
	return 0, s.bear(err)
}

// bear counts an error and reports whether to go on.
func (s *sender) bear(err error) bool {
	kind := sys.ErrorName(err)
	s.errors[kind]++
	s.failed = !errors.Is(err, syscall.ECONNREFUSED) || s.errors[kind] > maxRefusals
	return !s.failed
}

// answerTime is for how long answers gather: short enough that the socket's buffer
// holds what an echo server gives back meanwhile. answerReads bounds what is then read
// before the next is sent.
const (
	answerTime  = 500 * time.Microsecond
	answerReads = 64
)

// takeAnswers counts what has come back. That is the sender's work: with a reader
// asleep at the socket, the kernel would look for whom to wake whenever a datagram has
// left. Its error is that of a datagram sent.
func (s *sender) takeAnswers() error {
	for range answerReads {
		batch, err := s.reader.ReadNow()
		if err != nil || len(batch) == 0 {
			return err
		}
		s.answerReads++
		s.answerMessages += uint64(len(batch))
		for i := range batch {
			if receiver.IsChallenge(batch[i].Payload) { // the server asks whether this is a service
				continue
			}
			s.answers += uint64(batch[i].Segments())
			s.answerBytes += uint64(len(batch[i].Payload))
		}
	}
	return nil
}

// Read, Write and SetReadDeadline make the sender a receiver.Socket before and after a run.
func (s *sender) Read(b []byte) (int, error) {
	if len(s.queue) == 0 {
		batch, err := s.reader.Read()
		if err != nil {
			return 0, err
		}
		for i := range batch {
			s.queue = batch[i].AppendSegments(s.queue)
		}
	}
	n := copy(b, s.queue[0].Payload)
	s.queue = s.queue[1:]
	return n, nil
}

func (s *sender) Write(b []byte) (int, error) {
	if _, err := s.writer.Write([]datagram.Datagram{{Payload: b}}); err != nil {
		return 0, err
	}
	return len(b), nil
}

// SetReadDeadline is that of the socket.
func (s *sender) SetReadDeadline(t time.Time) error { return s.conn.SetReadDeadline(t) }

// What the network holds back arrives within settleTime, or is taken for lost.
const (
	settleTime  = 100 * time.Millisecond
	settleTimes = 10
)

// ask asks what the receiver has counted of s.
func (s *sender) ask(ctx context.Context, after bool) (err error) {
	if after {
		s.after, err = s.settled(ctx)
	} else {
		s.before, err = receiver.Ask(ctx, s, true, askBefore)
	}
	return err
}

// settled asks for the receiver's counts until they do not change any more: what
// was sent last may have been overtaken by the question.
func (s *sender) settled(ctx context.Context) (receiver.Report, error) {
	counts, err := receiver.Ask(ctx, s, false, askAfter)
	for range settleTimes {
		sofar := delivery.Sender{Before: s.before, After: counts}
		if err != nil || sofar.Arrived() >= s.sent {
			return counts, err
		}
		select {
		case <-ctx.Done():
			return counts, ctx.Err()
		case <-time.After(settleTime):
		}
		var later receiver.Report
		if later, err = receiver.Ask(ctx, s, false, askAfter); err == nil && later.Packets == counts.Packets {
			return later, nil
		}
		counts = later
	}
	return counts, err
}
