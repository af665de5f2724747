package talk

import (
	"cmp"
	"context"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"wirelab/cli/term"
	"wirelab/clock"
	"wirelab/load/connect"
	"wirelab/observe"
)

// A talk shows a conversation: bytes on stdout, or the console, and what
// happens around them on stderr and in the log.
type talk struct {
	app     *app
	log     *slog.Logger
	view    connect.View  // of the bytes
	console *term.Editor  // nil unless a person types
	safe    *term.Escaper // nil unless stdout is a terminal without console
	ping    bool          // its summary is what is asked for
	closed  string        // who was the first to close, in words; "": nobody yet
	release []func()      // undo what opening did, last first
}

// openTalk decides how the conversation that cfg describes is held and shown, and
// completes cfg. cancel ends it.
func (a *app) openTalk(ctx context.Context, f *connectFlags, cfg *connect.Config, cancel context.CancelFunc) (*talk, error) {
	t := &talk{app: a, ping: f.every > 0}
	cfg.View = t.show
	cfg.EndWithPeer = term.IsTerminal(a.Stdin)
	out := a.Stdout
	var err error
	switch stdin, isFile := a.Stdin.(*os.File); {
	case f.payload != "":
	case isFile && term.IsTerminal(stdin) && term.IsTerminal(a.Stdout) && !a.JSON:
		t.console, err = t.openEditor(stdin, cancel)
		cfg.Input, out = t.console, t.console
	default:
		cfg.Input, err = term.OpenInput(a.Stdin)
	}
	if err != nil {
		t.close()
		return nil, err
	}
	if t.console == nil && term.IsTerminal(a.Stdout) {
		t.safe = &term.Escaper{W: a.Stdout}
		out = t.safe
	}
	t.view = t.newView(out, f.hex)
	return t, nil
}

func (t *talk) newView(out io.Writer, hex bool) connect.View {
	switch {
	case t.app.JSON:
		return connect.JSONView(t.app.Stdout)
	case hex:
		return connect.HexView(out)
	}
	return connect.RawView(out)
}

// openEditor opens the console and sees to it that no signal leaves the
// terminal in raw mode.
func (t *talk) openEditor(stdin *os.File, cancel context.CancelFunc) (*term.Editor, error) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGQUIT)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if _, ok := <-signals; ok {
			cancel()
		}
	}()
	t.release = append(t.release, func() { signal.Stop(signals); close(signals); <-ended })
	c, err := term.OpenEditor(stdin, t.app.Stdout, cancel)
	if err != nil {
		return nil, err
	}
	// What others print must not tear the line that is being typed.
	stderr := t.app.Stderr
	if term.IsTerminal(stderr) {
		t.app.Stderr = c
	}
	t.release = append(t.release, func() { t.app.Stderr = stderr }, func() { _ = c.Restore() })
	return c, nil
}

// close gives the terminal back. Calling it again does nothing.
func (t *talk) close() {
	for i := len(t.release) - 1; i >= 0; i-- {
		t.release[i]()
	}
	t.release = nil
}

// show is the View of the conversation.
func (t *talk) show(e *connect.Event) error {
	t.record(e)
	return t.view(e)
}

// record says on stderr and in the log what happens around the bytes.
func (t *talk) record(e *connect.Event) {
	switch e.Kind {
	case connect.EventRetry:
		t.app.Note("%v; trying again in %v", e.Err, e.Wait)
		t.log.Info("connecting failed", "attempt", e.Attempt, "err", e.Err)
	case connect.EventConnected:
		t.app.Note("connected to %s %s%s%s", e.Network, e.Remote, from(e.Local), describeTLS(e.TLS))
		t.log.Info("connected", "network", e.Network, "peer", e.Remote, "local", e.Local, "attempts", e.Attempt)
	case connect.EventSent:
		t.logBytes("sent", e.Data)
	case connect.EventReceived:
		t.logBytes("received", e.Data)
	case connect.EventUnanswered:
		t.app.Note("packet %d: no answer within %v", e.Number, e.Wait)
		t.log.Debug("not answered", "number", e.Number)
	case connect.EventInputEnded:
		t.closed = cmp.Or(t.closed, "; closed from here")
	case connect.EventPeerEnded:
		t.closed = cmp.Or(t.closed, "; the peer closed the connection")
		t.log.Debug("peer sends no more")
	}
}

