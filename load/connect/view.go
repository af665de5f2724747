package connect

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"wirelab/clock"
	"wirelab/internal/human"
)

// An Event is one thing that happens in a conversation. Fields that its kind
// does not name are zero.
type Event struct {
	Kind EventKind
	Time time.Time

	Attempt int           // EventRetry, EventConnected: how many so far
	Wait    time.Duration // EventRetry: until the next attempt; EventUnanswered: that was in vain
	Err     error         // EventRetry: why the last one failed

	Network       string    // EventConnected
	Local, Remote string    // as in a Conversation
	TLS           *TLSState // nil without TLS

	// EventSent, EventReceived: the bytes, valid only during the call, and how
	// many went the same way before.
	Data       []byte
	Offset     uint64
	Reflection *Reflection   // EventReceived: what Data says as a STAMP packet
	RoundTrip  time.Duration // EventReceived: from the message to its answer; 0: not known
	Duplicate  bool          // EventReceived: the message was answered before
	Late       bool          // EventReceived: after the wait for it
	Number     uint64        // EventUnanswered: of the message, from 0
}

// EventKind says what has happened.
type EventKind uint8

// The events, in the order in which they come.
const (
	EventRetry      EventKind = iota // connecting failed and will be tried again
	EventConnected                   // to the peer; over UDP, without its knowledge
	EventSent                        // bytes are about to be given to the kernel
	EventReceived                    // bytes have come from the peer
	EventInputEnded                  // nothing will be sent any more
	EventPeerEnded                   // TCP: the peer will send no more
	EventUnanswered                  // UDP: a message of Config.Message has no answer in time
)

// A View shows the events of a conversation. It is called by one goroutine at
// a time and must be done with the event when it returns.
type View func(*Event) error

// RawView writes the bytes received to w and nothing else; a reflection is
// written as a line of text.
func RawView(w io.Writer) View {
	return func(e *Event) (err error) {
		switch {
		case e.Kind != EventReceived:
		case e.Reflection != nil:
			_, err = fmt.Fprintf(w, "%v%s\n", e.Reflection, e.remark())
		default:
			_, err = w.Write(e.Data)
		}
		return err
	}
}

// HexView writes both directions to w as hexadecimal digits and ASCII, 16 bytes
// and 80 columns a line: `>` marks what is sent, `<` what is received. A line
// with the time to the microsecond and the number of bytes precedes each piece.
func HexView(w io.Writer) View {
	out := bufio.NewWriterSize(w, 8<<10)
	return func(e *Event) error {
		switch e.Kind {
		case EventSent:
			writeHex(out, '>', "sent", e)
		case EventReceived:
			writeHex(out, '<', "received", e)
			if e.Reflection != nil {
				fmt.Fprintf(out, "< %v%s\n", e.Reflection, e.remark())
			}
		case EventInputEnded:
			fmt.Fprintf(out, "> %s  end of input\n", clockTime(e.Time))
		case EventPeerEnded:
			fmt.Fprintf(out, "< %s  the peer has closed\n", clockTime(e.Time))
		case EventUnanswered:
			fmt.Fprintf(out, "< %s  no answer to message %d within %v\n", clockTime(e.Time), e.Number, e.Wait)
		}
		return out.Flush()
	}
}

// remark says what is unusual about an answer.
func (e *Event) remark() string {
	switch {
	case e.Duplicate:
		return ", duplicate"
	case e.Late:
		return ", late"
	}
	return ""
}

func clockTime(t time.Time) string { return t.Format("15:04:05.000000") }

func writeHex(w *bufio.Writer, arrow byte, verb string, e *Event) {
	unit := "bytes"
	if len(e.Data) == 1 {
		unit = "byte"
	}
	fmt.Fprintf(w, "%c %s  %s %d %s\n", arrow, clockTime(e.Time), verb, len(e.Data), unit)
	var row []byte
	for i := 0; i < len(e.Data); i += human.HexRow {
		row = append(row[:0], arrow, ' ')
		row = human.AppendHexRow(row, e.Offset+uint64(i), e.Data[i:min(i+human.HexRow, len(e.Data))])
		w.Write(append(row, '\n')) // an error stays with w until Flush
	}
}

// Schema is the schema of JSONView's lines.
const Schema = "wirelab.connect/1"

// jsonEvent is one line of JSONView.
type jsonEvent struct {
	Schema     string          `json:"schema"`
	Event      string          `json:"event"` // retry, connected, sent, received, input_ended, peer_ended, unanswered
	Time       string          `json:"time"`  // RFC 3339, UTC, microseconds
	Network    string          `json:"network,omitempty"`
	Local      string          `json:"local,omitempty"`
	Remote     string          `json:"remote,omitempty"`
	TLS        *TLSState       `json:"tls,omitempty"`
	Attempt    int             `json:"attempt,omitempty"`
	WaitUS     int64           `json:"wait_us,omitempty"`
	Error      string          `json:"error,omitempty"`
	Offset     *uint64         `json:"offset_bytes,omitempty"`
	Length     *int            `json:"length_bytes,omitempty"`
	Data       []byte          `json:"data_base64,omitempty"`
	Text       string          `json:"text,omitempty"` // the same bytes, where they are UTF-8
	RoundTrip  float64         `json:"round_trip_us,omitempty"`
	Reflection *jsonReflection `json:"reflection,omitempty"`
	Duplicate  bool            `json:"duplicate,omitempty"`
	Late       bool            `json:"late,omitempty"`
	Number     *uint64         `json:"number,omitempty"` // of an unanswered message, from 0
}

// JSONView writes each event to w as one line of JSON. Bytes are given in base64
// and, when they are valid UTF-8, as text too.
func JSONView(w io.Writer) View {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return func(e *Event) error { return encoder.Encode(newJSONEvent(e)) }
}

func newJSONEvent(e *Event) *jsonEvent {
	j := &jsonEvent{
		Schema: Schema, Event: e.Kind.String(), Time: jsonTime(e.Time),
		Network: e.Network, Local: e.Local, Remote: e.Remote, TLS: e.TLS, Attempt: e.Attempt, WaitUS: e.Wait.Microseconds(),
		RoundTrip: clock.Microseconds(e.RoundTrip), Reflection: e.Reflection.json(), Duplicate: e.Duplicate, Late: e.Late,
	}
	if e.Kind == EventUnanswered {
		j.Number = &e.Number
	}
	if e.Err != nil {
		j.Error = e.Err.Error()
	}
	if e.Kind == EventSent || e.Kind == EventReceived {
		n := len(e.Data)
		j.Offset, j.Length, j.Data = &e.Offset, &n, e.Data
		if utf8.Valid(e.Data) {
			j.Text = string(e.Data)
		}
	}
	return j
}

func jsonTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

func (k EventKind) String() string {
	switch k {
	case EventRetry:
		return "retry"
	case EventConnected:
		return "connected"
	case EventSent:
		return "sent"
	case EventReceived:
		return "received"
	case EventInputEnded:
		return "input_ended"
	case EventPeerEnded:
		return "peer_ended"
	case EventUnanswered:
		return "unanswered"
	}
	return "unknown"
}
