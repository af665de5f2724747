package packet

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"wirelab/cli/term"
	"wirelab/packet"
	"wirelab/wire"
	"wirelab/wire/capfile"
)

// The control bits of TCP.
const (
	bitFIN = 0x01
	bitSYN = 0x02
	bitRST = 0x04
	bitPSH = 0x08
	bitACK = 0x10
)

// handshake is a TCP connection that is made by hand.
type handshake struct {
	*exchange
	local, remote netip.AddrPort
	ip            []byte // the header of IP of the packet that was described, as a model
	options       []byte // of the SYN
	payload       []byte
	window        uint16

	next     uint32 // sequence number of our next byte
	expected uint32 // of the peer's next byte
	report   handshakeReport
}

// handshakeReport is the result: wirelab.packet.handshake/1.
type handshakeReport struct {
	Schema      string       `json:"schema"`
	Local       string       `json:"local"`
	Remote      string       `json:"remote"`
	Steps       []stepReport `json:"steps"`
	Established bool         `json:"established"`
	Sent        int          `json:"sent_bytes"` // acknowledged payload
	Received    []byte       `json:"received_base64"`
	Closed      bool         `json:"closed"`
	Error       string       `json:"error,omitempty"`
}

type stepReport struct {
	Direction string  `json:"direction"` // sent or received
	Summary   string  `json:"summary"`
	Says      string  `json:"says"`
	TimeNs    int64   `json:"time_ns"`
	RoundTrip float64 `json:"round_trip_us,omitempty"`
	Hex       string  `json:"hex"`
}

// segmentSeen is a segment of the peer.
type segmentSeen struct {
	sequence, ack uint32
	flags         byte
	data          []byte
	time          int64
	frame         string // in hexadecimal
	summary       string
}

// attempts is how often a segment is sent that nobody answers.
const attempts = 3

var errReset = errors.New("the peer reset the connection")

// handshake opens, uses and closes a connection, and shows each step.
func (x *exchange) handshake(ctx context.Context) error {
	h := &handshake{exchange: x, window: 64240}
	if err := h.prepare(); err != nil {
		return err
	}
	failed := h.run(ctx)
	if ctx.Err() == nil && failed != nil {
		h.report.Error = failed.Error()
	}
	if x.JSON {
		if err := x.PrintJSON(h.report); err != nil {
			return term.UnlessGone(err)
		}
	} else {
		h.printEnd()
	}
	return term.Verdict(ctx, ctx.Err() != nil, failed)
}

// prepare learns who talks to whom and holds the source port.
func (h *handshake) prepare() error {
	w := h.way
	var headers packet.Headers
	packet.Scan(w.template.Link(), w.first, len(w.first), &headers)
	e, at, ok := endpointsOf(w.first, &headers)
	if !ok || e.protocol != packet.TCP {
		return term.Usagef("--handshake needs a TCP packet, such as: ip dst=127.0.0.1 / tcp dport=12345 / text hello")
	}
	tcp := headers.All()[at]
	h.local, h.remote = e.from, e.to
	if !w.spec.Has(packet.TCP, "sport") {
		h.local = netip.AddrPortFrom(e.from.Addr(), 0)
	}
	hold, err := wire.HoldPort("tcp", h.local)
	if err != nil {
		return fmt.Errorf("%w; the source must be an address and a free port of this machine, so that the kernel does not reset the connection", err)
	}
	h.hold, h.local = hold, netip.AddrPortFrom(e.from.Addr(), hold.Port)
	h.ip = ipOf(w.template.Link(), w.first)
	h.options = w.first[tcp.Offset+20 : tcp.Offset+tcp.Length]
	h.payload = w.first[tcp.Offset+tcp.Length : min(int(tcp.End), len(w.first))]
	h.next = binary.BigEndian.Uint32(w.first[tcp.Offset+4:])
	if !w.spec.Has(packet.TCP, "seq") {
		h.next = uint32(time.Now().UnixNano() / 4000) // a clock of 4 us (RFC 9293, 3.4.1)
	}
	h.report = handshakeReport{Schema: "wirelab.packet.handshake/1", Local: h.local.String(), Remote: h.remote.String(), Received: []byte{}}
	return nil
}

