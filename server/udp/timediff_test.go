package udp

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"wirelab/clock"
)

var testReceived = clock.Stamp{Time: time.Date(2026, 11, 22, 10, 3, 4, 123456789, time.UTC), Source: clock.Kernel}

// respondAt has one datagram answered that came at testReceived.
func respondAt(r Responder, payload []byte, number uint64) (answer []byte, d *Datagram) {
	d = &Datagram{Payload: payload, Received: testReceived, TTL: 61, Number: number}
	return r.Respond(d, make([]byte, 0, len(payload))), d
}

func TestTimeDiffAnswersText(t *testing.T) {
	for _, tc := range []struct {
		payload string
		number  uint64
		want    string
	}{
		// What `date +%s.%6N` sends.
		{"1795341784.122335\n", 1, "04.12345 +1121 #1\n"},
		{"1795341784.122335\n", 23, "04.1234 +1121 #23\n"},
		{"1795341784.122335\n", 123456, "04 +1121 #123456\n"},
		{"1795341784.123333\n", 1, "04.123456 +123 #1\n"},
		{"1795341784.123456\n", 1, "04.123456 +0 #1\n"},
		{"1795341784.123466\n", 1, "04.123456 -9 #1\n"},
		{"1795341794.123456\n", 1, "04.12 -9999999 #1\n"},
		{"1795341184.123456\n", 1, "04 +600000000 #1\n"},
		{"1795338184.123456\n", 1, "04 +3600000000 #1\n"},
		{"1795248184.123456\n", 1, "+93600000000 #1\n"},
		{"1000000000.000000\n", 1, "+795341784123456\n"},
		{"1000000000.000000\n", 1234567890123456, "+795341784123456\n"},
		{"1795341784\n", 1, "+123456 #1\n"},
		{"1795341784", 1, "+123456\n"},
		{"1795338184", 1, "+3600s\n"},
		{"1000000000", 1, ""},
		{"1795341784.122335678\n", 1, "04.123456 +1121 #1\n"},
		{"2026-11-22T10:03:04.122335Z\n", 17, "10:03:04.123456 +1121 #17\n"},
		{"1795341784.122335                                                \n", 17, "2026-11-22T10:03:04.123456Z kernel +1121.789 us #17\n"},
		{"2026-11-22T11:03:05.122335+01:00 and much else that nobody reads\n", 5, "2026-11-22T10:03:04.123456Z kernel -998878.211 us #5\n"},
	} {
		got, d := respondAt(TimeDiff{}, []byte(tc.payload), tc.number)
		if string(got) != tc.want {
			t.Errorf("%q answered with %q, want %q", tc.payload, got, tc.want)
		}
		if !d.findings.hasSent || d.findings.hasSequence || d.findings.final || (d.findings.event == EventNoRoom) != (tc.want == "") {
			t.Errorf("%q: %+v", tc.payload, d.findings)
		}
	}
}

// Two servers of which one has been sent a datagram in the name of the other would tell each
// other the time for ever, each time another one.
func TestTimeDiffAnswersNoAnswer(t *testing.T) {
	answer, _ := respondAt(TimeDiff{}, []byte("1795341784.122335"+strings.Repeat(" ", 60)), 17)
	if got, d := respondAt(TimeDiff{}, answer, 1); len(got) > 0 || d.findings.event != EventNotAnsweredAnswer {
		t.Errorf("%q is answered with %q, %+v", answer, got, d.findings)
	}
}

// A stranger's reflector that reflects whatever comes, reflections too, is answered no more once
// it has reflected what it made: whatever its clock says, and whatever it began with.
func TestReflectorsAreNotAnswered(t *testing.T) {
	first := map[string][]byte{
		"zeros": make([]byte, 44), "a test packet": clock.SenderPacket{Timestamp: clock.NTP.Encode(testReceived.Time), Estimate: 1}.Append(nil, 60),
	}
	for name, question := range first {
		for _, h := range []Responder{TimeDiff{}, datagramEcho{}} {
			for _, off := range []time.Duration{0, -time.Hour, 1000 * time.Hour} {
				rounds := 0
				for b := question; len(b) > 0; rounds++ {
					at := testReceived.Time.Add(off + time.Duration(rounds)*time.Second)
					reflection, err := clock.AppendReflection(nil, b, clock.Reflection{Received: at, Sent: at.Add(time.Millisecond)})
					if err != nil {
						t.Fatal(err)
					}
					if b, _ = respondAt(h, reflection, 1); rounds > 3 {
						t.Fatalf("%T answers for ever, which began with %s, a clock being off by %v", h, name, off)
					}
				}
			}
		}
	}
	for _, text := range []string{"", strings.Repeat("tick", 20), strings.Repeat("\x00", 64), "message 000000000001 of 000000000009, and so on", strings.Repeat("0123456789ab", 5)} {
		if isReflection([]byte(text)) {
			t.Errorf("%q is taken for a reflection", text)
		}
	}
}

