package udp

import (
	"wirelab/clock"
	"wirelab/internal/receiver"
	"wirelab/internal/sys/datagram"
)

// takeBatch counts the datagrams of a batch and has them answered, one after the
// other: a Responder, and a client that asks for a report, is told of all that came before.
func (w *worker) takeBatch(batch []datagram.Datagram) {
	w.answers, w.awaiting, w.stamps, w.traced = w.answers[:0], w.awaiting[:0], w.stamps[:0], w.traced[:0]
	w.mu.Lock()
	defer w.mu.Unlock()
	w.addDropped(w.reader.Dropped())
	w.batches.reads++
	for i := range batch {
		w.slot = w.slots[i*w.slotSize:][:w.slotSize]
		batch[i].Time = batch[i].Time.Add(w.cfg.ClockOffset)
		w.takeMessage(&w.messages[i], &batch[i])
	}
}

// takeMessage takes the datagrams of one message, which have everything in common but
// their payloads.
func (w *worker) takeMessage(m *message, read *datagram.Datagram) {
	*m = message{}
	if read.Group && w.number > 0 {
		return // the kernel gives a copy to each socket; the first worker counts it
	}
	n := read.Segments()
	w.countMessage(n, read.Source == datagram.Kernel)
	if ok, why := w.cfg.Access.Check(read.Peer.Addr()); !ok {
		w.refused[why] += uint64(n)
		m.refusal = why
		return
	}
	m.event = unanswerable(read)
	if n == 1 && receiver.Begins(read.Payload) && w.takeReportRequest(m, read, read.Payload) {
		return // before a peer is made of whoever asks
	}
	w.meet(m, read)
	m.peer.longest = max(m.peer.longest, uint32(n))
	for rest := read.Payload; n > 0; n-- {
		payload := rest
		if n > 1 {
			payload = rest[:read.Segment]
		}
		rest = rest[len(payload):]
		if receiver.Begins(payload) && m.event == "" {
			w.answerPending(m, read) // what came before is counted first
			w.takeReportRequest(m, read, payload)
			continue
		}
		w.count(m, read, payload, n == 1 && read.Truncated)
	}
	w.answerPending(m, read)
}

func (w *worker) countMessage(n int, kernelStamp bool) {
	w.batches.messages++
	w.batches.datagrams += uint64(n)
	if kernelStamp {
		w.kernelStamps += uint64(n)
	} else {
		w.userStamps += uint64(n)
	}
}

// meet looks up the peer of a message, and prepares what all its datagrams have in common.
func (w *worker) meet(m *message, read *datagram.Datagram) {
	evicted := w.peers.evicted
	m.peer, m.isNew = w.peers.arrived(read.Peer, read.Time)
	w.events.add(EventPeerEvicted, w.peers.evicted-evicted)
	w.joining = false
	d := &w.datagram
	d.Peer, d.Local, d.TTL = read.Peer, read.Local, read.TTL
	d.Received = clock.Stamp{Time: read.Time, Source: stampSource(read)}
	d.Kept = m.peer.kept
}

func stampSource(d *datagram.Datagram) clock.Source {
	if d.Source == datagram.Kernel {
		return clock.Kernel
	}
	return clock.User
}

// unanswerable returns the event for which a datagram gets no answer, whatever it says.
func unanswerable(d *datagram.Datagram) (event string) {
	switch {
	case d.Group:
		return EventNotAnsweredGroup
	case answersItself(d.Peer.Port()):
		return EventNotAnsweredPort
	}
	return ""
}

// answersItself reports whether what is sent to the port is answered by a simple
// service: echo, daytime, quote of the day, chargen, time. Nobody listens on port 0.
func answersItself(port uint16) bool {
	switch port {
	case 0, 7, 13, 17, 19, 37:
		return true
	}
	return false
}

// count counts one datagram and lists it to be answered. The tail of a truncated one is lost.
func (w *worker) count(m *message, read *datagram.Datagram, payload []byte, cut bool) {
	event := m.event
	if len(payload) > w.cfg.Buffer {
		payload, cut = payload[:w.cfg.Buffer], true
	}
	if cut {
		event = EventTruncated
	}
	m.peer.count(len(payload))
	w.traffic.MessagesIn++
	w.traffic.BytesIn += uint64(len(payload))
	if number, ok := receiver.Sequence(payload); ok {
		m.peer.number(uint32(number), read.Time)
	}
	w.pending = append(w.pending, counted{payload: payload, number: m.peer.packets, findings: findings{event: event}})
}

