package payload

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"wirelab/clock"
)

var testTime = time.Date(2026, 11, 22, 10, 3, 4, 123456789, time.UTC)

func mustParse(t testing.TB, spec string, size int) *Payload {
	t.Helper()
	p, err := Parse(spec, size)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPayloadBytes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "message")
	if err := os.WriteFile(file, []byte("from a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		spec string
		size int
		want string
	}{
		{"text:hello", 0, "hello"},
		{"text:hello", 12, "hellohellohe"},
		{"text:hello", 3, "hel"},
		{`text:a\n\x00\xff\\"é`, 0, "a\n\x00\xff\\\"é"},
		{"text:\xff", 0, "\xff"},
		{"hex:00 ff:0A", 0, "\x00\xff\x0a"},
		{"file:" + file, 0, "from a file"},
		{"pattern", 5, `!"#$%`},
		{"seq", 0, "00000003/000000000017 789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`"},
		{"seq", 10, "00000003/0"},
		{"time", 0, "1795341784.123456\n"},
		{"time", 19, "1795341784.123456 \n"},
		{"time", 21, "1795341784.123456 !\"\n"},
		{"stamp", 46, unhex(t, "00000011 eead3c58 1f9add37 1980"+strings.Repeat("00", 32))},
	}
	for _, test := range tests {
		p := mustParse(t, test.spec, test.size)
		got := p.Append([]byte("kept"), 3, 17, testTime)
		if string(got) != "kept"+test.want {
			t.Errorf("%s, size %d:\ngot  %q\nwant %q", test.spec, test.size, got, "kept"+test.want)
		}
		if p.Len() != len(test.want) || p.String() != test.spec {
			t.Errorf("%s: Len %d, want %d; String %q", test.spec, p.Len(), len(test.want), p)
		}
	}
}

func unhex(t *testing.T, s string) string {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestPayloadErrors(t *testing.T) {
	tests := []struct {
		spec string
		size int
		want string
	}{
		{"", 0, "use one of"},
		{"telegram", 0, "use one of"},
		{"seq:1", 0, "use one of"},
		{"text:", 0, "no bytes"},
		{`text:\q`, 0, "bad escape"},
		{"hex:0", 0, "each byte has two digits"},
		{"hex:zz", 0, "each byte has two digits"},
		{"random:", 0, "seed"},
		{"random:-1", 0, "seed"},
		{"file:/does/not/exist", 0, "no such file"},
		{"file:/dev/zero", 0, "more than"},
		{"time", 17, "too small"},
		{"stamp", 43, "too small"},
		{"pattern", -1, "between"},
		{"pattern", MaxLen + 1, "between"},
	}
	for _, test := range tests {
		_, err := Parse(test.spec, test.size)
		var payloadErr *Error
		if !errors.As(err, &payloadErr) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q, size %d: error %v, want one with %q", test.spec, test.size, err, test.want)
		}
	}
}

var echoedSpecs = []string{"text:some words", "hex:00ff", "random:7", "pattern", "seq", "time", "stamp"}