// TestTimeLineAlwaysFits tries every room with numbers of every length.
func TestTimeLineAlwaysFits(t *testing.T) {
	for room := range 70 {
		for difference, number := time.Duration(-1), uint64(1); number < 1<<62; difference, number = difference*-10, number*10 {
			line := appendTimeLine([]byte("x"), room, testReceived, difference, number)[1:]
			if len(line) > room || len(line) > 0 && (strings.Count(string(line), "\n") != 1 || line[len(line)-1] != '\n') {
				t.Fatalf("%d bytes of room, %v, #%d: %q", room, difference, number, line)
			}
		}
	}
}

func TestTimeDiffReflects(t *testing.T) {
	// A packet made by hand: sequence number 7, sent 2026-11-22T10:03:04, error estimate 1, SSID 0xabcd.
	packet, err := hex.DecodeString("00000007" + "eead3c5800000000" + "0001" + "abcd" + strings.Repeat("00", 28))
	if err != nil {
		t.Fatal(err)
	}
	for _, stateful := range []bool{false, true} {
		got, d := respondAt(TimeDiff{Stateful: stateful}, packet, 4)
		p, err := clock.ParseReflector(got)
		if err != nil || len(got) != len(packet) {
			t.Fatalf("%x, %v", got, err)
		}
		want := clock.ReflectorPacket{
			Sequence: 7, Timestamp: p.Timestamp, Estimate: clock.NewErrorEstimate(stampBound, false, clock.NTP), SSID: 0xabcd,
			ReceiveTimestamp: clock.NTP.Encode(testReceived.Time),
			SenderSequence:   7, SenderTimestamp: 0xeead3c58_00000000, SenderEstimate: 1, SenderTTL: 61,
		}
		if stateful {
			want.Sequence = 3
		}
		if p != want {
			t.Errorf("reflected %+v, want %+v", p, want)
		}
		f := d.findings
		if !f.stamped || f.stampOffset != 4 || f.stampFormat != clock.NTP || !f.final || f.sequence != 7 || !f.hasSequence || !f.hasSent || f.event != "" {
			t.Errorf("findings %+v", f)
		}
	}
}

