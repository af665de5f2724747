package server

import (
	"time"

	"wirelab/internal/sys"
)

// logBatch logs refusals, new peers and, if asked for, each datagram.
func (w *udpWorker) logBatch(batch []sys.Datagram) {
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
	if l.hidden > 0 {
		w.cfg.Log.Warn("not all were logged", "what", what, "not_logged", l.hidden)
		l.hidden = 0
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
		args = append(args, "difference_us", microseconds(e.Received.Time.Sub(f.sent)))
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