func drawPayload(t *rapid.T) *Payload {
	p, err := Parse(rapid.SampledFrom(echoedSpecs).Draw(t, "spec"), rapid.IntRange(44, 400).Draw(t, "size"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// What was sent is right, in whatever pieces it comes back, and nothing else of
// the same length is, except where another answer is as good as an echo.
func TestPayloadVerifiesWhatItAppends(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPayload(t)
		client, n := rapid.Uint64Range(0, 1e6).Draw(t, "client"), rapid.Uint64Range(0, 1e9).Draw(t, "n")
		message := p.Append(nil, client, n, testTime)
		broken := rapid.Bool().Draw(t, "broken")
		if broken {
			message[rapid.IntRange(0, len(message)-1).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		}
		check := p.Expect(client, n, testTime)
		feedInPieces(t, &check, append(message, "more\n"...))
		if check.Echoed() == broken {
			t.Fatalf("broken %v, echoed %v", broken, check.Echoed())
		}
		if !p.Stamped() && check.OK() == broken {
			t.Fatalf("broken %v, OK %v: %s", broken, check.OK(), check.Reason())
		}
	})
}

func feedInPieces(t *rapid.T, check *Check, stream []byte) {
	for fed := 0; ; {
		if fed == len(stream) {
			t.Fatal("all bytes fed, answer not complete")
		}
		piece := stream[fed:rapid.IntRange(fed+1, len(stream)).Draw(t, "piece")]
		used, complete := check.Feed(piece)
		fed += used
		if complete {
			return
		}
		if used != len(piece) {
			t.Fatalf("%d of %d bytes used, answer not complete", used, len(piece))
		}
	}
}

func TestCheckJudgesTimeAnswers(t *testing.T) {
	tests := []struct {
		answer string
		reason string
	}{
		{"1795341784.123456\n", ""},
		{"2026-11-22T10:03:04.123501Z kernel +45.1 us #3\n", ""},
		{"04.123501 -45 #3\n", ""},
		{"difference_us=-45\r\n", ""},
		{"1795341784.123457\n", "neither"},
		{"2026-11-22T10:03:04Z\n", "neither"},
		{"\n", "neither"},
		{"+45\x1b[2J\n", "printable"},
		{"1795341784.123456\nand more\n", "too many"},
		{"no end +1", "without end"},
		{strings.Repeat("x", 300), "too long"},
	}
	for _, test := range tests {
		check := mustParse(t, "time", 0).Expect(0, 1, testTime)
		check.FeedDatagram([]byte(test.answer))
		if check.OK() != (test.reason == "") || !strings.Contains(check.Reason(), test.reason) {
			t.Errorf("%q: OK %v, reason %q, want %q", test.answer, check.OK(), check.Reason(), test.reason)
		}
	}
}

func TestCheckJudgesReflections(t *testing.T) {
	p := mustParse(t, "stamp", 0)
	reflection, err := clock.AppendReflection(nil, p.Append(nil, 0, 9, testTime), clock.Reflection{
		Received: testTime.Add(30 * time.Millisecond), Sent: testTime.Add(31 * time.Millisecond),
	})
	if err != nil {
		t.Fatal(err)
	}
	check := p.Expect(0, 9, testTime)
	check.FeedDatagram(reflection)
	if !check.OK() || check.Echoed() {
		t.Fatalf("a right reflection: OK %v, echoed %v: %s", check.OK(), check.Echoed(), check.Reason())
	}
	e, ok := check.Exchange(testTime.Add(11 * time.Millisecond))
	got := []time.Duration{e.Forward(), e.Backward(), e.Offset(), e.Delay()}
	want := []time.Duration{30 * time.Millisecond, -20 * time.Millisecond, 25 * time.Millisecond, 10 * time.Millisecond}
	if !ok || !slices.Equal(got, want) {
		t.Errorf("forward, backward, offset, delay %v, %v; want %v", got, ok, want)
	}
	for _, n := range []uint64{8, 10} {
		check := p.Expect(0, n, testTime)
		check.FeedDatagram(reflection)
		if check.OK() {
			t.Errorf("the reflection of packet 9 passes for that of packet %d", n)
		}
	}
	reflection[13] = 0 // the multiplier of the error estimate
	check = p.Expect(0, 9, testTime)
	if check.FeedDatagram(reflection); check.OK() {
		t.Error("an error estimate of 0 passes")
	}
}

func TestCheckNamesTheFirstWrongByte(t *testing.T) {
	check := mustParse(t, "text:hello", 0).Expect(0, 1, testTime)
	check.FeedDatagram([]byte("heLLo"))
	if got, want := check.Reason(), "byte 2 is 0x4c, not 0x6c"; got != want {
		t.Errorf("reason %q, want %q", got, want)
	}
	check = mustParse(t, "text:hello", 0).Expect(0, 1, testTime)
	check.FeedDatagram([]byte("hell"))
	if got, want := check.Reason(), "4 of 5 bytes"; got != want {
		t.Errorf("reason %q, want %q", got, want)
	}
}

func FuzzCheck(f *testing.F) {
	f.Add(uint8(0), []byte("hello"), uint8(2))
	f.Add(uint8(5), []byte("+1 us\n"), uint8(1))
	f.Add(uint8(6), bytes.Repeat([]byte{0}, clock.TestPacketLen), uint8(40))
	f.Fuzz(func(t *testing.T, kind uint8, answer []byte, cut uint8) {
		p := mustParse(t, echoedSpecs[int(kind)%len(echoedSpecs)], 0)
		whole, pieces := p.Expect(1, 2, testTime), p.Expect(1, 2, testTime)
		used, complete := whole.Feed(answer)
		k := min(int(cut), len(answer))
		used1, complete1 := pieces.Feed(answer[:k])
		if !complete1 {
			var used2 int
			used2, complete1 = pieces.Feed(answer[k:])
			used1 += used2
		}
		if used != used1 || complete != complete1 || whole.OK() != pieces.OK() || whole.Reason() != pieces.Reason() {
			t.Errorf("whole: %d %v %q; in pieces: %d %v %q", used, complete, whole.Reason(), used1, complete1, pieces.Reason())
		}
	})
}

func FuzzParsePayload(f *testing.F) {
	for _, spec := range echoedSpecs {
		f.Add(spec, 0)
	}
	f.Add(`text:\u00`, 1)
	f.Fuzz(func(t *testing.T, spec string, size int) {
		if strings.HasPrefix(spec, "file:") {
			t.Skip("reads any file")
		}
		size %= 1 << 12
		p, err := Parse(spec, size)
		if err != nil {
			return
		}
		m := p.Append(nil, 1, 2, testTime)
		if len(m) != p.Len() || len(m) == 0 || size > 0 && len(m) != size {
			t.Errorf("%d bytes, Len %d, size %d", len(m), p.Len(), size)
		}
	})
}

func BenchmarkPayload(b *testing.B) {
	for _, spec := range []string{"pattern", "seq", "random:1", "time", "stamp"} {
		b.Run(spec, func(b *testing.B) {
			p := mustParse(b, spec, 64)
			buf := make([]byte, 0, p.Len())
			b.ReportAllocs()
			for n := uint64(0); b.Loop(); n++ {
				message := p.Message(buf, 1, n, testTime)
				check := p.Expect(1, n, testTime)
				if _, complete := check.Feed(message); !complete || !check.OK() {
					b.Fatal(check.Reason())
				}
			}
		})
	}
}

// A random message is known by its answer whatever else is outstanding: one lost
// datagram long before it, or everything in between.
func TestRandomAnswersAreKnown(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, err := Parse("random:"+strconv.FormatUint(rapid.Uint64().Draw(t, "seed"), 10), 64)
		if err != nil {
			t.Fatal(err)
		}
		latest := rapid.Uint64Range(1, 1<<40).Draw(t, "latest")
		client := rapid.Uint64Range(0, 1_000_000).Draw(t, "client")
		n := rapid.Uint64Range(1, latest).Draw(t, "n")
		message := p.Append(nil, client, n, time.Time{})
		if got, ok := p.Recognise(client, latest, message); !ok || got != n {
			t.Fatalf("message %d is taken for %d, %v", n, got, ok)
		}
		message[rapid.IntRange(0, randomKnown-1).Draw(t, "at")] ^= 0x20
		if got, ok := p.Recognise(client, latest, message); ok {
			t.Fatalf("what is not of message %d is taken for %d", n, got)
		}
		if _, ok := p.Recognise(client, latest, p.Append(nil, client, latest+1, time.Time{})); ok {
			t.Fatal("a message that was not sent yet is answered")
		}
	})
}
