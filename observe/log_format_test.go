package observe

import (
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// panics has a method that slog calls, and that does not work.
type panics struct{}

func (panics) String() string { panic("no") }

type unprintable struct{ Text string }

func TestJSONAttrs(t *testing.T) {
	tests := []struct {
		attr slog.Attr
		want string
	}{
		{slog.Int("n", -3), `,"n":-3`},
		{slog.Uint64("n", math.MaxUint64), `,"n":18446744073709551615`},
		{slog.Float64("x", 0.5), `,"x":0.5`},
		{slog.Float64("x", math.NaN()), `,"x":"NaN"`},
		{slog.Bool("ok", true), `,"ok":true`},
		{slog.Duration("took", 1500*time.Microsecond), `,"took":"1.5ms"`},
		{slog.Time("at", time.Unix(0, 123456789)), `,"at":"1970-01-01T00:00:00.123456Z"`},
		{slog.String("s", "a\"b\\\n\x1b[31m\x7f"), `,"s":"a\"b\\\n\u001b[31m\u007f"`},
		{slog.String("s", "ü\u009b\u202e\U000e0001\xff"), `,"s":"ü\u009b\u202e\udb40\udc01\ufffd"`},
		{slog.Any("peer", netip.MustParseAddrPort("127.0.0.1:7")), `,"peer":"127.0.0.1:7"`},
		{slog.Any("err", errors.New("no")), `,"err":"no"`},
		{slog.Any("raw", []byte("ab")), `,"raw":"ab"`},
		{slog.Any("list", []int{1, 2}), `,"list":[1,2]`},
		{slog.Any("list", []unprintable{{"\u009b"}}), `,"list":"[{\u009b}]"`},
		{slog.Any("nil", nil), `,"nil":null`},
		{slog.Any("bad", panics{}), `,"bad":"!PANIC: no"`},
		{slog.Any("fn", math.Sin), `,"fn":"0x`},
		{slog.Group("g", slog.Int("a", 1), slog.Group("h", slog.Int("b", 2))), `,"g.a":1,"g.h.b":2`},
		{slog.Group("", slog.Int("a", 1)), `,"a":1`},
		{slog.String("msg", "x"), `,"attr.msg":"x"`},
		{slog.Attr{}, ``},
	}
	for _, test := range tests {
		got := string(appendJSONAttr(nil, "", test.attr))
		if got != test.want && !(test.attr.Key == "fn" && strings.HasPrefix(got, test.want)) {
			t.Errorf("%v: %s, want %s", test.attr, got, test.want)
		}
	}
}

func TestJSONHead(t *testing.T) {
	head := jsonHead{
		time:      time.Date(2026, 11, 22, 11, 3, 4, 123456789, time.FixedZone("", 3600)),
		level:     slog.LevelInfo + 1,
		component: "server-tcp",
		function:  "server.(*TCP).admit",
		line:      123,
	}
	const want = `{"time":"2026-11-22T10:03:04.123456Z","level":"info","component":"server-tcp","function":"server.(*TCP).admit","line":123,"msg":"hello"`
	if got := string(head.append(nil, "hello")); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// The line that a server writes most often is not broken by a terminal.
func TestTextLineFitsTerminal(t *testing.T) {
	s := TextStyle{}
	b := s.appendHead(nil, time.Now(), slog.LevelInfo, "server-tcp", "connected")
	b = s.appendAttr(b, "", slog.Uint64("conn", 10_000))
	b = s.appendAttr(b, "", slog.String("peer", "127.0.0.1:54321"))
	if len(b) > 80 {
		t.Errorf("%d columns: %s", len(b), b)
	}
}

func TestTextLine(t *testing.T) {
	at := time.Date(2026, 11, 22, 10, 3, 4, 123456000, time.Local)
	line := func(s TextStyle, level slog.Level, msg string, attrs ...slog.Attr) string {
		b := s.appendHead(nil, at, level, "client", msg)
		for _, a := range attrs {
			b = s.appendAttr(b, "", a)
		}
		return string(s.appendTail(b, "load.run", 7))
	}
	tests := []struct{ got, want string }{
		{
			line(TextStyle{}, slog.LevelInfo, "connected", slog.String("peer", "127.0.0.1:1"), slog.Int("n", 2)),
			"10:03:04.123456 INFO  client      connected     peer=127.0.0.1:1  n=2\n",
		},
		{line(TextStyle{}, slog.LevelError, "gone"), "10:03:04.123456 ERROR client      gone\n"},
		{line(TextStyle{Verbose: true}, slog.LevelDebug, "x"), "10:03:04.123456 DEBUG client      x  load.run:7\n"},
		{line(TextStyle{Date: true}, slog.LevelWarn, "x"), "2026-11-22 10:03:04.123456 WARN  client      x\n"},
		{
			line(TextStyle{Color: true, Verbose: true}, slog.LevelWarn, "x", slog.Group("g", slog.String("s", "a b"))),
			"\x1b[2m10:03:04.123456\x1b[0m\x1b[33m WARN \x1b[0m client      x             \x1b[2mg.s=\x1b[0m\"a b\"  \x1b[2mload.run:7\x1b[0m\n",
		},
		{
			line(TextStyle{}, slog.LevelInfo, "a\x1b[2J\r\xff", slog.String("k\n", "\x07"), slog.String("e", "")),
			"10:03:04.123456 INFO  client      a\\x1b[2J\\r\\xff  k\\n=\"\\a\"  e=\"\"\n",
		},
	}
	for _, test := range tests {
		if test.got != test.want {
			t.Errorf("got  %q\nwant %q", test.got, test.want)
		}
	}
}

// TestLongLinesAreCut logs more than a line may hold, in each place.
func TestLongLinesAreCut(t *testing.T) {
	long := strings.Repeat("x", 2*maxLine)
	dir := t.TempDir()
	term := new(terminal)
	logs := OpenLogs(LogConfig{Dir: dir, Terminal: term})
	log := logs.Component("client")
	log.Error("value", "s", long)
	log.Error(long)
	log.With("s", long).Error("with")
	closeLogs(t, logs)
	for _, e := range readAll(t, dir, Filter{}) {
		if e.Broken || len(e.Raw) > maxLine || len(e.Attrs) != 1 || e.Attrs[0].Key != "cut" {
			t.Errorf("broken: %t, %d bytes, %d attributes", e.Broken, len(e.Raw), len(e.Attrs))
		}
	}
	if s := logs.Status(); s.Lines != 3 || s.LostLines != 0 {
		t.Errorf("status %+v", s)
	}
	if n := len(term.String()); n > 4*maxTextValue {
		t.Errorf("%d bytes on the terminal", n)
	}
}

// TestWrittenLinesAreRead checks that what is logged is what is read.
func TestWrittenLinesAreRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		head := jsonHead{
			time:      time.UnixMicro(rapid.Int64Range(0, 4e15).Draw(t, "time")).UTC(),
			level:     rapid.SampledFrom([]slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError}).Draw(t, "level"),
			component: rapid.StringMatching("[a-z-]{1,12}").Draw(t, "component"),
			function:  rapid.StringMatching(`([a-z]+\.[a-z()*]+)?`).Draw(t, "function"),
			line:      rapid.IntRange(1, 99999).Draw(t, "line"),
		}
		msg, key, value := rapid.String().Draw(t, "msg"), rapid.String().Draw(t, "key"), rapid.String().Draw(t, "value")
		line := appendJSONAttr(head.append(nil, msg), "", slog.String("k."+key, value))
		line = append(line, '}')
		if !isPrintable(line) {
			t.Fatalf("not printable: %q", line)
		}
		e, err := parseEntry(line)
		if err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if peeked, ok := peekTime(line); !ok || !peeked.Equal(e.Time) {
			t.Fatalf("peeked %v, %t", peeked, ok)
		}
		if !e.Time.Equal(head.time) || e.Level != head.level || e.Component != head.component || e.Function != head.function {
			t.Fatalf("%+v from %s", e, line)
		}
		if e.Message != msg || len(e.Attrs) != 1 || e.Attrs[0].Key != "k."+key || e.Attrs[0].text() != value {
			t.Fatalf("%+v from %s", e, line)
		}
	})
}