// logBytes logs what passes: how much, or with --verbose=hex what.
func (t *talk) logBytes(what string, b []byte) {
	if !t.app.Contents {
		t.log.Debug(what, "bytes", len(b))
		return
	}
	t.log.Log(context.Background(), observe.LevelContents, what, "bytes", len(b), "contents", observe.Contents(b))
}

// from says from where, where that is more than a socket without a name.
func from(local string) string {
	if local == connect.Unnamed || strings.HasPrefix(local, "@wirelab-") {
		return ""
	}
	return " from " + local
}

func describeTLS(s *connect.TLSState) string {
	if s == nil {
		return ""
	}
	return ", " + s.Version + ", certificate SHA-256 " + s.Fingerprint
}

// closedEvent is the last line of connect -o json.
type closedEvent struct {
	Schema      string  `json:"schema"`
	Event       string  `json:"event"` // "closed"
	Network     string  `json:"network"`
	Local       string  `json:"local,omitempty"`
	Remote      string  `json:"remote,omitempty"`
	Attempts    int     `json:"attempts"`
	BytesOut    uint64  `json:"bytes_out"`
	BytesIn     uint64  `json:"bytes_in"`
	MessagesOut uint64  `json:"messages_out"`
	MessagesIn  uint64  `json:"messages_in"`
	Answered    uint64  `json:"answered,omitempty"` // messages of --payload over UDP, in time
	Late        uint64  `json:"late,omitempty"`
	Duplicates  uint64  `json:"duplicates,omitempty"`
	RoundTrip   *trips  `json:"round_trip,omitempty"`
	Elapsed     float64 `json:"elapsed_s"`
	Error       string  `json:"error,omitempty"`
}

// trips are the round trips of messages that were answered in time.
type trips struct {
	MinUS       float64 `json:"min_us"`
	MeanUS      float64 `json:"mean_us"`
	MaxUS       float64 `json:"max_us"`
	DeviationUS float64 `json:"deviation_us"`
	StampSource string  `json:"stamp_source"`
}

// sumUp ends what is shown and says what was said; failed is why it ended.
func (t *talk) sumUp(c connect.Conversation, failed error) (err error) {
	ended := []any{"bytes_out", c.BytesOut, "bytes_in", c.BytesIn, "duration", c.Duration.String()}
	if failed != nil {
		ended = append(ended, "err", failed)
	}
	t.log.Info("ended", ended...)
	switch {
	case t.console != nil:
		err = t.console.Finish()
	case t.safe != nil:
		err = t.safe.Finish()
	}
	if t.app.JSON {
		return t.app.PrintEvent(newClosedEvent(c, failed))
	}
	if c.Local != "" && (term.IsTerminal(t.app.Stderr) || t.app.Verbose || t.ping) {
		t.app.Note("%s%s", describeConversation(c), t.closedFirst(c, failed))
	}
	return err
}

// closedFirst says which side of a TCP connection was the first to close it.
func (t *talk) closedFirst(c connect.Conversation, failed error) string {
	if c.Network == "udp" || c.Network == "unixgram" || failed != nil {
		return ""
	}
	return t.closed
}

func newClosedEvent(c connect.Conversation, failed error) closedEvent {
	e := closedEvent{
		Schema: connect.Schema, Event: "closed", Network: c.Network, Attempts: c.Attempts,
		BytesOut: c.BytesOut, BytesIn: c.BytesIn, MessagesOut: c.MessagesOut, MessagesIn: c.MessagesIn,
		Answered: c.Answered, Late: c.Late, Duplicates: c.Duplicates, Elapsed: c.Duration.Seconds(),
	}
	e.Local, e.Remote = c.Local, c.Remote
	if r := c.RoundTrip; r.Max > 0 {
		e.RoundTrip = &trips{clock.Microseconds(r.Min), clock.Microseconds(r.Mean), clock.Microseconds(r.Max), clock.Microseconds(r.Deviation), r.Stamps.String()}
	}
	if failed != nil {
		e.Error = failed.Error()
	}
	return e
}
