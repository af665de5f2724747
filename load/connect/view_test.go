package connect_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"wirelab/load/connect"
)

var viewTime = time.Date(2026, 11, 22, 10, 3, 4, 123456789, time.UTC)

func viewEvents() []*connect.Event {
	local, remote := "127.0.0.1:40000", "127.0.0.1:12345"
	return []*connect.Event{
		{Kind: connect.EventRetry, Time: viewTime, Attempt: 1, Wait: 100 * time.Millisecond, Err: errors.New("refused")},
		{Kind: connect.EventConnected, Time: viewTime, Attempt: 2, Network: "tcp", Local: local, Remote: remote},
		{Kind: connect.EventSent, Time: viewTime, Data: []byte("GET / HTTP/1.0\r\n\r\n")},
		{Kind: connect.EventReceived, Time: viewTime, Offset: 4096, Data: []byte("\x1b")},
		{Kind: connect.EventInputEnded, Time: viewTime},
		{Kind: connect.EventPeerEnded, Time: viewTime},
	}
}

func show(t *testing.T, view connect.View, events []*connect.Event) {
	t.Helper()
	for _, e := range events {
		if err := view(e); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRawView(t *testing.T) {
	var out bytes.Buffer
	show(t, connect.RawView(&out), viewEvents())
	if out.String() != "\x1b" {
		t.Errorf("wrote %q, want the bytes received alone", &out)
	}
}

func TestHexView(t *testing.T) {
	var out bytes.Buffer
	show(t, connect.HexView(&out), viewEvents())
	want := `
> 10:03:04.123456  sent 18 bytes
> 00000000  47 45 54 20 2f 20 48 54  54 50 2f 31 2e 30 0d 0a |GET / HTTP/1.0..|
> 00000010  0d 0a                                            |..|
< 10:03:04.123456  received 1 byte
< 00001000  1b                                               |.|
> 10:03:04.123456  end of input
< 10:03:04.123456  the peer has closed
`[1:]
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("dump (-want +got):\n%s", diff)
	}
	for line := range strings.Lines(out.String()) {
		if len(line) > 80+1 {
			t.Errorf("wider than 80 columns: %q", line)
		}
	}
}

func TestJSONView(t *testing.T) {
	var out bytes.Buffer
	show(t, connect.JSONView(&out), viewEvents())
	want := `
{"schema":"wirelab.connect/1","event":"retry","time":"2026-11-22T10:03:04.123456Z","attempt":1,"wait_us":100000,"error":"refused"}
{"schema":"wirelab.connect/1","event":"connected","time":"2026-11-22T10:03:04.123456Z","network":"tcp","local":"127.0.0.1:40000","remote":"127.0.0.1:12345","attempt":2}
{"schema":"wirelab.connect/1","event":"sent","time":"2026-11-22T10:03:04.123456Z","offset_bytes":0,"length_bytes":18,"data_base64":"R0VUIC8gSFRUUC8xLjANCg0K","text":"GET / HTTP/1.0\r\n\r\n"}
{"schema":"wirelab.connect/1","event":"received","time":"2026-11-22T10:03:04.123456Z","offset_bytes":4096,"length_bytes":1,"data_base64":"Gw==","text":"\u001b"}
{"schema":"wirelab.connect/1","event":"input_ended","time":"2026-11-22T10:03:04.123456Z"}
{"schema":"wirelab.connect/1","event":"peer_ended","time":"2026-11-22T10:03:04.123456Z"}
`[1:]
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestJSONViewGivesBinaryAsBase64Alone(t *testing.T) {
	var out bytes.Buffer
	show(t, connect.JSONView(&out), []*connect.Event{{Kind: connect.EventReceived, Time: viewTime, Data: []byte("\xff\xfe")}})
	var line struct {
		Data []byte  `json:"data_base64"`
		Text *string `json:"text"`
	}
	if err := json.Unmarshal(out.Bytes(), &line); err != nil || string(line.Data) != "\xff\xfe" || line.Text != nil {
		t.Errorf("line %s, %v", &out, err)
	}
}