func TestBrokenEntries(t *testing.T) {
	for _, line := range []string{
		``, `x`, `[]`, `{`, `{}`, `{"time":1}`, `{"time":"2026-11-22T10:03:04.123456Z"}`,
		`{"time":"2026-11-22T10:03:04.123456Z","component":"c","level":"loud"}`,
		`{"time":"2026-11-22T10:03:04.123456Z","component":"c","level":"info","msg":7}`,
		`{"time":"2026-11-22T10:03:04.123456Z","component":"c","level":"info"} {}`,
		`{"time":"2026-11-22T10:03:04.123456Z","component":"c","level":"info","a":}`,
	} {
		if e, err := parseEntry([]byte(line)); err == nil {
			t.Errorf("%s: parsed as %+v", line, e)
		}
	}
}

func FuzzParseEntry(f *testing.F) {
	f.Add([]byte(`{"time":"2026-11-22T10:03:04.123456Z","level":"info","component":"c","function":"f","line":1,"msg":"m","a":[1,{"b":null}]}`))
	f.Add([]byte("{\"time\":\"\x00"))
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := parseEntry(line)
		if err == nil && !json.Valid(line) {
			t.Errorf("not JSON, but parsed: %q", line)
		}
		e.Broken = err != nil
		if text := (TextStyle{Verbose: true}).AppendEntry(nil, &e); !isPrintable(text[:len(text)-1]) {
			t.Errorf("not printable: %q", text)
		}
	})
}