// answerPending has the counted datagrams answered, without the lock, and then takes note of what the Responder found.
func (w *worker) answerPending(m *message, read *datagram.Datagram) {
	if len(w.pending) == 0 {
		return
	}
	w.mu.Unlock()
	for i := range w.pending {
		if c := &w.pending[i]; c.findings.event == "" {
			w.respond(m.peer, c, read)
		}
	}
	w.mu.Lock()
	m.peer.kept = w.datagram.Kept
	for i := range w.pending {
		c := &w.pending[i]
		m.peer.measure(read.Time, &c.findings)
		if c.findings.event != "" {
			w.events.add(c.findings.event, 1)
		}
		if w.trace {
			w.datagram.Payload, w.datagram.Number, w.datagram.findings = c.payload, c.number, c.findings
			w.traced = append(w.traced, tracedDatagram{w.datagram, c.answer})
		}
	}
	w.pending = w.pending[:0]
}

// respond has one datagram answered, and lists the answer unless it may not be sent.
func (w *worker) respond(p *peer, c *counted, read *datagram.Datagram) {
	d := &w.datagram
	if p.echo.service {
		c.findings.event = EventNotAnsweredService
		return
	}
	d.Payload, d.Number, d.findings = c.payload, c.number, findings{}
	answer := w.cfg.Handler.Respond(d, w.slot[:0:len(d.Payload)])
	switch f := &d.findings; {
	case len(answer) == 0 && !f.empty:
	case len(answer) > len(d.Payload):
		f.event = EventAnswerTooLong
	case d.Peer.Port() == w.ownPort && !f.final:
		f.event = EventNotAnsweredPort
	default:
		ask := !f.final && p.echo.saw(d.Payload, f.endless)
		p.echo.answered(answer)
		c.answer = w.slot[:len(answer)]
		w.list(read, answer)
		if ask {
			w.ask(read, p.echo.nonce)
		}
	}
	c.findings = d.findings
}

// notSent is the ID of an answer until it is sent.
const notSent = 1<<32 - 1

// list adds an answer to those to be sent, to the last of them if both are for
// segments of the same message and the kernel will cut them apart.
func (w *worker) list(read *datagram.Datagram, answer []byte) {
	if len(answer) > 0 && &answer[0] != &w.slot[0] { // the Responder has not appended
		copy(w.slot, answer)
	}
	f := &w.datagram.findings
	if f.stamped && f.stampOffset >= 0 && f.stampOffset+8 <= len(answer) {
		w.stamps = append(w.stamps, lateStamp{w.slot[f.stampOffset:][:8], f.stampFormat})
	}
	if w.joining && w.joined < datagram.MaxSegments && f.recorder == nil && len(answer) > 0 {
		last := &w.answers[len(w.answers)-1]
		if size := len(last.Payload) / w.joined; len(answer) <= size {
			last.Payload = last.Payload[:len(last.Payload)+len(answer)]
			last.Segment = size
			w.joined++
			w.joining = len(answer) == size
			w.slot = w.slot[len(answer):]
			return
		}
	}
	w.answers = append(w.answers, datagram.Datagram{
		Payload: w.slot[:len(answer)], Peer: read.Peer, Local: read.Local, Interface: read.Interface,
		Stamp: f.recorder != nil, ID: notSent,
	})
	w.awaiting = append(w.awaiting, awaitedStamp{id: f.sentID, recorder: f.recorder})
	w.joining, w.joined = w.join && f.recorder == nil && len(answer) > 0, 1
	w.slot = w.slot[len(answer):]
}

// takeReportRequest answers a request for the counts of its sender, and reports whether
// it has dealt with the datagram. An answer to nobody's request is not echoed:
// two servers could go on with it for ever.
func (w *worker) takeReportRequest(m *message, read *datagram.Datagram, payload []byte) bool {
	if m.event != "" {
		return false
	}
	if w.takeChallenge(read, payload) {
		return true
	}
	request, ok := receiver.ParseRequest(payload)
	if !ok {
		w.events.add(EventReportIgnored, 1)
		return true
	}
	w.events.add(EventReport, 1)
	if request.Anew {
		w.forget(m, read)
	}
	counts := w.report(read)
	w.joining = false
	w.datagram.findings = findings{}
	receiver.PutAnswer(w.slot, request.Nonce, &counts)
	w.list(read, w.slot[:receiver.Len])
	w.joining = false
	return true
}

// forget begins the counts of a peer anew.
func (w *worker) forget(m *message, read *datagram.Datagram) {
	w.peers.forget(read.Peer)
	if m.peer != nil {
		w.meet(m, read)
	}
}
