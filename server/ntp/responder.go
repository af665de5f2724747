package ntp

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"wirelab/clock"
	"wirelab/clock/ntp"
	"wirelab/clock/nts"
	"wirelab/server/udp"
)

// Events that a Responder counts.
const (
	EventBasic       = "basic"         // answered in the basic mode
	EventInterleaved = "interleaved"   // answered in the interleaved mode
	EventKiss        = "kiss_rate"     // told to ask less often
	EventLimited     = "rate_limited"  // not answered, as it asks too often
	EventShort       = "short"         // shorter than an NTP header
	EventNotClient   = "not_a_request" // of another mode than a client's
	EventVersion     = "version"       // of a version that nobody speaks
	EventExtension   = "bad_extension" // its extension fields do not end where it does
	EventKeyed       = "unknown_key"   // with a message authentication code; this server has no keys
	EventNTS         = "nts"           // answered with NTS
	EventNTSRefused  = "nts_nak"       // with a cookie that this server cannot read
)

// A Reference is what a server tells about its clock.
type Reference struct {
	Leap           ntp.Leap
	Stratum        uint8 // 1 to 15
	ID             [4]byte
	Time           time.Time     // when the clock was last corrected
	RootDelay      time.Duration // to the reference clock and back
	RootDispersion time.Duration // at Time; it grows by 15 ppm from then on
}

// LocalReference is the reference of a server whose own clock is to be believed,
// whatever it shows. Its error against UTC is unknown and not told.
func LocalReference(stratum uint8, since time.Time) Reference {
	r := Reference{Stratum: stratum, Time: since, ID: [4]byte{127, 127, 1, 1}}
	if stratum == 1 {
		r.ID = [4]byte{'L', 'O', 'C', 'L'}
	}
	return r
}

// Config says how a Responder answers. The zero value answers everybody, and says that
// its clock is not synchronised.
type Config struct {
	// RatePerSecond is how many requests an address may send on average, with Burst at once;
	// 0: no limit. Addresses share buckets by chance: a limit may hold for two together.
	RatePerSecond float64
	Burst         int // 0: 8
	// NTS answers requests with NTS extension fields; nil: they get no answer.
	NTS *nts.Server
}

// A Responder answers NTP requests. It is for a UDP server with one worker, see Listen.
type Responder struct {
	cfg       Config
	precision int8
	reference atomic.Pointer[Reference]
	left      *departures
	limit     *limiter
}

// New returns a Responder that is not synchronised.
func New(cfg Config) (*Responder, error) {
	if cfg.Burst == 0 {
		cfg.Burst = 8
	}
	if cfg.RatePerSecond < 0 || cfg.Burst < 1 {
		return nil, fmt.Errorf("a rate of %v requests a second with a burst of %d cannot be kept", cfg.RatePerSecond, cfg.Burst)
	}
	r := &Responder{cfg: cfg, precision: precision(), left: newDepartures()}
	if cfg.RatePerSecond > 0 {
		r.limit = newLimiter(cfg.RatePerSecond, cfg.Burst)
	}
	return r, nil
}

// SetReference says what is told from now on; nil: that the clock is not
// synchronised. It may be called from any goroutine.
func (r *Responder) SetReference(ref *Reference) { r.reference.Store(ref) }

// Respond implements udp.Responder.
func (r *Responder) Respond(d *udp.Datagram, out []byte) []byte {
	request, rest, event := read(d.Payload)
	if event != "" {
		d.Count(event)
		return out
	}
	d.SetFinal() // nobody answers an answer
	if r.limit != nil {
		switch r.limit.take(d.Peer.Addr(), d.Received.Time) {
		case kiss:
			d.Count(EventKiss)
			return appendKiss(out, &request, "RATE")
		case refused:
			d.Count(EventLimited)
			return out
		}
	}
	if len(rest) > 0 {
		return r.respondExtended(d, &request, rest, out)
	}
	return r.respondPlain(d, &request, out)
}

// respondPlain appends an answer that is not authenticated: its T3 is written last.
func (r *Responder) respondPlain(d *udp.Datagram, request *ntp.Packet, out []byte) []byte {
	answer, interleaved := r.answer(d, request)
	if !interleaved {
		d.StampAnswer(ntp.TransmitOffset, clock.NTP)
	}
	return answer.Append(out)
}

// read reads a request, and says why it gets no answer.
func read(b []byte) (request ntp.Packet, rest []byte, event string) {
	if len(b) < ntp.PacketLen {
		return request, nil, EventShort // before an error is made, which costs an allocation
	}
	request, rest, _ = ntp.Parse(b)
	switch {
	case request.Mode != ntp.ClientMode:
		event = EventNotClient
	case request.Version < 1 || request.Version > 4:
		event = EventVersion
	}
	return request, rest, event
}

