package server

import (
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"os"
	"sync"
	"time"

	"wirelab/clock"
	"wirelab/internal/sys"
	"wirelab/observe"
)

// Events that a UDP server counts, beside those of its handler.
const (
	EventDroppedByKernel  = "dropped_by_kernel"  // discarded before the server read it
	EventTruncated        = "truncated"          // longer than the buffer; not answered
	EventNotAnsweredPort  = "not_answered_port"  // from a port whose answers could make a loop
	EventNotAnsweredGroup = "not_answered_group" // sent to a multicast or broadcast address
	EventAnswerTooLong    = "answer_too_long"    // the handler's answer exceeded the datagram; not sent
	EventSendFailed       = "send_failed"        // the system did not take the answer
	EventPeerEvicted      = "peer_evicted"       // a peer forgotten to make room for another
)

// A udpWorker serves one socket. All that it knows of the peers is its own: a
// server with several sockets on one port (SO_REUSEPORT) has a worker for each, and the
// kernel gives each peer to one of them.
type udpWorker struct {
	cfg       UDPConfig
	ownPort   uint16
	conn      *sys.DatagramConn
	reader    *sys.DatagramReader
	writer    *sys.DatagramWriter
	exchanges []exchange
	answers   []sys.Datagram
	answered  []int  // the exchange of each of answers
	slots     []byte // room for an answer to each datagram of a batch
	trace     bool   // log each datagram
	newPeers  lineLimit
	refusals  lineLimit

	mu           sync.Mutex // taken twice for each batch
	peers        *peerTable
	peak         int
	traffic      observe.Traffic
	refused      map[Reason]uint64
	events       map[string]uint64
	kernelStamps uint64
	userStamps   uint64
	lastDropped  uint32
}

// An exchange is a datagram of the batch at hand and what becomes of it.
type exchange struct {
	Datagram
	peer    *peer  // nil: refused
	refusal Reason // why
	isNew   bool
	silent  bool // not to be answered
	answer  []byte
	sent    bool
}

func newUDPWorker(conn *sys.DatagramConn, cfg UDPConfig) *udpWorker {
	return &udpWorker{
		cfg:       cfg,
		ownPort:   conn.LocalAddr().Port(),
		conn:      conn,
		reader:    conn.NewReader(datagramBatch, cfg.Buffer),
		writer:    conn.NewWriter(datagramBatch),
		exchanges: make([]exchange, datagramBatch),
		answers:   make([]sys.Datagram, 0, datagramBatch),
		answered:  make([]int, 0, datagramBatch),
		slots:     make([]byte, datagramBatch*cfg.Buffer),
		trace:     cfg.Log.Enabled(context.Background(), slog.LevelDebug),
		peers:     newPeerTable(MaxPeers),
		refused:   map[Reason]uint64{},
		events:    map[string]uint64{},
	}
}

// serve deals with one batch of datagrams: it takes note of them, has them
// answered without holding a lock, and takes note of what came of it.
func (w *udpWorker) serve(batch []sys.Datagram) {
	exchanges := w.exchanges[:len(batch)]
	w.arrive(batch, exchanges)
	w.answers, w.answered = w.answers[:0], w.answered[:0]
	for i := range exchanges {
		if e := &exchanges[i]; e.peer != nil && !e.silent {
			w.respond(e, i, &batch[i])
		}
	}
	w.stamp(exchanges)
	w.send(exchanges)
	w.account(exchanges)
	w.logBatch(exchanges)
}

// arrive accounts for what has come, before it is answered: a Responder is told
// how many datagrams the peer has sent.
func (w *udpWorker) arrive(batch []sys.Datagram, exchanges []exchange) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.addDropped(w.reader.Dropped())
	for i := range batch {
		d, e := &batch[i], &exchanges[i]
		*e = exchange{Datagram: Datagram{
			Payload: d.Payload, Peer: d.Peer, Local: d.Local, TTL: d.TTL, Received: clock.Stamp{Time: d.Time},
		}}
		if d.Kernel {
			e.Received.Source = clock.Kernel
			w.kernelStamps++
		} else {
			w.userStamps++
		}
		w.admit(d, e)
	}
	w.peak = max(w.peak, len(w.peers.byAddr))
}

