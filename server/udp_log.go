package server

import "time"

// logBatch logs refusals, new peers and, if asked for, each datagram.
func (w *udpWorker) logBatch(exchanges []exchange) {
	for i := range exchanges {
		e := &exchanges[i]
		switch {
		case e.peer == nil && w.refusals.allow(e.Received.Time):
			w.cfg.Log.Warn("datagram refused", "peer", e.Peer, "reason", e.refusal.String(), "not_logged_before", w.refusals.takeHidden())
		case e.isNew && w.newPeers.allow(e.Received.Time):
			w.cfg.Log.Info("new peer", "peer", e.Peer, "stamp", e.Received.Source.String(), "not_logged_before", w.newPeers.takeHidden())
		}
		if w.trace {
			w.cfg.Log.Debug("datagram", "peer", e.Peer, "number", e.Number, "bytes", len(e.Payload), "answer", len(e.answer),
				"sent", e.sent, "received", e.Received.Time.UTC(), "stamp", e.Received.Source.String(), "ttl", e.TTL, "event", e.findings.event)
		}
	}
}

// A lineLimit keeps log lines to what a person could read: the sources of
// datagrams can be invented, as many as one likes.
type lineLimit struct {
	second int64
	lines  int
	hidden uint64
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

// takeHidden returns how many lines were not allowed since the last call.
func (l *lineLimit) takeHidden() uint64 {
	hidden := l.hidden
	l.hidden = 0
	return hidden
}
