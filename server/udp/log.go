package udp

import (
	"context"
	"net/netip"

	"wirelab/clock"
	"wirelab/internal/sys/datagram"
	"wirelab/observe"
	"wirelab/server/internal/counts"
)

// logBatch logs refusals, new peers and, if asked for, each datagram.
func (w *worker) logBatch(batch []datagram.Datagram) {
	for i := range batch {
		r, d := &w.messages[i], &batch[i]
		switch {
		case r.peer == nil && r.refusal != 0 && w.refusals.Allow(d.Time):
			w.logHidden("refusals", &w.refusals)
			w.cfg.Log.Warn("datagram refused", "peer", d.Peer, "reason", r.refusal.String())
		case r.isNew && w.newPeers.Allow(d.Time):
			w.logHidden("new peers", &w.newPeers)
			w.cfg.Log.Info("new peer", "peer", d.Peer, "stamp", stampSource(d).String())
		}
	}
	for i := range w.traced {
		w.logDatagram(&w.traced[i])
	}
}

func (w *worker) logHidden(what string, l *counts.LineLimit) {
	counts.LogHidden(w.cfg.Log, what, l.TakeHidden())
}

// logHidden tells of what no later line has told. The workers have ended.
func (s *Server) logHidden() {
	refusals, newPeers := uint64(0), uint64(0)
	for _, w := range s.workers {
		refusals += w.refusals.TakeHidden()
		newPeers += w.newPeers.TakeHidden()
	}
	counts.LogHidden(s.log, "refusals", refusals)
	counts.LogHidden(s.log, "new peers", newPeers)
}

// A tracedDatagram is one to be logged, with its answer.
type tracedDatagram struct {
	Datagram
	answer []byte
}

func (w *worker) logDatagram(e *tracedDatagram) {
	args := []any{"peer", e.Peer, "number", e.Number, "bytes", len(e.Payload), "answer", len(e.answer),
		"received", e.Received.Time.UTC(), "stamp", e.Received.Source.String(), "ttl", e.TTL}
	if f := &e.findings; f.hasSent {
		args = append(args, "difference_us", clock.Microseconds(e.Received.Time.Sub(f.sent)))
	}
	if event := e.findings.event; event != "" {
		args = append(args, "event", event)
	}
	w.cfg.Log.Debug("datagram", args...)
	if w.contents {
		w.logContents("in", e.Peer, e.Payload)
		w.logContents("out", e.Peer, e.answer)
	}
}

// logContents logs bytes, to be seen.
func (w *worker) logContents(way string, peer netip.AddrPort, b []byte) {
	if len(b) > 0 {
		w.cfg.Log.Log(context.Background(), observe.LevelContents, way, "peer", peer, "bytes", len(b), "contents", observe.Contents(b))
	}
}
