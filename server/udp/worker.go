package udp

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"syscall"
	"time"

	"wirelab/clock"
	"wirelab/internal/receiver"
	"wirelab/internal/sys/datagram"
	"wirelab/observe"
	"wirelab/server"
	"wirelab/server/internal/counts"
)

// Events that a UDP server counts, beside those of its handler.
const (
	EventDroppedByKernel  = "dropped_by_kernel"  // discarded before the server read it; segments of one message count once
	EventTruncated        = "truncated"          // longer than the buffer; not answered
	EventNotAnsweredPort  = "not_answered_port"  // from a port whose answers could make a loop
	EventNotAnsweredGroup = "not_answered_group" // sent to a multicast or broadcast address
	EventAnswerTooLong    = "answer_too_long"    // the handler's answer exceeded the datagram; not sent
	EventSendFailed       = "send_failed"        // the system did not take the answer
	EventPeerEvicted      = "peer_evicted"       // a peer forgotten to make room for another
	EventReport           = "report"             // a request for the peer's counts; it is not counted itself
	EventReportIgnored    = "report_ignored"     // an answer to such a request that was not made
	EventGSORefused       = "gso_refused"        // answers that the system did not take as segments, and that left one at a time
)

// A worker serves one socket. All that it knows of the peers is its own: a
// server with several sockets on one port (SO_REUSEPORT) has a worker for each, and the
// kernel gives each peer to one of them.
type worker struct {
	cfg     Config
	number  uint32 // among the server's workers
	since   time.Time
	ownPort uint16
	conn    *datagram.Conn
	reader  *datagram.Reader
	writer  *datagram.Writer

	messages []message           // of the batch at hand
	datagram Datagram            // the one at hand, in the form that a Responder sees
	pending  []counted           // datagrams of the message at hand that are counted and not yet answered
	answers  []datagram.Datagram // to the batch at hand
	slots    []byte              // room for the answers to each message of a batch
	slotSize int
	slot     []byte // of the message at hand, what is left of it
	joining  bool   // the next answer may leave together with the last
	joined   int    // datagrams in the last of answers
	stamps   []lateStamp
	awaiting []awaitedStamp // beside answers: whom to tell when they have left
	sent     []awaitedStamp // by the ID of the datagram, modulo maxAwaited
	singles  []datagram.Datagram
	join     bool // answers to segments leave as segments

	trace    bool // log each datagram
	contents bool // and its bytes
	traced   []tracedDatagram
	newPeers counts.LineLimit
	refusals counts.LineLimit

	mu           sync.Mutex // not held while a Responder or the kernel is at work
	peers        *peerTable
	traffic      server.Traffic
	refused      server.ReasonCounts
	events       eventCounts
	batches      batchCounts
	kernelStamps uint64
	userStamps   uint64
	dropped      uint64 // the kernel's count, without its wrapping
	lastDropped  uint32
}

// A message is what recvmmsg brings as one: a datagram, or segments from one peer.
type message struct {
	peer    *peer         // nil: refused, or a request for counts
	refusal server.Reason // why
	isNew   bool
	event   string // why none of it is answered; empty: it may be
}

// counted is a datagram that has been counted, and then what its Responder made of it.
type counted struct {
	payload  []byte
	number   uint64
	findings findings
	answer   []byte // valid until the next read
}

// maxAwaited is how many answers may be without their send stamp at a time; nobody is
// told of older ones.
const maxAwaited = 4096

// An awaitedStamp says whom to tell when an answer has left.
type awaitedStamp struct {
	stamp    uint32 // ID of the datagram
	id       uint64
	recorder SentRecorder // nil: nobody
}

// A lateStamp is where in an answer the time of its sending goes.
type lateStamp struct {
	at     []byte
	format clock.Format
}

// batchCounts say how many datagrams were moved at a time.
type batchCounts struct {
	reads, messages, datagrams uint64
	writes, answers            uint64
}

func newWorker(conn *datagram.Conn, cfg Config, number int, since time.Time) *worker {
	size := cfg.Buffer
	if conn.GRO() {
		size = datagram.MaxRead
	}
	// Buffers a power of two apart would compete for the same lines of the caches.
	size = (size+63)/64*64 + 64
	return &worker{
		cfg:      cfg,
		number:   uint32(number),
		since:    since,
		ownPort:  conn.LocalAddr().Port(),
		conn:     conn,
		reader:   conn.NewReader(cfg.Batch, size),
		writer:   conn.NewWriter(cfg.Batch),
		messages: make([]message, cfg.Batch),
		sent:     make([]awaitedStamp, maxAwaited),
		slots:    make([]byte, cfg.Batch*size),
		slotSize: size,
		join:     conn.GSO() && !cfg.WithoutGSO,
		trace:    cfg.Log.Enabled(context.Background(), slog.LevelDebug),
		contents: cfg.Log.Enabled(context.Background(), observe.LevelContents),
		peers:    newPeerTable(MaxPeers / cfg.Workers),
		refused:  server.ReasonCounts{},
		events:   newEventCounts(),
	}
}

// gatherTime is for how long datagrams gather where nobody waits for answers: short
// enough that the socket's buffer holds what a fast sender sends meanwhile. A sender
// that need not wake the server for each datagram is up to a third faster.
const gatherTime = 50 * time.Microsecond