// admit decides whether a datagram is taken, and whether it may be answered.
func (w *udpWorker) admit(d *sys.Datagram, e *exchange) {
	if ok, why := w.cfg.Access.Check(d.Peer.Addr()); !ok {
		w.refused[why]++
		e.refusal = why
		return
	}
	w.traffic.MessagesIn++
	w.traffic.BytesIn += uint64(len(d.Payload))
	evicted := w.peers.evicted
	e.peer, e.isNew = w.peers.arrived(d.Peer, len(d.Payload), d.Time)
	e.Number = e.peer.packets
	if w.peers.evicted != evicted {
		w.events[EventPeerEvicted]++
	}
	if event := unanswerable(d); event != "" {
		w.events[event]++
		e.silent = true
	}
}

// unanswerable returns the event for which a datagram gets no answer, whatever it says.
func unanswerable(d *sys.Datagram) (event string) {
	switch {
	case d.Truncated:
		return EventTruncated
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

// respond has datagram i of the batch answered, and lists the answer unless it may not be sent.
func (w *udpWorker) respond(e *exchange, i int, d *sys.Datagram) {
	slot := w.slots[i*w.cfg.Buffer:][:0:w.cfg.Buffer]
	answer := w.cfg.Handler.Respond(&e.Datagram, slot)
	switch {
	case len(answer) == 0:
	case len(answer) > len(d.Payload):
		e.findings.event = EventAnswerTooLong
	case d.Peer.Port() == w.ownPort && !e.findings.final:
		e.findings.event = EventNotAnsweredPort
	default:
		e.answer = answer
		w.answers = append(w.answers, sys.Datagram{Payload: answer, Peer: d.Peer, Local: d.Local, Interface: d.Interface})
		w.answered = append(w.answered, i)
	}
}

// stamp writes the time into the answers that carry it, as late as can be.
func (w *udpWorker) stamp(exchanges []exchange) {
	var now time.Time
	for _, i := range w.answered {
		e := &exchanges[i]
		f := &e.findings
		if !f.stamped || f.stampOffset < 0 || f.stampOffset+8 > len(e.answer) {
			continue
		}
		if now.IsZero() {
			now = time.Now()
		}
		binary.BigEndian.PutUint64(e.answer[f.stampOffset:], f.stampFormat.Encode(now))
	}
}

// send sends the answers. One that the system refuses (no route, a firewall's
// rule) does not keep the others back.
func (w *udpWorker) send(exchanges []exchange) {
	for next := 0; next < len(w.answers); next++ {
		n, err := w.writer.Write(w.answers[next:])
		for _, i := range w.answered[next : next+n] {
			exchanges[i].sent = true
		}
		if err == nil || errors.Is(err, os.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		next += n
		if w.trace {
			w.cfg.Log.Debug("answer not sent", "peer", w.answers[next].Peer, "err", err)
		}
	}
}

// account notes what the Responder found and what was sent. A peer that was
// forgotten for the sake of a later datagram of the batch is passed over.
func (w *udpWorker) account(exchanges []exchange) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range exchanges {
		e := &exchanges[i]
		if e.peer == nil {
			continue
		}
		if e.peer.addr == e.Peer {
			e.peer.measure(e.Received.Time, &e.findings)
		}
		if e.findings.event != "" {
			w.events[e.findings.event]++
		}
		switch {
		case e.sent:
			w.traffic.MessagesOut++
			w.traffic.BytesOut += uint64(len(e.answer))
		case len(e.answer) > 0:
			w.events[EventSendFailed]++
		}
	}
}

// noteKernelDrops brings the count of the kernel's drops up to date: with no
// datagram since, none has reported them.
func (w *udpWorker) noteKernelDrops() {
	dropped, err := w.conn.Dropped()
	if err != nil {
		return // the socket is closed, or the kernel does not say: what datagrams reported stands
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.addDropped(dropped)
}

// addDropped takes the kernel's count, which wraps. The counts come in two ways and
// may overtake each other.
func (w *udpWorker) addDropped(dropped uint32) {
	if more := int32(dropped - w.lastDropped); more > 0 {
		w.events[EventDroppedByKernel] += uint64(more)
		w.lastDropped = dropped
	}
}
