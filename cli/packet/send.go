package packet

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"wirelab/cli/term"
	"wirelab/packet"
	"wirelab/wire"
	"wirelab/wire/capfile"
)

// sendFlags are the flags of send.
type sendFlags struct {
	wayFlags
	count     uint64
	interval  time.Duration
	wait      time.Duration
	handshake bool
	full      bool
	quiet     bool
}

func (a *app) newSendCommand() *cobra.Command {
	f := sendFlags{wayFlags: wayFlags{routed: true}}
	cmd := &cobra.Command{
		Use:   "send LAYER KEY=VALUE... / LAYER...",
		Short: "Send one packet or a few, and explain what answers",
		Long: "Sends a packet and shows what answers it: ICMP errors, resets, SYN-ACKs, UDP, ARP and\n" +
			"echo replies, with the round trip by the kernel's own stamps. IP packets go through a\n" +
			"raw socket, frames with an Ethernet header through a packet socket; --via packet puts\n" +
			"that header in front of any packet. What a raw socket would silently correct is refused.\n" +
			"--handshake opens a TCP connection by hand, sends the payload, and closes it, while a\n" +
			"socket on the source port keeps the kernel from resetting it.",
		Example: "  wirelab packet send ip dst=127.0.0.1 ttl=3 / tcp dport=12345 flags=syn\n" +
			"  wirelab packet send ip dst=127.0.0.1 / udp dport=12345 csum=bad / text hello\n" +
			"  wirelab packet send ip dst=127.0.0.1 / icmp type=echo / text hello --count 3\n" +
			"  wirelab packet send --handshake ip dst=127.0.0.1 / tcp dport=12345 / text hi",
		RunE: func(cmd *cobra.Command, args []string) error { return a.send(cmd.Context(), &f, args) },
	}
	f.add(cmd, "raw, packet")
	flags := cmd.Flags()
	flags.Uint64VarP(&f.count, "count", "n", 1, "send so `many`")
	flags.DurationVar(&f.interval, "interval", time.Second, "`time` between two packets")
	flags.DurationVar(&f.wait, "wait", time.Second, "how long to wait for answers after the last packet")
	flags.BoolVar(&f.handshake, "handshake", false, "open a TCP connection by hand, send the payload, close")
	flags.BoolVar(&f.full, "explain", false, "explain answers with what is allowed in each field")
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "one line for each packet, no explanation")
	cmd.MarkFlagsMutuallyExclusive("handshake", "count")
	return cmd
}

func (f *sendFlags) check() error {
	switch {
	case f.via != "" && f.via != "raw" && f.via != "packet":
		return term.Usagef("--via is raw or packet here, not %q; flood has more", f.via)
	case f.count == 0 || f.count > 10_000:
		return term.Usagef("--count is from 1 to 10000, not %d; flood sends more", f.count)
	case f.interval < 0 || f.wait < 0:
		return term.Usagef("--interval and --wait are not negative")
	}
	return nil
}

func (a *app) send(ctx context.Context, f *sendFlags, args []string) error {
	if err := f.check(); err != nil {
		return err
	}
	w, err := f.find(args, f.count)
	if err != nil {
		return privileged(err)
	}
	x, err := a.newExchange(f, w)
	if err != nil {
		return privileged(err)
	}
	defer x.close()
	if f.handshake {
		return x.handshake(ctx)
	}
	return x.sendAll(ctx)
}

// exchange sends packets and looks for what answers them.
type exchange struct {
	*app
	flags   *sendFlags
	way     *way
	capture *wire.Capture
	sender  *wire.Sender
	hold    *wire.Hold // keeps the kernel from answering; nil: not needed, or not possible

	sent    []*question
	answers []answerReport
	seen    map[string]bool // answers that were shown: frames come by more than once
}

