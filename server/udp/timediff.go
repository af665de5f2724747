package udp

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"time"

	"wirelab/clock"
)

// TimeDiff answers datagrams that carry the time of their sending. What a
// datagram is, is decided by its bytes and the time alone, in this order:
//
//  1. Text, if it begins with a timestamp (clock.ParseTimestamp). It is answered with a
//     line that has the server's receive time in UTC, the difference (receive time less
//     timestamp) in microseconds, and the peer's packet number:
//
//     2026-11-22T10:03:04.123456Z kernel +1523.214 us #17
//
//     An answer may not be longer than the datagram, so a shorter one gets a shorter
//     line, see appendTimeLine: the 18 bytes of `date +%s.%6N` get "04.12345 +1523 #1".
//
//  2. A test packet of STAMP or TWAMP-Light, see isTestPacket. It is reflected, see
//     clock.AppendReflection, with T2 from the datagram's receive stamp and T3 read
//     just before the answers are sent. Of a packet with a Follow-Up Telemetry TLV the
//     answer is stamped by the kernel as it leaves, and the next tells that.
//
//  3. Anything else comes back as it is and is counted as EventUnrecognised.
type TimeDiff struct {
	// Stateful makes a reflection bear the reflector's own sequence number: how many
	// datagrams came from the peer before. Otherwise it is the packet's (RFC 8762, section 4).
	Stateful bool
}

// Events that TimeDiff counts.
const (
	EventUnrecognised = "unrecognised" // neither text with a timestamp nor a test packet
	EventNoRoom       = "no_room"      // the datagram is shorter than the shortest line

	// EventNotAnsweredAnswer counts lines of another such server, or this one's own, and
	// reflections: two could go on for ever with telling each other the time.
	EventNotAnsweredAnswer = "not_answered_answer"
)

// stampBound is the error estimate of reflections: T3 is read in user space, 31 to
// 41 us before the datagram leaves, as measured on the loopback interface.
const stampBound = 50 * time.Microsecond

// Respond implements Responder.
func (h TimeDiff) Respond(d *Datagram, out []byte) []byte {
	if sent, _, ok := clock.ParseTimestamp(d.Payload); ok {
		if isTimeLine(d.Payload) {
			d.Count(EventNotAnsweredAnswer)
			return out
		}
		return respondToText(d, sent, out)
	}
	if isTestPacket(d.Payload, d.Received.Time) {
		return h.reflect(d, out)
	}
	if isReflection(d.Payload) {
		d.Count(EventNotAnsweredAnswer)
		return out
	}
	d.Count(EventUnrecognised)
	d.AnswerEmpty()
	return append(out, d.Payload...)
}

// isTimeLine reports whether text that begins with a timestamp ends as the answer to
// one does: " us #17".
func isTimeLine(b []byte) bool {
	b = bytes.TrimRight(b, "\n")
	digits := len(b)
	for digits > 0 && b[digits-1] >= '0' && b[digits-1] <= '9' {
		digits--
	}
	return digits < len(b) && bytes.HasSuffix(b[:digits], []byte(" us #"))
}

func respondToText(d *Datagram, sent time.Time, out []byte) []byte {
	d.SetSent(sent)
	answer := appendTimeLine(out, len(d.Payload), d.Received, d.Received.Time.Sub(sent), d.Number)
	if len(answer) == len(out) {
		d.Count(EventNoRoom)
	}
	return answer
}

func (h TimeDiff) reflect(d *Datagram, out []byte) []byte {
	packet, err := clock.ParseSender(d.Payload)
	if err != nil {
		return out // isTestPacket has seen that it is long enough
	}
	d.SetSequence(packet.Sequence)
	if sent, known := packet.Sent(d.Received.Time); known {
		d.SetSent(sent)
	}
	r := clock.Reflection{Received: d.Received.Time, Sent: d.Received.Time, Bound: stampBound, TTL: d.TTL}
	if h.Stateful {
		number := uint32(d.Number - 1)
		r.Sequence = &number
	}
	if clock.WantsFollowUp(d.Payload) {
		h.followUp(d, packet, &r)
	}
	start := len(out)
	if out, err = clock.AppendReflection(out, d.Payload, r); err != nil {
		return out
	}
	d.StampAnswer(clock.SentOffset, packet.Estimate.Format())
	if isTestPacket(out[start:], d.Received.Time) { // of one so short that T2 is cut
		d.SetEndless()
	} else {
		d.SetFinal()
	}
	return out
}

// sentReflection is the last answer of a session with Follow-Up Telemetry, kept for the
// next. The session is known by its peer and the SSID.
type sentReflection struct {
	id       uint64 // SSID and sequence number
	previous clock.FollowUp
}

// Sent implements SentRecorder.
func (s *sentReflection) Sent(id uint64, at clock.Stamp) {
	s.id, s.previous = id, clock.FollowUp{Sequence: uint32(id), Sent: at}
}

// followUp writes when the answer before really left, and asks when this one does.
func (h TimeDiff) followUp(d *Datagram, packet clock.SenderPacket, r *clock.Reflection) {
	last, ok := d.Kept.(*sentReflection)
	if !ok {
		last = new(sentReflection)
		d.Kept = last
	}
	if last.id>>32 == uint64(packet.SSID) {
		r.Previous = last.previous
	}
	number := packet.Sequence
	if r.Sequence != nil {
		number = *r.Sequence
	}
	d.TellSent(last, uint64(packet.SSID)<<32|uint64(number))
}

