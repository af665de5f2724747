package udp

import (
	"net/netip"
	"time"

	"wirelab/clock"
)

// A Responder decides what a UDP server answers. One Responder serves all
// datagrams of a server: the workers call it from several goroutines at once, each
// with datagrams of peers of its own.
type Responder interface {
	// Respond appends the answer to d to out, which is empty and has room for as
	// many bytes as d's payload, and returns it; nothing appended means no answer. It
	// does not block and keeps neither d nor the slices. An answer that is longer than
	// the payload is counted and not sent: such a service would be an amplifier. The
	// server holds no lock meanwhile.
	Respond(d *Datagram, out []byte) []byte
}

// A Datagram is what a Responder gets to see of a datagram, and what it may
// tell the server about it.
type Datagram struct {
	Payload  []byte
	Peer     netip.AddrPort // its source, IPv4 unmapped
	Local    netip.Addr     // the address it was sent to; not valid: the one that the server is bound to
	Received clock.Stamp    // when it came, and who read the clock
	TTL      uint8          // TTL or hop limit with which it arrived; 0: unknown
	Number   uint64         // datagrams from this peer so far, this one included

	// Kept is what the Responder keeps of the peer: nil at first, then what it has set. The
	// server forgets it with the peer, of which it knows at most MaxPeers. One worker serves a
	// peer, so that nobody else uses it meanwhile.
	Kept any

	findings findings
}

// findings are what a Responder found out about a datagram.
type findings struct {
	hasSent, hasSequence bool
	sequence             uint32
	sent                 time.Time
	event                string
	stamped, final       bool
	endless              bool
	empty                bool
	stampOffset          int
	stampFormat          clock.Format
	recorder             SentRecorder
	sentID               uint64
}

// A SentRecorder learns when an answer left.
type SentRecorder interface {
	// Sent is called with the stamp of the answer for which [Datagram.TellSent] was given
	// id: by the worker that serves the peer, mostly before the peer's next datagram.
	Sent(id uint64, at clock.Stamp)
}

// SetSent says when the peer sent the datagram, by the peer's clock. The
// server keeps the peer's clock difference and jitter from it.
func (d *Datagram) SetSent(t time.Time) { d.findings.sent, d.findings.hasSent = t, true }

// SetSequence says which number the datagram bears. The server counts what is lost,
// reordered and duplicate from it (see clock.Sequence).
func (d *Datagram) SetSequence(n uint32) { d.findings.sequence, d.findings.hasSequence = n, true }

// Count counts the datagram under a name among the events of the server's
// status; the last call counts. The names must be few: each is kept for ever.
func (d *Datagram) Count(event string) { d.findings.event = event }

// StampAnswer makes the server write the time into eight bytes of the answer,
// just before it is sent: later than any Responder could.
func (d *Datagram) StampAnswer(offset int, f clock.Format) {
	d.findings.stamped, d.findings.stampOffset, d.findings.stampFormat = true, offset, f
}

// TellSent makes the server have the answer stamped by the kernel as it leaves, and
// tell recorder. A stamp that never comes is not told of.
func (d *Datagram) TellSent(recorder SentRecorder, id uint64) {
	d.findings.recorder, d.findings.sentID = recorder, id
}

// AnswerEmpty makes an answer of no bytes one that is sent.
func (d *Datagram) AnswerEmpty() { d.findings.empty = true }

// SetFinal says that no server answers the answer, or not with one that this
// server answers. Other answers are not sent to peers that have the server's own port
// number: such a peer may be a server of the same kind, named as the source by
// a third party, and two of them would answer each other for ever.
func (d *Datagram) SetFinal() { d.findings.final = true }

// SetEndless says that the answer looks like a question, though not like the one that it is
// the answer to: so a peer that answers it in kind is not known by its repeating it.
func (d *Datagram) SetEndless() { d.findings.endless = true }

// Handler describes a Responder that a UDP server can be given by name.
type Handler struct {
	Name    string
	Summary string
	New     func() Responder
}

// Handlers returns the handlers, the default first.
func Handlers() []Handler {
	return []Handler{
		{"timediff", "STAMP and text times get their difference, all else comes back",
			func() Responder { return TimeDiff{} }},
		{"echo", "every datagram comes back (RFC 862)", func() Responder { return datagramEcho{} }},
		{"discard", "every datagram is thrown away (RFC 863)", func() Responder { return datagramDiscard{} }},
	}
}

type datagramEcho struct{}

func (datagramEcho) Respond(d *Datagram, out []byte) []byte {
	if isReflection(d.Payload) {
		d.Count(EventNotAnsweredAnswer)
		return out
	}
	d.AnswerEmpty()
	return append(out, d.Payload...)
}

type datagramDiscard struct{}

func (datagramDiscard) Respond(_ *Datagram, out []byte) []byte { return out }
