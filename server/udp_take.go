package server

import (
	"wirelab/clock"
	"wirelab/internal/sys/datagram"
	"wirelab/internal/tally"
)

// takeBatch counts the datagrams of a batch and has them answered, one after the
// other: a Responder, and who asks for counts, is told of all that came before.
func (w *udpWorker) takeBatch(batch []datagram.Datagram) {
	w.answers, w.stamps, w.traced = w.answers[:0], w.stamps[:0], w.traced[:0]
	w.mu.Lock()
	defer w.mu.Unlock()
	w.addDropped(w.reader.Dropped())
	w.batches.reads++
	for i := range batch {
		w.slot = w.slots[i*w.slotSize:][:w.slotSize]
		w.takeRun(&w.runs[i], &batch[i])
	}
}

// takeRun takes the datagrams of one read, which have everything in common but
// their payloads.
func (w *udpWorker) takeRun(r *run, read *datagram.Datagram) {
	*r = run{}
	if read.Group && w.number > 0 {
		return // the kernel gives a copy to each socket; the first worker counts it
	}
	n := read.Segments()
	w.countRun(n, read.Source == datagram.Kernel)
	if ok, why := w.cfg.Access.Check(read.Peer.Addr()); !ok {
		w.refused[why] += uint64(n)
		r.refusal = why
		return
	}
	r.event = unanswerable(read)
	if n == 1 && tally.Begins(read.Payload) && w.takeTally(r, read, read.Payload) {
		return // before a peer is made of whoever asks
	}
	w.meet(r, read)
	r.peer.longest = max(r.peer.longest, uint32(n))
	for rest := read.Payload; n > 0; n-- {
		payload := rest
		if n > 1 {
			payload = rest[:read.Segment]
		}
		rest = rest[len(payload):]
		w.take(r, read, payload, n == 1 && read.Truncated)
	}
}

func (w *udpWorker) countRun(n int, kernelStamp bool) {
	w.batches.runs++
	w.batches.datagrams += uint64(n)
	if kernelStamp {
		w.kernelStamps += uint64(n)
	} else {
		w.userStamps += uint64(n)
	}
}

// meet looks up the peer of a run, and prepares what all its datagrams have in common.
func (w *udpWorker) meet(r *run, read *datagram.Datagram) {
	evicted := w.peers.evicted
	r.peer, r.isNew = w.peers.arrived(read.Peer, read.Time)
	w.events.add(EventPeerEvicted, w.peers.evicted-evicted)
	w.joining = false
	d := &w.datagram
	d.Peer, d.Local, d.TTL = read.Peer, read.Local, read.TTL
	d.Received = clock.Stamp{Time: read.Time, Source: stampSource(read)}
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

// take counts one datagram and has it answered. Of one that was cut the rest is lost.
func (w *udpWorker) take(r *run, read *datagram.Datagram, payload []byte, cut bool) {
	if tally.Begins(payload) && w.takeTally(r, read, payload) {
		return
	}
	event := r.event
	if len(payload) > w.cfg.Buffer {
		payload, cut = payload[:w.cfg.Buffer], true
	}
	if cut {
		event = EventTruncated
	}
	r.peer.count(len(payload))
	w.traffic.MessagesIn++
	w.traffic.BytesIn += uint64(len(payload))
	if number, ok := tally.Sequence(payload); ok {
		r.peer.number(uint32(number), read.Time)
	}
	d := &w.datagram
	d.Payload, d.Number, d.findings = payload, r.peer.packets, findings{event: event}
	answered := 0
	if event == "" {
		answered = w.respond(r, read)
	}
	if d.findings.event != "" {
		w.events.add(d.findings.event, 1)
	}
	if w.trace {
		w.traced = append(w.traced, tracedDatagram{*d, answered})
	}
}

// respond has the datagram at hand answered, and lists the answer unless it may
// not be sent. It returns the answer's length.
func (w *udpWorker) respond(r *run, read *datagram.Datagram) int {
	d, f := &w.datagram, &w.datagram.findings
	answer := w.cfg.Handler.Respond(d, w.slot[:0:len(d.Payload)])
	r.peer.measure(read.Time, f)
	switch {
	case len(answer) == 0:
	case len(answer) > len(d.Payload):
		f.event = EventAnswerTooLong
	case d.Peer.Port() == w.ownPort && !f.final:
		f.event = EventNotAnsweredPort
	default:
		w.list(read, answer)
		return len(answer)
	}
	return 0
}

// list adds an answer to those to be sent, to the last of them if both are for
// the same run and the kernel will cut them apart.
func (w *udpWorker) list(read *datagram.Datagram, answer []byte) {
	if &answer[0] != &w.slot[0] { // the Responder has not appended
		copy(w.slot, answer)
	}
	if f := &w.datagram.findings; f.stamped && f.stampOffset >= 0 && f.stampOffset+8 <= len(answer) {
		w.stamps = append(w.stamps, lateStamp{w.slot[f.stampOffset:][:8], f.stampFormat})
	}
	if w.joining && w.joined < datagram.MaxSegments {
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
	w.answers = append(w.answers, datagram.Datagram{Payload: w.slot[:len(answer)], Peer: read.Peer, Local: read.Local, Interface: read.Interface})
	w.joining, w.joined = w.join, 1
	w.slot = w.slot[len(answer):]
}

// takeTally answers a request for the counts of its sender, and reports whether
// it has dealt with the datagram. An answer to nobody's request is not echoed:
// two servers could go on with it for ever.
func (w *udpWorker) takeTally(r *run, read *datagram.Datagram, payload []byte) bool {
	if r.event != "" {
		return false
	}
	request, ok := tally.ParseRequest(payload)
	if !ok {
		w.events.add(EventTallyIgnored, 1)
		return true
	}
	w.events.add(EventTally, 1)
	if request.Anew {
		w.forget(r, read)
	}
	counts := w.tallyOf(read)
	w.joining = false
	w.datagram.findings = findings{}
	tally.PutAnswer(w.slot, request.Nonce, &counts)
	w.list(read, w.slot[:tally.Len])
	w.joining = false
	return true
}

// forget begins the counts of a peer anew.
func (w *udpWorker) forget(r *run, read *datagram.Datagram) {
	w.peers.forget(read.Peer)
	if r.peer != nil {
		w.meet(r, read)
	}
}
