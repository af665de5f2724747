package clock

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// unhex reads octets written as the RFCs' figures draw them: a row a line.
func unhex(rows ...string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(strings.Join(rows, ""), " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

var (
	// RFC 8972, figure 1, without TLVs.
	senderOctets = unhex(
		"00 01 e2 40", // Sequence Number 123456
		"ee ad 3c 58", // Timestamp 2026-11-22T10:03:04
		"80 00 00 00", // .5
		"96 ff 12 34", // Error Estimate: S, scale 22, multiplier 255; SSID
		"00 00 00 00", // MBZ, 28 octets
		"00 00 00 00", "00 00 00 00", "00 00 00 00", "00 00 00 00", "00 00 00 00", "00 00 00 00",
	)
	senderFields = SenderPacket{Sequence: 123456, Timestamp: 0xeead3c58_80000000, Estimate: 0x96ff, SSID: 0x1234}

	// RFC 8972, figure 3, without TLVs.
	reflectorOctets = unhex(
		"00 00 00 07", // Sequence Number
		"6b 02 bd d8", // Timestamp, PTP
		"3b 9a c9 ff", // 999,999,999 ns
		"40 01 12 34", // Error Estimate: Z, multiplier 1; SSID
		"6b 02 bd d8", // Receive Timestamp
		"00 00 00 01",
		"00 01 e2 40", // Session-Sender Sequence Number
		"ee ad 3c 58", // Session-Sender Timestamp
		"80 00 00 00",
		"96 ff 00 00", // Session-Sender Error Estimate, MBZ
		"40 00 00 00", // Ses-Sender TTL 64, MBZ
	)
	reflectorFields = ReflectorPacket{
		Sequence: 7, Timestamp: 0x6b02bdd8_3b9ac9ff, Estimate: 0x4001, SSID: 0x1234, ReceiveTimestamp: 0x6b02bdd8_00000001,
		SenderSequence: 123456, SenderTimestamp: 0xeead3c58_80000000, SenderEstimate: 0x96ff, SenderTTL: 64,
	}
)

func TestSenderPacketGolden(t *testing.T) {
	if got := senderFields.Append(nil, TestPacketLen); !bytes.Equal(got, senderOctets) {
		t.Errorf("appended\n%x, want\n%x", got, senderOctets)
	}
	got, err := ParseSender(senderOctets)
	if diff := cmp.Diff(senderFields, got); diff != "" || err != nil {
		t.Errorf("parsed, %v:\n%s", err, diff)
	}
	now := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	if sent, ok := got.Sent(now); !ok || !sent.Equal(time.Date(2026, 11, 22, 10, 3, 4, 5e8, time.UTC)) {
		t.Errorf("sent %v, %v", sent, ok)
	}
}

func TestReflectorPacketGolden(t *testing.T) {
	if got := reflectorFields.Append(nil, TestPacketLen); !bytes.Equal(got, reflectorOctets) {
		t.Errorf("appended\n%x, want\n%x", got, reflectorOctets)
	}
	got, err := ParseReflector(reflectorOctets)
	if diff := cmp.Diff(reflectorFields, got); diff != "" || err != nil {
		t.Errorf("parsed, %v:\n%s", err, diff)
	}
	t1, t2, t3, ok := got.Times(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC))
	second := time.Date(2026, 11, 22, 10, 3, 4, 0, time.UTC)
	if !ok || t1.Sub(second) != 5e8 || t2.Sub(second) != 1 || t3.Sub(second) != 999999999 {
		t.Errorf("times %v, %v, %v, %v", t1, t2, t3, ok)
	}
}

func TestTestPacketLengths(t *testing.T) {
	for _, tc := range []struct{ size, want int }{{-1, 14}, {0, 14}, {14, 14}, {15, 15}, {41, 41}, {44, 44}, {60, 60}, {1472, 1472}} {
		packet := senderFields.Append([]byte("x"), tc.size)[1:]
		if len(packet) != tc.want || !bytes.Equal(packet[:min(tc.want, 44)], senderOctets[:min(tc.want, 44)]) {
			t.Errorf("sender's packet of %d: %x", tc.size, packet)
		}
		if len(packet) > 44 && !bytes.Equal(packet[44:], make([]byte, tc.want-44)) {
			t.Errorf("sender's packet of %d is not padded with zeros: %x", tc.size, packet)
		}
		if got := reflectorFields.Append(nil, tc.want); len(got) != tc.want {
			t.Errorf("reflector's packet of %d has %d octets", tc.want, len(got))
		}
	}
}

func TestTestPacketTooShort(t *testing.T) {
	for size := range ShortSenderLen {
		if _, err := ParseSender(senderOctets[:size]); !errors.Is(err, ErrShortPacket) {
			t.Errorf("sender's packet of %d: %v", size, err)
		}
	}
	for size := range ShortReflectorLen {
		if _, err := ParseReflector(reflectorOctets[:size]); !errors.Is(err, ErrShortPacket) {
			t.Errorf("reflector's packet of %d: %v", size, err)
		}
	}
	short, err := ParseSender(senderOctets[:15])
	if want := (SenderPacket{Sequence: 123456, Timestamp: senderFields.Timestamp, Estimate: 0x96ff}); short != want || err != nil {
		t.Errorf("packet without SSID: %+v, %v", short, err)
	}
}

func TestTestPacketsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sender := SenderPacket{
			Sequence: rapid.Uint32().Draw(t, "sequence"), Timestamp: rapid.Uint64().Draw(t, "timestamp"),
			Estimate: ErrorEstimate(rapid.Uint16().Draw(t, "estimate")), SSID: rapid.Uint16().Draw(t, "ssid"),
		}
		if got, err := ParseSender(sender.Append(nil, rapid.IntRange(16, 100).Draw(t, "size"))); got != sender || err != nil {
			t.Fatalf("%+v became %+v, %v", sender, got, err)
		}
		reflector := ReflectorPacket{
			Sequence: rapid.Uint32().Draw(t, "sequence"), Timestamp: rapid.Uint64().Draw(t, "t3"),
			Estimate: sender.Estimate, SSID: sender.SSID, ReceiveTimestamp: rapid.Uint64().Draw(t, "t2"),
			SenderSequence: sender.Sequence, SenderTimestamp: sender.Timestamp,
			SenderEstimate: ErrorEstimate(rapid.Uint16().Draw(t, "estimate")), SenderTTL: rapid.Uint8().Draw(t, "ttl"),
		}
		if got, err := ParseReflector(reflector.Append(nil, rapid.IntRange(41, 100).Draw(t, "size"))); got != reflector || err != nil {
			t.Fatalf("%+v became %+v, %v", reflector, got, err)
		}
	})
}

func FuzzParseReflector(f *testing.F) {
	f.Add(reflectorOctets)
	f.Add(reflectorOctets[:ShortReflectorLen])
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParseReflector(b)
		if (err == nil) != (len(b) >= ShortReflectorLen) {
			t.Fatalf("%d octets: %v", len(b), err)
		}
		p.Times(time.Unix(1795341784, 0))
	})
}
