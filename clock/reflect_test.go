package clock

import (
	"bytes"
	"errors"
	"testing"
	"time"
)

var reflection = Reflection{
	Received: time.Date(2026, 11, 22, 10, 3, 5, 25e7, time.UTC),
	Sent:     time.Date(2026, 11, 22, 10, 3, 5, 75e7, time.UTC),
	Bound:    time.Second, Synchronized: true, TTL: 63,
}

var reflected = unhex(
	"00 01 e2 40", // the sender's sequence number
	"ee ad 3c 59", // T3
	"c0 00 00 00",
	"99 80 12 34", // S, 128 * 2^(25-32) s; the sender's SSID
	"ee ad 3c 59", // T2
	"40 00 00 00",
	"00 01 e2 40",
	"ee ad 3c 58", // T1
	"80 00 00 00",
	"96 ff 00 00",
	"3f 00 00 00",
)

func TestAppendReflection(t *testing.T) {
	for size := ShortSenderLen; size <= TestPacketLen; size++ {
		got, err := AppendReflection([]byte("x"), senderOctets[:size], reflection)
		want := bytes.Clone(reflected[:size])
		if size == 15 {
			want[14] = 0 // no room for an SSID in the packet, so it has none
		}
		if err != nil || !bytes.Equal(got[1:], want) {
			t.Errorf("reflection of %d octets, %v:\n%x, want\n%x", size, err, got[1:], want)
		}
	}
}

func TestAppendReflectionStateful(t *testing.T) {
	own := uint32(9)
	r := reflection
	r.Sequence = &own
	got, err := AppendReflection(nil, senderOctets, r)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := ParseReflector(got); err != nil || p.Sequence != 9 || p.SenderSequence != 123456 {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestAppendReflectionPTP(t *testing.T) {
	sender := SenderPacket{Sequence: 1, Timestamp: PTP.Encode(reflection.Received), Estimate: NewErrorEstimate(1, false, PTP)}
	got, err := AppendReflection(nil, sender.Append(nil, TestPacketLen), reflection)
	if err != nil {
		t.Fatal(err)
	}
	p, err := ParseReflector(got)
	if err != nil || p.Estimate.Format() != PTP || p.ReceiveTimestamp != PTP.Encode(reflection.Received) || p.Timestamp != PTP.Encode(reflection.Sent) {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestAppendReflectionTLVs(t *testing.T) {
	for name, tc := range map[string]struct{ sent, want []byte }{
		"extra padding is known":         {unhex("80 01 00 02 aa bb"), unhex("00 01 00 02 aa bb")},
		"unknown type":                   {unhex("80 03 00 01 aa"), unhex("80 03 00 01 aa")},
		"unknown type, sender's mistake": {unhex("7f fe 00 00"), unhex("80 fe 00 00")},
		"known, unknown, known":          {unhex("80 01 00 00", "80 09 00 01 cc", "80 01 00 00"), unhex("00 01 00 00", "80 09 00 01 cc", "00 01 00 00")},
		"known, cut":                     {unhex("80 01 00 03 aa bb"), unhex("40 01 00 03 aa bb")},
		"unknown, cut":                   {unhex("80 01 00 00", "80 09 ff ff aa"), unhex("00 01 00 00", "c0 09 ff ff aa")},
		"header cut":                     {unhex("80 01 00"), unhex("80 01 00")},
		"padding of zeros":               {unhex("00 00 00 00 00 00 00"), unhex("00 00 00 00 00 00 00")},
		"reserved type, then anything":   {unhex("80 00 00 00", "80 01 00 00"), unhex("80 00 00 00", "80 01 00 00")},
	} {
		got, err := AppendReflection(nil, append(bytes.Clone(senderOctets), tc.sent...), reflection)
		if err != nil || !bytes.Equal(got[:TestPacketLen], reflected) || !bytes.Equal(got[TestPacketLen:], tc.want) {
			t.Errorf("%s: %x, %v, want %x", name, got, err, tc.want)
		}
	}
}

func FuzzAppendReflection(f *testing.F) {
	f.Add(senderOctets)
	f.Add(append(bytes.Clone(senderOctets), unhex("80 01 00 02 aa bb", "80 09 00 01 cc")...))
	f.Fuzz(func(t *testing.T, packet []byte) {
		sent := bytes.Clone(packet)
		got, err := AppendReflection(nil, packet, reflection)
		if !bytes.Equal(packet, sent) {
			t.Fatal("the packet was changed")
		}
		if len(packet) < ShortSenderLen {
			if !errors.Is(err, ErrShortPacket) || len(got) != 0 {
				t.Fatalf("%d octets: %x, %v", len(packet), got, err)
			}
			return
		}
		if err != nil || len(got) != len(packet) {
			t.Fatalf("%d octets answered with %d, %v", len(packet), len(got), err)
		}
	})
}

func BenchmarkAppendReflection(b *testing.B) {
	b.ReportAllocs()
	buf := make([]byte, 0, 2048)
	for b.Loop() {
		if _, err := AppendReflection(buf, senderOctets, reflection); err != nil {
			b.Fatal(err)
		}
	}
}