func (h *handshake) run(ctx context.Context) error {
	if err := h.open(ctx); err != nil {
		return err
	}
	if err := h.talk(ctx); err != nil {
		return err
	}
	return h.end(ctx)
}

// open is the three-way handshake.
func (h *handshake) open(ctx context.Context) error {
	first := h.next
	answer, err := h.synchronize(ctx)
	if err == nil && answer.flags&bitSYN == 0 {
		h.received(answer, "ACK: the peer still has an older connection from this port")
		if err = h.forget(answer); err == nil {
			answer, err = h.synchronize(ctx)
		}
	}
	if err == nil && (answer.flags&bitSYN == 0 || answer.ack != first+1) {
		err = errors.New("the peer keeps to an older connection from this port; choose another with sport=")
	}
	if err != nil {
		return fmt.Errorf("no connection to %v: %w", h.remote, err)
	}
	h.next, h.expected = first+1, answer.sequence+1
	h.received(answer, fmt.Sprintf("SYN-ACK: the peer agrees; its first byte will be number %d", h.expected))
	h.report.Established = true
	return h.tell(bitACK, nil, "ACK: the connection is established")
}

// synchronize sends the SYN and returns the segment that acknowledges it, or another one.
func (h *handshake) synchronize(ctx context.Context) (*segmentSeen, error) {
	return h.ask(ctx, bitSYN, nil, fmt.Sprintf("SYN: we ask for a connection; our first byte will be number %d", h.next+1),
		func(s *segmentSeen) bool { return s.flags&bitACK != 0 })
}

// forget makes the peer drop a connection that nobody has on this side any more, as the
// kernel would (RFC 9293, 3.5.1).
func (h *handshake) forget(s *segmentSeen) error {
	first := h.next
	h.next = s.ack
	err := h.tell(bitRST, nil, "RST: that one is gone")
	h.next = first
	return err
}

// talk sends the payload and takes what the peer says, until it is silent.
func (h *handshake) talk(ctx context.Context) error {
	if len(h.payload) > 0 {
		end := h.next + uint32(len(h.payload))
		answer, err := h.ask(ctx, bitPSH|bitACK, h.payload, fmt.Sprintf("the payload, %s", term.Counted(uint64(len(h.payload)), "byte")),
			func(s *segmentSeen) bool { return s.flags&bitACK != 0 && int32(s.ack-end) >= 0 })
		if err != nil {
			return fmt.Errorf("the payload was not acknowledged: %w", err)
		}
		h.next, h.report.Sent = end, len(h.payload)
		if err := h.take(answer, "ACK: the peer has the payload"); err != nil {
			return err
		}
	}
	for deadline := time.Now().Add(h.flags.wait); ; {
		s, err := h.hear(ctx, deadline)
		if err != nil || s == nil {
			return err
		}
		if s.flags&bitFIN != 0 || len(s.data) > 0 {
			if err := h.take(s, "ACK"); err != nil {
				return err
			}
		}
		if h.report.Closed {
			return nil
		}
	}
}

// take acknowledges what a segment carries.
func (h *handshake) take(s *segmentSeen, says string) error {
	if len(s.data) > 0 {
		says += fmt.Sprintf(", and data: %s", term.Counted(uint64(len(s.data)), "byte"))
	}
	if s.flags&bitFIN != 0 {
		says += ", and FIN: it has no more to say"
	}
	h.received(s, says)
	if s.sequence != h.expected || len(s.data) == 0 && s.flags&bitFIN == 0 {
		return nil
	}
	h.report.Received = append(h.report.Received, s.data...)
	h.expected += uint32(len(s.data))
	text := "ACK: we have it"
	if s.flags&bitFIN != 0 {
		h.expected++
		h.report.Closed, text = true, "ACK: we have seen its end"
	}
	return h.tell(bitACK, nil, text)
}

