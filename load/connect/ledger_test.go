package connect_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"wirelab/clock"
	"wirelab/internal/require"
	"wirelab/load/connect"
	"wirelab/load/payload"
)

// A duplicate is shown as one and does not stand for an answer that is lost, whether the
// peer reflects or echoes.
func TestUDPDuplicateHidesNoLoss(t *testing.T) {
	answers := map[string]func(b []byte) []byte{
		"reflections": func(b []byte) []byte {
			now := time.Now()
			b, err := clock.AppendReflection(nil, b, clock.Reflection{Received: now, Sent: now, Bound: time.Second})
			if err != nil {
				t.Error(err)
			}
			return b
		},
		"echo": func(b []byte) []byte { return b },
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			require.NoLeaks(t)
			n := 0
			address := answerDatagrams(t, func(c *net.UDPConn, peer net.Addr, b []byte) {
				if n++; n == 3 {
					return
				}
				b = answer(b)
				c.WriteTo(b, peer)
				if n == 2 {
					c.WriteTo(b, peer)
				}
			})
			stamps, err := payload.Parse("stamp", 0)
			if err != nil {
				t.Fatal(err)
			}
			var raw, lines bytes.Buffer
			text, json := connect.RawView(&raw), connect.JSONView(&lines)
			var order []string
			conv, err := run(t, connect.Config{
				Network: "udp", Address: address, IdleTimeout: 300 * time.Millisecond, Reflections: true, Count: 5,
				Message: func(dst []byte, n uint64, now time.Time) []byte { return stamps.Append(dst, 0, n, now) },
				View: func(e *connect.Event) error {
					switch {
					case e.Kind == connect.EventUnanswered:
						order = append(order, fmt.Sprintf("%d lost", e.Number))
					case e.Kind == connect.EventReceived && e.Duplicate:
						order = append(order, fmt.Sprintf("%d again", e.Data[3]))
					case e.Kind == connect.EventReceived:
						order = append(order, fmt.Sprint(e.Data[3]))
					}
					return errors.Join(text(e), json(e))
				},
			})
			if want := "[0 1 1 again 2 lost 3 4]"; fmt.Sprint(order) != want {
				t.Errorf("order %v, want %s", order, want)
			}
			if want := "no answer from " + address + " within 300ms to 1 of 5 datagrams"; err == nil || err.Error() != want {
				t.Errorf("error %v, want %s", err, want)
			}
			if conv.Answered != 4 || conv.Duplicates != 1 || conv.Late != 0 || conv.MessagesOut != 5 || conv.MessagesIn != 5 {
				t.Errorf("conversation %+v", conv)
			}
			if name == "reflections" && strings.Count(raw.String(), ", duplicate\n") != 1 {
				t.Errorf("text %q", &raw)
			}
			if !strings.Contains(lines.String(), `"duplicate":true`) || !strings.Contains(lines.String(), `"event":"unanswered"`) {
				t.Errorf("lines %s", &lines)
			}
		})
	}
}

// An answer that comes after the wait is late: it is not of the message sent since.
func TestUDPLateAnswerIsOfItsMessage(t *testing.T) {
	var held []byte
	address := answerDatagrams(t, func(c *net.UDPConn, peer net.Addr, b []byte) {
		if held == nil {
			held = bytes.Clone(b)
			return
		}
		c.WriteTo(held, peer)
		if b[0] == '2' {
			c.WriteTo(b, peer)
		}
	})
	conv, err := run(t, connect.Config{
		Network: "udp", Address: address, Message: numbered, Count: 3, IdleTimeout: 200 * time.Millisecond,
	})
	if want := "no answer from " + address + " within 200ms to 2 of 3 datagrams (1 came late)"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	if conv.Answered != 1 || conv.Late != 1 || conv.Duplicates != 1 {
		t.Errorf("conversation %+v", conv)
	}
}

// A reflector that claims no error estimate is shown as a reflector all the same.
func TestShowsReflectionWithoutErrorEstimate(t *testing.T) {
	address := answerDatagrams(t, func(c *net.UDPConn, peer net.Addr, b []byte) {
		now := time.Now()
		answer, err := clock.AppendReflection(nil, b, clock.Reflection{Received: now, Sent: now, Bound: time.Second})
		if err != nil {
			t.Error(err)
		}
		answer[12], answer[13] = 0, 0
		c.WriteTo(answer, peer)
	})
	var out bytes.Buffer
	stamps, err := payload.Parse("stamp", 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = run(t, connect.Config{
		Network: "udp", Address: address, IdleTimeout: patience, View: connect.RawView(&out), Reflections: true, Count: 1,
		Message: func(dst []byte, n uint64, now time.Time) []byte { return stamps.Append(dst, 0, n, now) },
	})
	if err != nil || !strings.HasPrefix(out.String(), "packet 0: offset ") {
		t.Errorf("text %q, %v", &out, err)
	}
}