// plausible is how near to the server's clock the timestamp must be where a
// packet's zeros alone do not tell it from chance.
const plausible = time.Minute

// plausibleDecade is how near it must be without an error estimate: the same octets of text
// are decades away.
const plausibleDecade = 10 * 365 * 24 * time.Hour

// isTestPacket reports whether a datagram is a Session-Sender's test packet of
// STAMP or TWAMP-Light, unauthenticated:
//
//   - it has 14 octets or more,
//   - the multiplier of its error estimate is not 0, as RFC 4656, section 4.1.2, has it, or
//     its timestamp is within ten years of received, and in the PTP format its nanoseconds
//     are less than a billion,
//   - the octets from 16 to 43, those that it has, are zeros (RFC 8762, section 4.2.1), and
//   - it has 41 octets or more, or its timestamp is within a minute of received.
//
// The last rule keeps datagrams of 14 to 40 random bytes apart. TWAMP-Light senders
// that pad with other than zeros are not recognised: their packets cannot be
// told from a reflector's, and two reflectors must not reflect each other's for ever.
func isTestPacket(b []byte, received time.Time) bool {
	if len(b) < clock.ShortSenderLen {
		return false // before an error is made, which costs an allocation
	}
	packet, err := clock.ParseSender(b)
	if err != nil {
		return false
	}
	if packet.Estimate.Format() == clock.PTP && uint32(packet.Timestamp) >= 1e9 {
		return false
	}
	const reserved = 16
	if len(b) > reserved && !allZero(b[reserved:min(len(b), clock.TestPacketLen)]) {
		return false
	}
	sent, known := packet.Sent(received)
	off := received.Sub(sent).Abs()
	if len(b) < clock.ShortReflectorLen {
		return known && off <= plausible
	}
	return packet.Estimate.Valid() || known && off <= plausibleDecade
}

// isReflection reports whether a datagram is what a reflector of STAMP has made of one that a
// reflector made: by its three stamps, of which the first was sent back, it was answered
// within a minute. Senders send none; but a reflector that reflects whatever comes, and a
// service that sends it back, go on for ever, each time with other stamps.
func isReflection(b []byte) bool {
	const t3, t2, t1, end = 4, 16, 28, 36
	if len(b) < end {
		return false
	}
	sent, received, began := binary.BigEndian.Uint64(b[t3:]), binary.BigEndian.Uint64(b[t2:]), binary.BigEndian.Uint64(b[t1:])
	return began < received && received <= sent && sent-began < uint64(plausible/time.Second)<<32
}

func allZero(b []byte) bool {
	for ; len(b) >= 8; b = b[8:] {
		if binary.NativeEndian.Uint64(b) != 0 {
			return false
		}
	}
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// appendTimeLine appends the longest of these lines that has at most room bytes
// with its newline:
//
//	2026-11-22T10:03:04.123456Z kernel +1523.214 us #17
//	10:03:04.123456 +1523 #17
//	04.123456 +1523 #17        with as many decimals as there is room for, or none
//	+1523 #17
//	+1523
//	+36000s                    seconds, for a clock that is far off
//
// Nothing is lost with the decimals: the receive time is the time that was sent plus
// the difference. If even the last has no room, nothing is appended.
func appendTimeLine(out []byte, room int, received clock.Stamp, difference time.Duration, number uint64) []byte {
	at := received.Time.UTC()
	var buf [96]byte
	if full := appendFullLine(buf[:0], at, received.Source, difference, number); len(full) <= room {
		return append(out, full...)
	}
	tail := appendSigned(append(buf[:0], ' '), difference.Microseconds())
	short := len(tail)
	tail = append(strconv.AppendUint(append(tail, " #"...), number, 10), '\n')
	if space := room - len(tail); space >= len("04") {
		return append(appendTimeOfDay(out, at, space), tail...)
	}
	switch {
	case len(tail)-1 <= room:
		return append(out, tail[1:]...)
	case short <= room:
		return append(append(out, tail[1:short]...), '\n')
	}
	seconds := append(appendSigned(buf[:0], int64(difference/time.Second)), "s\n"...)
	if len(seconds) <= room {
		return append(out, seconds...)
	}
	return out
}

func appendFullLine(out []byte, at time.Time, source clock.Source, difference time.Duration, number uint64) []byte {
	out = at.AppendFormat(out, "2006-01-02T15:04:05.000000Z ")
	out = append(append(out, source.String()...), ' ')
	out = clock.AppendMicroseconds(out, difference)
	return append(strconv.AppendUint(append(out, " us #"...), number, 10), '\n')
}

// appendTimeOfDay writes as much of the time as there is space for: at least
// its seconds, which take two bytes.
func appendTimeOfDay(out []byte, at time.Time, space int) []byte {
	var buf [32]byte // AppendFormat writes all nine decimals first
	text := at.AppendFormat(buf[:0], "15:04:05.000000")
	if space < len(text) {
		text = text[len("15:04:"):]
		text = text[:min(len(text), space)]
	}
	if text[len(text)-1] == '.' {
		text = text[:len(text)-1]
	}
	return append(out, text...)
}

func appendSigned(out []byte, n int64) []byte {
	if n >= 0 {
		out = append(out, '+')
	}
	return strconv.AppendInt(out, n, 10)
}