// answer makes the answer to a request: in the interleaved mode if the request names an
// answer whose departure is known, and in the basic mode else, where the transmit
// timestamp is the receive timestamp so far.
func (r *Responder) answer(d *udp.Datagram, request *ntp.Packet) (p ntp.Packet, interleaved bool) {
	p = r.header(request, d.Received.Time)
	left, known := r.left.find(request.Origin, d.Peer.Addr())
	p.Receive = r.left.expect(ntp.TimestampOf(d.Received.Time), d.Peer.Addr())
	d.TellSent(r.left, uint64(p.Receive))
	if known && request.Receive != request.Transmit {
		p.Origin, p.Transmit = request.Receive, left
		d.Count(EventInterleaved)
		return p, true
	}
	p.Origin, p.Transmit = request.Transmit, p.Receive
	d.Count(EventBasic)
	return p, false
}

// header fills in what a server says about its clock.
func (r *Responder) header(request *ntp.Packet, now time.Time) ntp.Packet {
	p := ntp.Packet{Leap: ntp.Unsynchronized, Version: request.Version, Mode: ntp.ServerMode, Poll: request.Poll, Precision: r.precision}
	ref := r.reference.Load()
	if ref == nil {
		p.RootDispersion = ntp.ShortOf(maxDispersion)
		return p
	}
	p.Leap, p.Stratum, p.ReferenceID = ref.Leap, ref.Stratum, ref.ID
	p.Reference = ntp.TimestampOf(ref.Time)
	p.RootDelay = ntp.ShortOf(ref.RootDelay)
	aged := time.Duration(float64(max(now.Sub(ref.Time), 0)) * dispersionRate)
	if ref.ID == [4]byte{'L', 'O', 'C', 'L'} || ref.ID == [4]byte{127, 127, 1, 1} {
		aged = 0 // the reference is this very clock
	}
	p.RootDispersion = ntp.ShortOf(ref.RootDispersion + aged)
	return p
}

const (
	maxDispersion  = 16 * time.Second // RFC 5905's MAXDISP
	dispersionRate = 15e-6            // RFC 5905's PHI
)

// appendKiss appends a kiss-o'-death: no time, and nothing that a forged request
// could not have said itself.
func appendKiss(out []byte, request *ntp.Packet, code string) []byte {
	p := ntp.Packet{
		Leap: ntp.Unsynchronized, Version: request.Version, Mode: ntp.ServerMode, Poll: request.Poll,
		ReferenceID: [4]byte([]byte(code)), Origin: request.Transmit, Receive: request.Transmit, Transmit: request.Transmit,
	}
	return p.Append(out)
}

// respondExtended answers a request with something behind its header. Extension
// fields that nobody knows are passed over (RFC 7822, section 3).
func (r *Responder) respondExtended(d *udp.Datagram, request *ntp.Packet, rest, out []byte) []byte {
	protected := false
	for {
		field, next, ok, err := ntp.NextExtension(rest)
		if err != nil {
			d.Count(EventExtension)
			return out
		}
		if !ok {
			break
		}
		protected = protected || field.Type == ntsCookie
		rest = next
	}
	switch {
	case len(rest) > 0:
		d.Count(EventKeyed)
		return out
	case protected && r.cfg.NTS != nil:
		return r.respondSealed(d, request, out)
	}
	return r.respondPlain(d, request, out)
}

// ntsCookie is the type of the extension field that holds an NTS cookie (RFC 8915, section 5.4).
const ntsCookie = 0x0204

func (r *Responder) respondSealed(d *udp.Datagram, request *ntp.Packet, out []byte) []byte {
	session, err := r.cfg.NTS.Open(d.Payload)
	if err != nil {
		d.Count(EventNTSRefused)
		if errors.Is(err, nts.ErrCookie) {
			return nts.AppendNAK(appendKiss(out, request, nts.NAK), d.Payload)
		}
		return out
	}
	answer, interleaved := r.answer(d, request)
	if !interleaved { // nothing can be written into the answer once it is sealed
		answer.Transmit = ntp.TimestampOf(time.Now())
	}
	sealed, err := r.cfg.NTS.Seal(answer.Append(out), session)
	if err != nil {
		return out
	}
	d.Count(EventNTS)
	return sealed
}

// precision returns the least difference between two readings of the clock, as log2 seconds.
func precision() int8 {
	least := time.Second
	for range 16 {
		first := time.Now().Round(0)
		if d := time.Now().Round(0).Sub(first); d > 0 {
			least = min(least, d)
		}
	}
	exponent := int8(0)
	for d := time.Second; d > least; d /= 2 {
		exponent--
	}
	return max(exponent, -29)
}