// run answers until the socket's read deadline passes.
func (w *worker) run() error {
	for {
		batch, err := w.reader.Read()
		switch {
		case err == nil && len(batch) == 0:
			w.tellSent()
		case err == nil:
			w.serve(batch)
			if len(w.answers) == 0 && len(batch) < w.cfg.Batch {
				w.reader.Pause(gatherTime)
			}
		case errors.Is(err, os.ErrDeadlineExceeded):
			return w.drain(time.Now())
		default:
			return fmt.Errorf("receive datagrams: %w", err)
		}
	}
}

// drain answers what had come by then. Later datagrams end it, so that those
// who keep sending cannot keep it running.
func (w *worker) drain(until time.Time) error {
	for {
		batch, err := w.reader.ReadNow()
		if err != nil {
			return fmt.Errorf("receive datagrams: %w", err)
		}
		if len(batch) == 0 {
			return nil
		}
		w.serve(batch)
		if batch[len(batch)-1].Time.After(until) {
			return nil
		}
	}
}

// serve deals with one batch of messages: it counts and answers them, and sends the
// answers without holding the lock.
func (w *worker) serve(batch []datagram.Datagram) {
	w.takeBatch(batch)
	if len(w.answers) > 0 {
		w.stamp()
		w.sendAnswers()
		w.awaitStamps()
	}
	w.logBatch(batch)
}

// awaitStamps takes note of the answers that are being stamped, and tells of those that
// already were: on many devices the stamp is there as soon as the answer has left.
func (w *worker) awaitStamps() {
	asked := false
	for i := range w.awaiting {
		if a := &w.awaiting[i]; a.recorder != nil && w.answers[i].ID != notSent {
			a.stamp, asked = w.answers[i].ID, true
			w.sent[a.stamp%maxAwaited] = *a
		}
	}
	if asked {
		w.tellSent()
	}
}

// tellSent tells those who wait for stamps of the ones that have come.
func (w *worker) tellSent() {
	for _, s := range w.reader.SendStamps(0) {
		a := &w.sent[s.ID%maxAwaited]
		if a.recorder != nil && a.stamp == s.ID && s.Source == datagram.Kernel {
			a.recorder.Sent(a.id, clock.Stamp{Time: s.Time.Add(w.cfg.ClockOffset), Source: clock.Kernel})
			a.recorder = nil
		}
	}
}

// stamp writes the time into the answers that carry it, as late as can be.
func (w *worker) stamp() {
	if len(w.stamps) == 0 {
		return
	}
	now := time.Now().Add(w.cfg.ClockOffset)
	for _, s := range w.stamps {
		binary.BigEndian.PutUint64(s.at, s.format.Encode(now))
	}
}

// sendAnswers sends what was answered, and takes note of it.
func (w *worker) sendAnswers() {
	var all sentAnswers
	all.add(w.answers)
	sent := w.send(w.answers)
	calls, _ := w.writer.Calls()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.traffic.MessagesOut += sent.datagrams
	w.traffic.BytesOut += sent.bytes
	w.batches.writes, w.batches.answers = calls, w.batches.answers+sent.datagrams
	w.events.add(EventSendFailed, all.datagrams-sent.datagrams)
	w.events.add(EventGSORefused, sent.refusedSegments)
}

// sentAnswers is what became of answers, other than those to requests for counts:
// neither these nor the requests are traffic.
type sentAnswers struct{ datagrams, bytes, refusedSegments uint64 }

func (s *sentAnswers) add(sent []datagram.Datagram) {
	for i := range sent {
		if receiver.Begins(sent[i].Payload) {
			continue
		}
		s.datagrams += uint64(sent[i].Segments())
		s.bytes += uint64(len(sent[i].Payload))
	}
}

// send sends the answers. One that the system refuses (no route, a firewall's
// rule) does not keep the others back; segments that it does not take as one are
// sent one datagram at a time.
func (w *worker) send(answers []datagram.Datagram) (sent sentAnswers) {
	for len(answers) > 0 {
		n, err := w.writer.Write(answers)
		sent.add(answers[:n])
		if err == nil || errors.Is(err, os.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) {
			return sent
		}
		refused := &answers[n]
		answers = answers[n+1:]
		if !errors.Is(err, datagram.ErrSegmentation) {
			if w.trace {
				w.cfg.Log.Debug("answer not sent", "peer", refused.Peer, "err", err)
			}
			continue
		}
		w.noteGSORefused(refused, err)
		w.singles = refused.AppendSegments(w.singles[:0])
		singly := w.send(w.singles)
		sent.datagrams += singly.datagrams
		sent.bytes += singly.bytes
		sent.refusedSegments++
	}
	return sent
}

// noteGSORefused remembers that a device takes no segments, and says so once. Of other
// errors the reason may be that the way to this peer takes shorter datagrams only.
func (w *worker) noteGSORefused(d *datagram.Datagram, err error) {
	if !w.join || !errors.Is(err, syscall.EIO) {
		return
	}
	w.mu.Lock()
	w.join = false
	w.mu.Unlock()
	w.cfg.Log.Warn("answers leave one at a time from now on: a device refuses GSO", "peer", d.Peer, "err", err)
}

// noteKernelDrops brings the count of the kernel's drops up to date: with no
// datagram since, none has reported them.
func (w *worker) noteKernelDrops() {
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
func (w *worker) addDropped(dropped uint32) {
	if more := int32(dropped - w.lastDropped); more > 0 {
		w.events.add(EventDroppedByKernel, uint64(more))
		w.dropped += uint64(more)
		w.lastDropped = dropped
	}
}
