package server

import (
	"log/slog"
	"time"

	"wirelab/clock"
	"wirelab/internal/sys/datagram"
)

// logBatch logs refusals, new peers and, if asked for, each datagram.
func (w *udpWorker) logBatch(batch []datagram.Datagram) {
	for i := range batch {
		r, d := &w.runs[i], &batch[i]
		switch {
		case r.peer == nil && r.refusal != 0 && w.refusals.allow(d.Time):
			w.logHidden("refusals", &w.refusals)
			w.cfg.Log.Warn("datagram refused", "peer", d.Peer, "reason", r.refusal.String())
		case r.isNew && w.newPeers.allow(d.Time):
			w.logHidden("new peers", &w.newPeers)
			w.cfg.Log.Info("new peer", "peer", d.Peer, "stamp", stampSource(d).String())
		}
	}
	for i := range w.traced {
		w.logDatagram(&w.traced[i])
	}
}

func (w *udpWorker) logHidden(what string, l *lineLimit) {
	logNotLogged(w.cfg.Log, what, l.hidden)
	l.hidden = 0
}

// logHidden tells of what no later line has told. The workers have ended.
func (s *UDP) logHidden() {
	refusals, newPeers := uint64(0), uint64(0)
	for _, w := range s.workers {
		refusals += w.refusals.hidden
		newPeers += w.newPeers.hidden
	}
	logNotLogged(s.log, "refusals", refusals)
	logNotLogged(s.log, "new peers", newPeers)
}

func logNotLogged(log *slog.Logger, what string, n uint64) {
	if n > 0 {
		log.Warn("not all were logged", "what", what, "not_logged", n)
	}
}

// A tracedDatagram is one to be logged, with the length of its answer.
type tracedDatagram struct {
	Datagram
	answer int
}

func (w *udpWorker) logDatagram(e *tracedDatagram) {
	args := []any{"peer", e.Peer, "number", e.Number, "bytes", len(e.Payload), "answer", e.answer,
		"received", e.Received.Time.UTC(), "stamp", e.Received.Source.String(), "ttl", e.TTL}
	if f := &e.findings; f.hasSent {
		args = append(args, "difference_us", clock.Microseconds(e.Received.Time.Sub(f.sent)))
	}
	if event := e.findings.event; event != "" {
		args = append(args, "event", event)
	}
	w.cfg.Log.Debug("datagram", args...)
}

// A lineLimit keeps log lines to what a person could read: the sources of
// datagrams can be invented, as many as one likes.
type lineLimit struct {
	second int64
	lines  int
	hidden uint64 // lines not allowed and not yet reported
}

// maxLinesPerSecond is how many lines of one kind are logged in a second.
const maxLinesPerSecond = 50

// allow reports whether one more line may be logged, and counts it if not.
func (l *lineLimit) allow(at time.Time) bool {
	if second := at.Unix(); second != l.second {
		l.second, l.lines = second, 0
	}
	if l.lines >= maxLinesPerSecond {
		l.hidden++
		return false
	}
	l.lines++
	return true
}
