package connect_test

import (
	"bytes"
	"net"
	"strings"
	"testing"
	"time"

	"wirelab/clock"
	"wirelab/load/connect"
	"wirelab/load/payload"
)

// A reflector whose clock is ahead is seen so, within the bound that goes with it.
func TestShowsReflections(t *testing.T) {
	const ahead = 5500 * time.Millisecond // far from where its first digit changes
	address := answerDatagrams(t, func(c *net.UDPConn, peer net.Addr, b []byte) {
		now := time.Now().Add(ahead)
		answer, err := clock.AppendReflection(nil, b, clock.Reflection{Received: now, Sent: now.Add(time.Microsecond), Bound: time.Second})
		if err != nil {
			t.Error(err)
		}
		c.WriteTo(answer, peer)
	})
	payload, err := payload.Parse("stamp", 0)
	if err != nil {
		t.Fatal(err)
	}
	var text, lines bytes.Buffer
	var seen []connect.Reflection
	raw, json := connect.RawView(&text), connect.JSONView(&lines)
	view := func(e *connect.Event) error {
		if e.Reflection != nil {
			seen = append(seen, *e.Reflection)
		}
		json(e)
		return raw(e)
	}
	_, err = run(t, connect.Config{
		Network: "udp", Address: address, IdleTimeout: patience, View: view, Reflections: true, Count: 2,
		Message: func(dst []byte, n uint64, now time.Time) []byte { return payload.Append(dst, 0, n, now) },
	})
	if err != nil || len(seen) != 2 {
		t.Fatalf("%d reflections, %v", len(seen), err)
	}
	for i, r := range seen {
		if off := (r.Offset - ahead).Abs(); r.Sequence != uint32(i) || off > r.Bound || r.Bound > patience || r.Held != time.Microsecond {
			t.Errorf("reflection %+v is off by %v", r, off)
		}
	}
	if n := strings.Count(text.String(), "\n"); n != 2 || !strings.HasPrefix(text.String(), "packet 0: offset +5") {
		t.Errorf("text %q", &text)
	}
	if !strings.Contains(lines.String(), `"reflection":{"sequence":1,"offset_us":5`) {
		t.Errorf("lines %s", &lines)
	}
}

// What is not a reflection is shown as it is.
func TestShowsEchoedStampAsBytes(t *testing.T) {
	address := answerDatagrams(t, echoDatagram)
	var out bytes.Buffer
	packet := clock.SenderPacket{Sequence: 7, Timestamp: 1 << 32, Estimate: 1}.Append(nil, clock.TestPacketLen)
	_, err := run(t, connect.Config{
		Network: "udp", Address: address, IdleTimeout: patience, View: connect.RawView(&out), Reflections: true, Count: 1,
		Message: func(dst []byte, _ uint64, _ time.Time) []byte { return append(dst, packet...) },
	})
	if err != nil || !bytes.Equal(out.Bytes(), packet) {
		t.Errorf("received %x, %v", &out, err)
	}
}