// end closes our direction and waits for the peer's end.
func (h *handshake) end(ctx context.Context) error {
	closed := h.next + 1
	answer, err := h.ask(ctx, bitFIN|bitACK, nil, "FIN: we have no more to say",
		func(s *segmentSeen) bool { return s.flags&bitACK != 0 && s.ack == closed })
	if err != nil {
		return fmt.Errorf("our end was not acknowledged: %w", err)
	}
	h.next = closed
	if err := h.take(answer, "ACK: the peer has seen our end"); err != nil {
		return err
	}
	for deadline := time.Now().Add(h.flags.wait); !h.report.Closed; {
		s, err := h.hear(ctx, deadline)
		if err != nil {
			return err
		}
		if s == nil {
			return fmt.Errorf("the peer did not close its direction within %s", term.Duration(h.flags.wait))
		}
		if err := h.take(s, "ACK"); err != nil {
			return err
		}
	}
	return nil
}

// ask sends a segment, again if need be, until the peer answers with one that is meant.
// Other segments that come meanwhile are taken.
func (h *handshake) ask(ctx context.Context, flags byte, data []byte, says string, meant func(*segmentSeen) bool) (*segmentSeen, error) {
	for attempt := range attempts {
		if attempt > 0 {
			says = "again: nobody answered"
		}
		if err := h.tell(flags, data, says); err != nil {
			return nil, err
		}
		for deadline := time.Now().Add(h.flags.wait); ; {
			s, err := h.hear(ctx, deadline)
			if err != nil {
				return nil, err
			}
			if s == nil {
				break
			}
			if meant(s) {
				return s, nil
			}
		}
	}
	return nil, fmt.Errorf("nobody answers within %s", term.Duration(attempts*h.flags.wait))
}

// hear returns the next segment of the peer, nil if none comes in time.
func (h *handshake) hear(ctx context.Context, deadline time.Time) (*segmentSeen, error) {
	var f capfile.Frame
	for {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		left := time.Until(deadline)
		if left <= 0 {
			return nil, nil
		}
		ok, err := h.capture.Next(&f, min(left, 100*time.Millisecond))
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		s := h.segment(&f)
		if s != nil && s.flags&bitRST != 0 {
			h.received(s, "RST: it refuses, or has given up")
			return nil, errReset
		}
		if s != nil {
			return s, nil
		}
	}
}

// segment returns the segment of the peer in a frame, nil if it holds none that is new.
func (h *handshake) segment(f *capfile.Frame) *segmentSeen {
	var headers packet.Headers
	packet.Scan(packet.LinkType(f.Link), f.Data, f.Length, &headers)
	if q := h.sent[len(h.sent)-1]; !q.kernel && q.is(f) {
		q.left, q.kernel = f.Time, true
		return nil
	}
	e, at, ok := endpointsOf(f.Data, &headers)
	if !ok || e.protocol != packet.TCP || e.from != h.remote || e.to != h.local {
		return nil
	}
	ip := string(ipOf(packet.LinkType(f.Link), f.Data))
	if h.seen[ip] {
		return nil
	}
	h.seen[ip] = true
	tcp := headers.All()[at]
	b := f.Data[tcp.Offset:]
	if tcp.Length < 20 {
		return nil
	}
	data := f.Data[tcp.Offset+tcp.Length : min(int(tcp.End), len(f.Data))]
	return &segmentSeen{
		sequence: binary.BigEndian.Uint32(b[4:]), ack: binary.BigEndian.Uint32(b[8:]), flags: b[13],
		data: append([]byte(nil), data...), time: f.Time,
		frame: hex.EncodeToString(f.Data), summary: string(packet.AppendSummary(nil, f.Data, &headers)),
	}
}