func TestIsTestPacket(t *testing.T) {
	now := testReceived.Time
	packet := func(at time.Time, estimate clock.ErrorEstimate, size int) []byte {
		return clock.SenderPacket{Sequence: 1, Timestamp: estimate.Format().Encode(at), Estimate: estimate}.Append(nil, size)
	}
	padded := func(b []byte, octet int) []byte {
		b[octet] = 1
		return b
	}
	reflection := func(size int) []byte {
		b, err := clock.AppendReflection(nil, packet(now, 1, size), clock.Reflection{Received: now, Sent: now})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	scapyDefault := make([]byte, 44)
	scapyDefault[13], scapyDefault[15] = 1, 1
	year := 365 * 24 * time.Hour
	for name, tc := range map[string]struct {
		b    []byte
		want bool
	}{
		"STAMP":                          {packet(now, 1, 44), true},
		"STAMP, PTP":                     {packet(now, 0x4001, 44), true},
		"STAMP, clock far off":           {packet(now.Add(-50*year), 1, 44), true},
		"STAMP, time unknown":            {scapyDefault, true},
		"STAMP with TLVs":                {append(packet(now, 1, 44), 0x80, 1, 0, 2, 9, 9), true},
		"TWAMP-Light, padded as advised": {packet(now.Add(-year), 1, 41), true},
		"TWAMP-Light, not padded":        {packet(now, 1, 14), true},
		"short, clock off by an hour":    {packet(now.Add(-time.Hour), 1, 40), false},
		"too short":                      {packet(now, 1, 14)[:13], false},
		"error estimate 0":               {packet(now, 0, 44), true},
		"error estimate 0, short":        {packet(now, 0, 14), true},
		"error estimate 0, a year off":   {packet(now.Add(-year), 0, 44), true},
		"multiplier 0":                   {packet(now, 0x8100, 44), true},
		"text, then zeros":               {append([]byte("hello, world"), make([]byte, 32)...), false},
		"PTP with a billion nanoseconds": {clock.SenderPacket{Timestamp: 5<<32 | 1000000000, Estimate: 0x4001}.Append(nil, 44), false},
		"not zero at 16":                 {padded(packet(now, 1, 44), 16), false},
		"not zero at 43":                 {padded(packet(now, 1, 44), 43), false},
		"zeros":                          {make([]byte, 44), false},
		"a reflection":                   {reflection(44), false},
		"a TWAMP-Light reflection":       {reflection(41), false},
		"a cut reflection":               {reflection(20), false},
		"nothing":                        {nil, false},
	} {
		if got := isTestPacket(tc.b, now); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}

// TestTimeDiffEchoesRandomBytes shows that chance does not make test packets or text.
func TestTimeDiffEchoesRandomBytes(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 100000 {
		payload := make([]byte, random.IntN(64))
		for i := range payload {
			payload[i] = byte(random.Uint32())
		}
		if got, d := respondAt(TimeDiff{}, payload, 1); !bytes.Equal(got, payload) || d.findings.event != EventUnrecognised {
			t.Fatalf("%x answered with %x, %+v", payload, got, d.findings)
		}
	}
}

// TestRespondersServeSeveralAtOnce is for the race detector: one Responder is called
// by all workers of a server.
func TestRespondersServeSeveralAtOnce(t *testing.T) {
	stamp := clock.SenderPacket{Timestamp: clock.NTP.Encode(testReceived.Time), Estimate: 1}.Append(nil, 50)
	for _, h := range Handlers() {
		r := h.New()
		var workers sync.WaitGroup
		for number := range uint64(4) {
			workers.Go(func() {
				for _, payload := range [][]byte{stamp, []byte("1795341784.122335\n"), []byte("hello")} {
					if got, _ := respondAt(r, bytes.Clone(payload), number); len(got) > len(payload) {
						t.Errorf("%s: %q answered with %q", h.Name, payload, got)
					}
				}
			})
		}
		workers.Wait()
	}
}

func FuzzResponders(f *testing.F) {
	f.Add([]byte("1795341784.122335\n"), uint64(1))
	f.Add(clock.SenderPacket{Timestamp: clock.NTP.Encode(testReceived.Time), Estimate: 1}.Append(nil, 50), uint64(1<<40))
	f.Fuzz(func(t *testing.T, payload []byte, number uint64) {
		for _, h := range Handlers() {
			sent := bytes.Clone(payload)
			got, d := respondAt(h.New(), payload, number)
			if len(got) > len(payload) || !bytes.Equal(payload, sent) {
				t.Fatalf("%s: %x answered with %x", h.Name, payload, got)
			}
			if s := d.findings; s.stamped && s.stampOffset+8 > len(got) {
				t.Fatalf("%s: %d bytes stamped at %d", h.Name, len(got), s.stampOffset)
			}
		}
	})
}

func BenchmarkTimeDiff(b *testing.B) {
	for name, payload := range map[string][]byte{
		"text":      []byte("1795341784.122335\n"),
		"long text": []byte("1795341784.122335                                                \n"),
		"stamp":     clock.SenderPacket{Timestamp: 1, Estimate: 1}.Append(nil, 44),
		"echo":      bytes.Repeat([]byte("x"), 64),
	} {
		b.Run(name, func(b *testing.B) {
			d := &Datagram{Payload: payload, Received: testReceived, Number: 17}
			out := make([]byte, 0, len(payload))
			var r Responder = TimeDiff{}
			b.ReportAllocs()
			for b.Loop() {
				r.Respond(d, out)
			}
		})
	}
}
