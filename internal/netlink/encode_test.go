package netlink

import (
	"bytes"
	"encoding/binary"
	"errors"
	"syscall"
	"testing"

	"pgregory.net/rapid"
)

func TestWhatIsEncodedIsDecoded(t *testing.T) {
	var e Encoder
	e.Netfilter(7, 0, 2, 0x1234)
	e.String(1, "wirelab")
	nest := e.Nest(2)
	e.Big32(1, 0x01020304)
	e.Big16(2, 0x0506)
	e.Uint8(3, 9)
	e.Big64(4, 1<<40)
	e.End(nest)
	e.Flag(3)
	e.Message(8, 0)
	e.Raw([]byte{1, 2, 3})
	var kinds []uint16
	for m := range Messages(e.stamp(40, 99, flagAck)).All() {
		kinds = append(kinds, m.Kind)
		if m.Port != 99 || m.Sequence != uint32(39+len(kinds)) || m.Flags != 1|flagAck {
			t.Errorf("message %+v", m)
		}
		if m.Kind == 7 {
			checkAttributes(t, m)
		}
	}
	if len(kinds) != 2 || kinds[1] != 8 {
		t.Errorf("messages of kinds %v", kinds)
	}
}

func checkAttributes(t *testing.T, m Message) {
	t.Helper()
	if !bytes.Equal(m.Body[:4], []byte{2, 0, 0x12, 0x34}) {
		t.Errorf("header % x", m.Body[:4])
	}
	d := m.Attributes(4)
	d.Next()
	if d.Kind() != 1 || d.String() != "wirelab" {
		t.Errorf("attribute %d: %q", d.Kind(), d.String())
	}
	d.Next()
	inner := d.Nested()
	var values []uint64
	for inner.Next() {
		switch inner.Kind() {
		case 1:
			values = append(values, uint64(inner.Big32()))
		case 2:
			values = append(values, uint64(inner.Big16()))
		case 3:
			values = append(values, uint64(inner.Uint8()))
		case 4:
			values = append(values, inner.Big64())
		}
	}
	if inner.Err() != nil || len(values) != 4 || values[0] != 0x01020304 || values[1] != 0x0506 || values[2] != 9 || values[3] != 1<<40 {
		t.Errorf("nested values %x, %v", values, inner.Err())
	}
	if !d.Next() || d.Kind() != 3 || len(d.Bytes()) != 0 || d.Next() || d.Err() != nil {
		t.Errorf("flag: kind %d, error %v", d.Kind(), d.Err())
	}
}

func TestTooLongAttribute(t *testing.T) {
	var e Encoder
	e.Message(1, 0)
	mark := e.Nest(1)
	for range 70 {
		e.Bytes(1, make([]byte, 1000))
	}
	e.End(mark)
	if !errors.Is(e.Err(), ErrTooLong) {
		t.Errorf("error %v", e.Err())
	}
	e.Reset()
	e.Message(1, 0)
	e.Bytes(1, make([]byte, 1<<16))
	if !errors.Is(e.Err(), ErrTooLong) {
		t.Errorf("error %v", e.Err())
	}
}

func TestShortValueIsAnError(t *testing.T) {
	var e Encoder
	e.Uint8(1, 5)
	for _, read := range []func(*Decoder){
		func(d *Decoder) { d.Uint16() }, func(d *Decoder) { d.Big16() }, func(d *Decoder) { d.Uint32() },
		func(d *Decoder) { d.Big32() }, func(d *Decoder) { d.Big64() },
	} {
		d := Decode(e.buf)
		d.Next()
		read(&d)
		if !errors.Is(d.Err(), ErrMalformed) {
			t.Errorf("error %v", d.Err())
		}
	}
}

func TestEncodingDoesNotAllocate(t *testing.T) {
	b := NewBatch()
	build := func() {
		b.Reset()
		for range 100 {
			b.Netfilter(1, 0, 1, 0)
			mark := b.Nest(1)
			b.String(1, "payload")
			b.Big32(2, 7)
			b.End(mark)
		}
	}
	build()
	if n := testing.AllocsPerRun(10, build); n != 0 {
		t.Errorf("%v allocations", n)
	}
	all := b.stamp(1, 1, 0)
	if n := testing.AllocsPerRun(10, func() {
		for m := range Messages(all).All() {
			d := m.Attributes(4)
			for d.Next() {
				_ = d.Big32()
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations to decode", n)
	}
}

func TestBatchCanBeSentAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := NewBatch()
		for range rapid.IntRange(1, 5).Draw(t, "messages") {
			b.Netfilter(2560, 0, 1, 0)
			b.String(1, rapid.StringN(0, 20, 40).Draw(t, "text"))
		}
		last, count := b.start, b.Count()
		first := bytes.Clone(b.close(1, 2, 77))
		b.open(last)
		if b.Count() != count {
			t.Fatalf("%d messages, %d before", b.Count(), count)
		}
		if again := b.close(1, 2, 77); !bytes.Equal(first, again) {
			t.Fatalf("% x\n% x", first, again)
		}
	})
}

