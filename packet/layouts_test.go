package packet

import (
	"bytes"
	"testing"

	"wirelab/clock"
	"wirelab/clock/ntp"
)

// TestSTAMP compares the layouts of STAMP with what clock encodes.
func TestSTAMP(t *testing.T) {
	frame, template := build(t, "stamp seq=7 time=0x0102030405060708 error=0x8001 ssid=9")
	want := clock.SenderPacket{Sequence: 7, Timestamp: 0x0102030405060708, Estimate: 0x8001, SSID: 9}.Append(nil, clock.TestPacketLen)
	if got := frame[template.headers[2].Offset:]; !bytes.Equal(got, want) {
		t.Errorf("sender %x, want %x", got, want)
	}
	frame, template = build(t, "stamp-reply seq=7 time=1 error=2 ssid=3 received=4 sender-seq=5 sender-time=6 sender-error=7 sender-ttl=8")
	want = clock.ReflectorPacket{
		Sequence: 7, Timestamp: 1, Estimate: 2, SSID: 3, ReceiveTimestamp: 4, SenderSequence: 5, SenderTimestamp: 6, SenderEstimate: 7, SenderTTL: 8,
	}.Append(nil, clock.TestPacketLen)
	if got := frame[template.headers[2].Offset:]; !bytes.Equal(got, want) {
		t.Errorf("reflector %x, want %x", got, want)
	}
}

// TestNTP compares the layout of NTP with what clock/ntp encodes.
func TestNTP(t *testing.T) {
	frame, template := build(t, "ntp leap=1 version=3 mode=4 stratum=2 poll=5 precision=6 delay=7 dispersion=8 refid=0x47505300 reftime=9 origin=10 receive=11 transmit=12")
	p := ntp.Packet{
		Leap: 1, Version: 3, Mode: 4, Stratum: 2, Poll: 5, Precision: 6, RootDelay: 7, RootDispersion: 8, ReferenceID: [4]byte{'G', 'P', 'S'},
		Reference: 9, Origin: 10, Receive: 11, Transmit: 12,
	}
	if got, want := frame[template.headers[2].Offset:], p.Append(nil); !bytes.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
}

// TestTable shows that the rows of the table are whole bytes with names of their own.
func TestTable(t *testing.T) {
	for layer, l := range layouts[1:] {
		if l == nil || l.name == "" || l.title == "" || int(l.layer) != layer+1 {
			t.Fatalf("layer %d has no row", layer+1)
		}
		bits := 0
		for i := range l.fields {
			f := &l.fields[i]
			bits += f.bits
			if f.help == "" || f.bits < 1 || f.bits > 128 {
				t.Errorf("%s %s: %d bits, %q", l.name, f.name, f.bits, f.help)
			}
			if f.value != 0 && most(f.bits).less(wide{lo: f.value}) {
				t.Errorf("%s %s: the default has more than %d bits", l.name, f.name, f.bits)
			}
			for j := range i {
				if g := &l.fields[j]; g.hasName(f.name) && f.when.mask == 0 {
					t.Errorf("%s has two fields %s", l.name, f.name)
				}
			}
		}
		for _, p := range []position{l.header, l.extent, l.number} { // but loop's, whose number has 32 bits
			if p.mask != 0 && l.next != loopbackFamilies && (int(p.at)+2 > min(l.fixed, len(head{})) || p.shift > 15) {
				t.Errorf("%s: a field at %d is read with bytes that may not be there", l.name, p.at)
			}
		}
		if bits%8 != 0 {
			t.Errorf("%s has %d bits", l.name, bits)
		}
	}
}
