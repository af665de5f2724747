package ntp

import (
	"bytes"
	"encoding/hex"
	"errors"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// chronyAnswer is an answer of chronyd 4.3 with `local stratum 3`.
const chronyAnswer = "240305e7000000000000000c7f7f0101eeb05ed3f4f5a3c6eeb05ed5c0f1a2b3eeb05ed5c10a0b0ceeb05ed5c10b0c0d"

func TestParseReadsAnAnswer(t *testing.T) {
	b, err := hex.DecodeString(chronyAnswer)
	if err != nil {
		t.Fatal(err)
	}
	p, rest, err := Parse(b)
	if err != nil || len(rest) != 0 {
		t.Fatalf("%d octets left, %v", len(rest), err)
	}
	if p.Version != 4 || p.Mode != ServerMode || p.Stratum != 3 || p.Poll != 5 || p.Precision != -25 || !p.Synchronized() ||
		p.referenceText() != "127.127.1.1" || p.RootDispersion.Duration() != 183105 {
		t.Errorf("%+v, dispersion %v", p, p.RootDispersion.Duration())
	}
	if got := p.Append(nil); !bytes.Equal(got, b) {
		t.Errorf("became %x", got)
	}
}

func TestPacketsKeepTheirFields(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.Byte(), PacketLen, PacketLen+40).Draw(t, "packet")
		p, rest, err := Parse(b)
		if err != nil || len(rest) != len(b)-PacketLen {
			t.Fatal(err)
		}
		if got := p.Append(nil); !bytes.Equal(got, b[:PacketLen]) {
			t.Fatalf("%x became %x", b, got)
		}
		_, _, _ = p.Kiss(), p.referenceText(), p.precision()
	})
}

func TestParseRefusesShortPackets(t *testing.T) {
	for n := range PacketLen {
		if _, _, err := Parse(make([]byte, n)); !errors.Is(err, ErrShort) {
			t.Errorf("%d octets: %v", n, err)
		}
	}
}

// Seconds wrap at 2036-02-07T06:28:16Z; a moment is read right from both sides.
func TestTimestampsSurviveTheEraRollOver(t *testing.T) {
	rollover := time.Date(2036, 2, 7, 6, 28, 16, 0, time.UTC)
	for _, sent := range []time.Duration{-time.Second, -1, 1, time.Second, 20 * 365 * 24 * time.Hour} {
		for _, pivot := range []time.Duration{-time.Hour, 0, time.Hour} {
			want := rollover.Add(sent)
			got, ok := TimestampOf(want).Time(rollover.Add(pivot))
			if !ok || !got.Equal(want) {
				t.Errorf("%v read at %v is %v, %t", want, rollover.Add(pivot), got, ok)
			}
		}
	}
}

func TestShortFormatRoundsUp(t *testing.T) {
	for d, want := range map[time.Duration]Short{
		-time.Second: 0, 0: 0, 1: 1, 15258: 1, 15259: 2, time.Second: 1 << 16, 100 * time.Hour: 1<<32 - 1,
	} {
		if got := ShortOf(d); got != want {
			t.Errorf("%v became %d, want %d", d, got, want)
		}
	}
	if d := Short(1<<32 - 1).Duration(); d < 18*time.Hour || d > 19*time.Hour {
		t.Errorf("the longest is %v", d)
	}
}

func TestKissCodes(t *testing.T) {
	for _, tc := range []struct {
		stratum uint8
		id      string
		want    string
	}{{0, "RATE", "RATE"}, {0, "DENY", "DENY"}, {1, "RATE", ""}, {0, "\x00\x00\x00\x00", ""}, {0, "GPS\x00", ""}} {
		p := Packet{Stratum: tc.stratum, ReferenceID: [4]byte([]byte(tc.id))}
		if got := p.Kiss(); got != tc.want {
			t.Errorf("%+v: %q", tc, got)
		}
	}
}

func TestExtensions(t *testing.T) {
	b := AppendExtension(nil, 0x0104, bytes.Repeat([]byte{7}, 32))
	b = AppendExtension(b, 0x0204, []byte("x"))
	b = append(b, make([]byte, shortMACLen)...)
	var kinds []uint16
	for {
		field, rest, ok, err := NextExtension(b)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			if len(rest) != shortMACLen {
				t.Errorf("%d octets are left", len(rest))
			}
			break
		}
		kinds, b = append(kinds, field.Type), rest
	}
	if len(kinds) != 2 || kinds[0] != 0x0104 || kinds[1] != 0x0204 {
		t.Errorf("%x", kinds)
	}
}

func TestReferenceID(t *testing.T) {
	for addr, want := range map[string][4]byte{
		"192.0.2.1": {192, 0, 2, 1}, "::ffff:192.0.2.1": {192, 0, 2, 1}, "2001:db8::1": {0x39, 0xab, 0x9b, 0x37},
	} {
		if got := ReferenceID(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %x", addr, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	b, _ := hex.DecodeString(chronyAnswer)
	f.Add(b)
	f.Add(AppendExtension(b, 0x0104, make([]byte, 32)))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, rest, err := Parse(b)
		if err != nil {
			return
		}
		_, _ = p.referenceText(), p.Kiss()
		for len(rest) > 0 {
			_, next, ok, err := NextExtension(rest)
			if err != nil || !ok {
				return
			}
			if len(next) >= len(rest) {
				t.Fatalf("no progress: %x", rest)
			}
			rest = next
		}
	})
}