// The kernel ends a dump that failed with four bytes of errno, and points into what it refuses.
func TestVerdicts(t *testing.T) {
	minus := func(errno syscall.Errno) []byte { return binary.NativeEndian.AppendUint32(nil, -uint32(errno)) }
	for _, kind := range []uint16{kindDone, kindError} {
		if v, err := verdictOf(Message{Kind: kind, Body: minus(syscall.EINTR)}); err != nil || v.errno != syscall.EINTR {
			t.Errorf("kind %d: %+v, %v", kind, v, err)
		}
	}
	if v, err := verdictOf(Message{Kind: kindDone}); err != nil || v.errno != 0 {
		t.Errorf("%+v, %v", v, err)
	}
	var sent, answer Encoder
	sent.Netfilter(1, 0, 0, 0)
	sent.String(1, "refused")
	answer.Message(kindError, flagDetails|flagCapped)
	answer.Raw(append(minus(syscall.ENOENT), make([]byte, headerLength)...))
	answer.String(attributeMsg, "why")
	answer.Uint32(attributeAt, headerLength+4)
	for m := range answer.Messages().All() {
		v, err := verdictOf(m)
		if err != nil || v.message != "why" {
			t.Fatalf("%+v, %v", v, err)
		}
		for request := range sent.Messages().All() {
			var refused *RefusedError
			if err := v.refused(request); !errors.As(err, &refused) || string(refused.Value) != "refused\x00" || !errors.Is(err, syscall.ENOENT) {
				t.Errorf("error %#v", err)
			}
			v.at = 1 << 31 // behind its end
			if err := v.refused(request); err != syscall.ENOENT {
				t.Errorf("error %#v", err)
			}
		}
	}
}

func TestEdgesOfMessages(t *testing.T) {
	var e Encoder
	e.Message(5, 0)
	count := 0
	for m := range e.Messages().All() {
		if count++; m.Kind != 5 || len(m.Body) != 0 {
			t.Errorf("%+v", m)
		}
	}
	if count != 1 {
		t.Errorf("%d messages in a header alone", count)
	}
	mark := e.Nest(1)
	e.Big32(2, 7)
	e.End(mark)
	if d := Decode(e.Since(mark)); !d.Next() || d.Kind() != 2 || d.Big32() != 7 {
		t.Errorf("since: % x", e.Since(mark))
	}
	if _, ok, err := ParseLog(Message{Kind: logPacket + 1}); ok || err != nil {
		t.Errorf("a message of another kind is a logged packet: %v", err)
	}
	if _, ok, _ := ParseLog(Message{Kind: logPacket, Body: make([]byte, 4)}); !ok {
		t.Error("a logged packet is none")
	}
}

func FuzzMessages(f *testing.F) {
	b := NewBatch()
	b.Netfilter(1, 0, 1, 0)
	b.String(1, "seed")
	f.Add(b.close(1, 2, 3))
	f.Add([]byte{36, 0, 0, 0, 2, 0, 0, 3, 1, 0, 0, 0, 1, 0, 0, 0, 255, 255, 255, 255, 16, 0, 0, 0, 1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4})
	f.Fuzz(func(t *testing.T, data []byte) {
		for m := range Messages(data).All() {
			if _, err := verdictOf(m); err != nil && !errors.Is(err, ErrMalformed) {
				t.Fatal(err)
			}
			if _, _, err := ParseLog(m); err != nil && !errors.Is(err, ErrMalformed) {
				t.Fatal(err)
			}
			walk(t, m.Attributes(4), 8)
		}
	})
}

func walk(t *testing.T, d Decoder, depth int) {
	for d.Next() {
		_, _, _, _, _ = d.Uint8(), d.Big16(), d.Big32(), d.Big64(), d.String()
		if depth > 0 {
			walk(t, d.Nested(), depth-1)
		}
	}
}