// tell sends a segment.
func (h *handshake) tell(flags byte, data []byte, says string) error {
	frame, err := h.build(flags, data)
	if err != nil {
		return err
	}
	before := len(h.answers)
	json := h.JSON
	if !json {
		fmt.Fprintf(h.Stdout, "%s\n  ", h.Colors(h.Stdout).Bold(says))
	}
	if err := h.transmit(frame, [][]byte{frame}); err != nil {
		return err
	}
	h.answers = h.answers[:before]
	q := h.sent[len(h.sent)-1]
	h.report.Steps = append(h.report.Steps, stepReport{
		Direction: "sent", Says: says, TimeNs: q.left, Hex: hex.EncodeToString(frame),
		Summary: string(packet.AppendSummary(nil, frame, &q.headers)),
	})
	return nil
}

// received notes a segment of the peer.
func (h *handshake) received(s *segmentSeen, says string) {
	q := h.sent[len(h.sent)-1]
	r := stepReport{
		Direction: "received", Says: says, TimeNs: s.time, RoundTrip: float64(s.time-q.left) / 1e3, Hex: s.frame, Summary: s.summary,
	}
	h.report.Steps = append(h.report.Steps, r)
	if h.JSON {
		return
	}
	p := h.Colors(h.Stdout)
	fmt.Fprintf(h.Stdout, "%s\n  answer  %s, after %s\n", p.Green(says), r.Summary, term.Micros(r.RoundTrip))
}

// build makes a segment after the model of the packet that was described: its
// addresses, hop limit and class, and in the SYN its options.
func (h *handshake) build(flags byte, data []byte) ([]byte, error) {
	line := fmt.Sprintf("src=%v dst=%v", h.local.Addr(), h.remote.Addr())
	if h.local.Addr().Is4() {
		line = fmt.Sprintf("ip %s ttl=%d tos=0x%02x flags=df id=%d", line, h.ip[8], h.ip[1], 1+len(h.sent))
	} else {
		line = fmt.Sprintf("ip6 %s hlim=%d", line, h.ip[7])
	}
	var names string
	for _, one := range []struct {
		bit  byte
		name string
	}{{bitFIN, "fin"}, {bitSYN, "syn"}, {bitRST, "rst"}, {bitPSH, "psh"}, {bitACK, "ack"}} {
		if flags&one.bit != 0 {
			names += "," + one.name
		}
	}
	ack := h.expected
	line += fmt.Sprintf(" / tcp sport=%d dport=%d seq=%d ack=%d flags=%s win=%d", h.local.Port(), h.remote.Port(), h.next, ack, names[1:], h.window)
	if flags&bitSYN != 0 {
		if options := "mss:1460"; len(h.options) == 0 {
			line += " opts=" + options
		} else {
			line += " opts=raw:" + hex.EncodeToString(h.options)
		}
	}
	if len(data) > 0 {
		line += " / hex " + hex.EncodeToString(data)
	}
	s, err := packet.ParseLine(line)
	if err != nil {
		return nil, err
	}
	s.Complete(false)
	made, _, err := packet.Build(s)
	if err != nil {
		return nil, err
	}
	link := len(h.way.first) - len(h.ip) // bytes of what stands in front of IP
	return append(append([]byte(nil), h.way.first[:link]...), made...), nil
}

func (h *handshake) printEnd() {
	r := &h.report
	fmt.Fprintf(h.Stdout, "\n%s\n", h.Colors(h.Stdout).Bold(map[bool]string{true: "The connection was opened and closed by hand.", false: "The connection did not come to its end."}[r.Closed]))
	fmt.Fprintf(h.Stdout, "  sent %s, received %s\n", term.Counted(uint64(r.Sent), "byte"), term.Counted(uint64(len(r.Received)), "byte"))
	if len(r.Received) == 0 {
		return
	}
	escaper := term.Escaper{W: h.Stdout}
	if _, err := escaper.Write(r.Received); err == nil {
		_ = escaper.Finish() // a reader that is gone is noticed by what comes after
	}
}
