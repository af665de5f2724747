package clock

import (
	"bytes"
	"testing"
	"time"
)

func followUpPacket() []byte {
	return AppendFollowUp(SenderPacket{Sequence: 7, Timestamp: 1 << 32, Estimate: 1}.Append(nil, TestPacketLen))
}

func TestFollowUp(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 123456789, time.UTC)
	packet := followUpPacket()
	if len(packet) != FollowUpPacketLen || !WantsFollowUp(packet) {
		t.Fatalf("%x", packet)
	}
	for _, want := range []FollowUp{{Sequence: 6, Sent: Stamp{now, Kernel}}, {Sequence: 1<<32 - 1, Sent: Stamp{now, Hardware}}, {}} {
		answer, err := AppendReflection(nil, packet, Reflection{Received: now, Sent: now, Bound: 1, Previous: want})
		if err != nil || len(answer) != len(packet) {
			t.Fatal(err)
		}
		got, ok := ParseFollowUp(answer, NTP, now)
		if ok == want.Sent.Time.IsZero() || ok && got != want {
			t.Errorf("%+v became %+v, %t", want, got, ok)
		}
	}
}

// A reflector that does not know the TLV copies it with the U flag.
func TestParseFollowUpRefusesWhatNobodyFilledIn(t *testing.T) {
	if f, ok := ParseFollowUp(followUpPacket(), NTP, time.Now()); ok {
		t.Errorf("%+v", f)
	}
}

func TestFollowUpOfTheWrongLengthIsMalformed(t *testing.T) {
	packet := append(SenderPacket{Estimate: 1}.Append(nil, TestPacketLen), tlvUnrecognized, tlvFollowUp, 0, 17)
	packet = append(packet, bytes.Repeat([]byte{9}, 17)...)
	answer, err := AppendReflection(nil, packet, Reflection{Received: time.Now()})
	if err != nil || answer[TestPacketLen] != tlvMalformed || WantsFollowUp(packet) {
		t.Errorf("%x, %v", answer, err)
	}
}

func FuzzReflectTLVs(f *testing.F) {
	f.Add(followUpPacket())
	f.Add(append(followUpPacket(), 0x80, 1, 0, 4, 1, 2, 3, 4, 0x80, 9, 0xff, 0xff))
	f.Fuzz(func(t *testing.T, packet []byte) {
		now := time.Unix(1795341784, 0)
		answer, err := AppendReflection(nil, packet, Reflection{Received: now, Sent: now, Bound: 1, Previous: FollowUp{1, Stamp{now, Kernel}}})
		if err == nil && len(answer) != len(packet) {
			t.Errorf("%d octets became %d", len(packet), len(answer))
		}
		_, _ = ParseFollowUp(answer, NTP, now)
	})
}