// question is a packet that was sent.
type question struct {
	frame   []byte
	headers packet.Headers
	ip      []byte // the packet in it, or its last fragment; nil if it is none
	left    int64  // when it left; by the kernel's stamp once that was seen
	kernel  bool
}

func (a *app) newExchange(f *sendFlags, w *way) (*exchange, error) {
	if what := rawCorrects(w.first); w.raw && what != "" {
		return nil, rawRefusal(what)
	}
	x := &exchange{app: a, flags: f, way: w, seen: make(map[string]bool)}
	var where wire.Device
	if !w.raw {
		where = w.device
	}
	var err error
	if x.capture, err = wire.OpenCapture(wire.CaptureConfig{Device: where, Memory: 16 << 20, Latency: 5 * time.Millisecond}); err != nil {
		return nil, err
	}
	if x.sender, err = wire.OpenSender(w.device, w.raw); err != nil {
		x.capture.Close()
		return nil, err
	}
	x.holdUDP()
	return x, nil
}

// holdUDP keeps the kernel from answering a UDP answer with an ICMP error. Where the
// source is not ours, or its port is taken, there is nothing to hold.
func (x *exchange) holdUDP() {
	if local, ok := x.way.local(packet.UDP); ok {
		x.hold, _ = wire.HoldPort("udp", local)
	}
}

func (x *exchange) close() {
	x.capture.Close()
	x.sender.Close()
	if x.hold != nil {
		x.hold.Close()
	}
}

// sendAll sends the packets and waits for answers.
func (x *exchange) sendAll(ctx context.Context) error {
	for n := range x.flags.count {
		if err := x.sendOne(n); err != nil {
			return err
		}
		wait := x.flags.interval
		if n+1 == x.flags.count {
			wait = x.flags.wait
		}
		if err := x.listen(ctx, wait, n+1 == x.flags.count); err != nil {
			return err
		}
		if ctx.Err() != nil {
			break
		}
	}
	if err := x.printEnd(); err != nil {
		return term.UnlessGone(err)
	}
	return ctx.Err()
}

// sendOne sends the nth packet, in fragments where the packet says so.
func (x *exchange) sendOne(n uint64) error {
	frame := x.way.template.Append(nil, n, time.Now().UnixNano())
	pieces := [][]byte{frame}
	if mtu := x.way.spec.MTU; mtu != 0 {
		var err error
		if pieces, err = packet.Fragments(x.way.template.Link(), frame, mtu); err != nil {
			return term.Usagef("%w", err)
		}
	}
	return x.transmit(frame, pieces)
}

// transmit sends a frame, or the fragments that it was cut into.
func (x *exchange) transmit(frame []byte, pieces [][]byte) error {
	q := &question{frame: frame, ip: x.way.ip(pieces[len(pieces)-1]), left: time.Now().UnixNano()}
	packet.Scan(x.way.template.Link(), frame, len(frame), &q.headers)
	x.sent = append(x.sent, q)
	for _, piece := range pieces {
		if err := x.sender.Send(piece); err != nil {
			return privileged(err)
		}
	}
	if x.JSON {
		return nil
	}
	_, err := fmt.Fprintf(x.Stdout, "sent    %s\n", packet.AppendSummary(nil, frame, &q.headers))
	return err
}

// listen shows answers until the time is over; with once, only until every packet has
// one, or the context ends.
func (x *exchange) listen(ctx context.Context, wait time.Duration, once bool) error {
	deadline := time.Now().Add(wait)
	var f capfile.Frame
	for ctx.Err() == nil {
		left := time.Until(deadline)
		if left <= 0 || once && len(x.answers) >= len(x.sent) {
			return nil
		}
		ok, err := x.capture.Next(&f, min(left, 100*time.Millisecond))
		if err != nil {
			return err
		}
		if ok {
			if err := x.frame(&f); err != nil {
				return err
			}
		}
	}
	return nil
}

// frame takes a frame that passed: one of ours, which tells when it left, or an answer.
func (x *exchange) frame(f *capfile.Frame) error {
	var h packet.Headers
	packet.Scan(packet.LinkType(f.Link), f.Data, f.Length, &h)
	for i := len(x.sent) - 1; i >= 0; i-- {
		q := x.sent[i]
		if !q.kernel && q.is(f) {
			q.left, q.kernel = f.Time, true
			return nil
		}
		kind := packet.Answers(q.frame, &q.headers, f.Data, &h)
		if kind == "" {
			continue
		}
		ip := string(ipOf(packet.LinkType(f.Link), f.Data))
		if ip == "" {
			ip = string(f.Data)
		}
		if !x.seen[ip] {
			x.seen[ip] = true
			return x.answer(i, kind, f, &h)
		}
	}
	return nil
}

// is reports whether a frame is the packet that was sent.
func (q *question) is(f *capfile.Frame) bool {
	if q.ip != nil {
		return bytes.HasPrefix(ipOf(packet.LinkType(f.Link), f.Data), q.ip)
	}
	return bytes.Equal(f.Data, q.frame)
}

// answerReport is an answer for programs.
type answerReport struct {
	To          int                 `json:"to"` // number of the packet, from 1
	Kind        string              `json:"kind"`
	RoundTrip   float64             `json:"round_trip_us"`
	Stamps      string              `json:"stamps"` // kernel, or program where its own stamp was not seen
	Summary     string              `json:"summary"`
	Hex         string              `json:"hex"`
	Explanation *packet.Explanation `json:"explanation"`
}

func (x *exchange) answer(i int, kind string, f *capfile.Frame, h *packet.Headers) error {
	q := x.sent[i]
	r := answerReport{
		To: i + 1, Kind: kind, RoundTrip: float64(f.Time-q.left) / 1e3, Stamps: "program",
		Summary: string(packet.AppendSummary(nil, f.Data, h)), Hex: hex.EncodeToString(f.Data),
		Explanation: explainFrame(packet.LinkType(f.Link), f.Data, f.Length, offload(f.Flags), nil),
	}
	if q.kernel {
		r.Stamps = "kernel"
	}
	x.answers = append(x.answers, r)
	if x.JSON {
		return nil
	}
	p := x.Colors(x.Stdout)
	fmt.Fprintf(x.Stdout, "%s  %s, %s after %s (stamps of the %s)\n", p.Green("answer"), r.Summary, kind, term.Micros(r.RoundTrip), r.Stamps)
	if x.flags.quiet {
		return nil
	}
	_, err := io.WriteString(x.Stdout, "\n"+explanationText(r.Explanation, p, !x.flags.full)+"\n")
	return err
}

// sendReport is the result of send: wirelab.packet.send/1.
type sendReport struct {
	Schema  string         `json:"schema"`
	Packet  string         `json:"packet"`
	Via     string         `json:"via"`
	Device  string         `json:"interface"`
	Sent    []sentReport   `json:"sent"`
	Answers []answerReport `json:"answers"`
}

type sentReport struct {
	Hex     string `json:"hex"`
	Summary string `json:"summary"`
	TimeNs  int64  `json:"time_ns"`
}

func (x *exchange) report() sendReport {
	r := sendReport{"wirelab.packet.send/1", x.way.spec.CLI(), "packet", x.way.device.Name, nil, x.answers}
	if x.way.raw {
		r.Via = "raw"
	}
	if r.Answers == nil {
		r.Answers = []answerReport{}
	}
	for _, q := range x.sent {
		r.Sent = append(r.Sent, sentReport{hex.EncodeToString(q.frame), string(packet.AppendSummary(nil, q.frame, &q.headers)), q.left})
	}
	return r
}

func (x *exchange) printEnd() error {
	if x.JSON {
		return x.PrintJSON(x.report())
	}
	if len(x.answers) == 0 {
		x.Note("no answer within %s", term.Duration(x.flags.wait))
	}
	return nil
}
