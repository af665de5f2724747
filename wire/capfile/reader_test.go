package capfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
	"testing/iotest"
	"time"

	"github.com/gopacket/gopacket/pcapgo"
	"pgregory.net/rapid"
)

// file builds capture files byte by byte, in either order, independently of Writer.
type file struct {
	order binary.AppendByteOrder
	bytes []byte
}

var orders = map[string]binary.AppendByteOrder{"little": binary.LittleEndian, "big": binary.BigEndian}

func (f *file) put(values ...any) *file {
	for _, v := range values {
		switch v := v.(type) {
		case uint16:
			f.bytes = f.order.AppendUint16(f.bytes, v)
		case uint32:
			f.bytes = f.order.AppendUint32(f.bytes, v)
		case uint64:
			f.bytes = f.order.AppendUint64(f.bytes, v)
		case []byte:
			f.bytes = append(f.bytes, v...)
		default:
			panic(fmt.Sprintf("%T", v))
		}
	}
	return f
}

func (f *file) block(kind uint32, values ...any) *file {
	body := (&file{order: f.order}).put(values...).bytes
	for len(body)%4 != 0 {
		body = append(body, 0)
	}
	length := uint32(len(body) + 12)
	return f.put(kind, length, body, length)
}

func (f *file) section() *file {
	return f.block(blockSection, uint32(byteOrderMagic), uint16(1), uint16(0), ^uint64(0))
}

func (f *file) linkInterface(link uint16, options ...any) *file {
	return f.block(blockInterface, append([]any{link, uint16(0), uint32(0)}, options...)...)
}

func (f *file) packet(id uint32, ticks uint64, data []byte, length uint32, options ...any) *file {
	padded := append(bytes.Clone(data), make([]byte, -len(data)&3)...)
	values := []any{id, uint32(ticks >> 32), uint32(ticks), uint32(len(data)), length, padded}
	return f.block(blockPacket, append(values, options...)...)
}

type summary struct {
	data      string
	length    int
	time      int64
	timed     bool
	iface     int
	link      LinkType
	flags     Flags
	dropped   uint64
	comment   string
	hasOffset int64
}

func readAll(t testing.TB, source io.Reader) ([]summary, *Reader, error) {
	t.Helper()
	r, err := NewReader(source)
	if err != nil {
		return nil, r, err
	}
	var all []summary
	for {
		var f Frame
		if err := r.Next(&f); err != nil {
			if again := r.Next(&f); again != err {
				t.Errorf("Next after %v: %v", err, again)
			}
			if err == io.EOF {
				err = nil
			}
			return all, r, err
		}
		all = append(all, summarize(&f))
	}
}

func summarize(f *Frame) summary {
	s := summary{string(f.Data), f.Length, f.Time, f.Timed, f.Interface, f.Link, f.Flags, f.Dropped, "", f.Offset}
	for c := range f.Comments() {
		s.comment += string(c) + ";"
	}
	return s
}

// readBatches is readAll by Batch, in two memories in turn as two workers have them. What
// the first holds must be whole when the second has been read.
func readBatches(t testing.TB, source io.Reader, size int) ([]summary, error) {
	t.Helper()
	r, err := NewReader(source)
	if err != nil {
		return nil, err
	}
	memories := [][]byte{make([]byte, size), make([]byte, size)}
	var all []summary
	var before []Frame
	for n := 0; ; n++ {
		frames, err := r.Batch(memories[n%2], nil)
		for i := range before {
			all = append(all, summarize(&before[i]))
		}
		for i := range frames {
			if frames[i].Interface >= len(r.Interfaces()) {
				t.Errorf("a frame of interface %d, of %d that are known", frames[i].Interface, len(r.Interfaces()))
			}
		}
		if before = frames; err == nil && len(frames) > 0 {
			continue
		}
		for i := range before {
			all = append(all, summarize(&before[i]))
		}
		if err == io.EOF {
			err = nil
		}
		if err == nil && len(frames) == 0 && n > 0 && r.err == nil {
			t.Fatal("a batch without a frame and without an end")
		}
		return all, err
	}
}

// Batches bring what Next brings, however little memory they have.
func TestBatch(t *testing.T) {
	for name, order := range orders {
		f := (&file{order: order}).section().linkInterface(1)
		for i := range 40 {
			f.packet(0, uint64(i), bytes.Repeat([]byte{byte(i)}, 17*i), uint32(17*i), uint16(optionComment), uint16(4), []byte("note"))
			switch i {
			case 10:
				f.linkInterface(101).packet(1, 5, []byte("other"), 5)
			case 20:
				f.block(0x0bad, make([]byte, 3000)) // a kind that nobody knows, longer than the memory
			case 30:
				f.section().linkInterface(113)
			}
		}
		whole := f.bytes
		for _, cut := range []int{len(whole), len(whole) - 3, len(whole) / 2} {
			want, _, wrong := readAll(t, bytes.NewReader(whole[:cut]))
			for _, size := range []int{64, 200, 1000, 1 << 20} {
				got, err := readBatches(t, iotest.OneByteReader(bytes.NewReader(whole[:cut])), size)
				if fmt.Sprint(got, err) != fmt.Sprint(want, wrong) {
					t.Errorf("%s, %d bytes of memory: %d frames and %v, not %d and %v", name, size, len(got), err, len(want), wrong)
				}
			}
		}
	}
}

func TestReadPcap(t *testing.T) {
	for name, order := range orders {
		for _, tt := range []struct {
			magic uint32
			extra []byte
			time  int64
		}{
			{magicMicroseconds, nil, 5_000_007_000},
			{magicNanoseconds, nil, 5_000_000_007},
			{magicModified, make([]byte, 8), 5_000_007_000},
		} {
			f := &file{order: order}
			f.put(tt.magic, uint16(2), uint16(4), uint32(0), uint32(0), uint32(65535), uint32(101))
			f.put(uint32(5), uint32(7), uint32(3), uint32(99), tt.extra, []byte("abc"))
			got, r, err := readAll(t, iotest.OneByteReader(bytes.NewReader(f.bytes)))
			if err != nil {
				t.Fatalf("%s %x: %v", name, tt.magic, err)
			}
			want := summary{data: "abc", length: 99, time: tt.time, timed: true, link: LinkRaw, hasOffset: 24}
			if len(got) != 1 || got[0] != want {
				t.Errorf("%s %x: got %+v, want %+v", name, tt.magic, got, want)
			}
			if r.Format() != "pcap" {
				t.Errorf("format %q", r.Format())
			}
		}
	}
}

func TestReadSectionsOfMixedOrder(t *testing.T) {
	f := &file{order: binary.LittleEndian}
	f.section().linkInterface(1, uint16(optionName), uint16(3), []byte("lo\x00\x00"), uint16(optionResolution), uint16(1), []byte{9, 0, 0, 0})
	flags := []any{uint16(1), uint16(5), []byte("hello\x00\x00\x00"), uint16(optionFlags), uint16(4), uint32(1<<9 | 1), uint16(optionDropped), uint16(8), uint64(3), uint32(0)}
	f.packet(0, 1_700_000_000_123_456_789, []byte("first"), 5, flags...)
	f.block(0xbad, []byte("anything"))
	f.order = binary.BigEndian
	f.section().linkInterface(113).linkInterface(276, uint16(optionResolution), uint16(1), []byte{0x80 | 20, 0, 0, 0})
	f.packet(1, 3<<20|1<<19, []byte("second"), 6, flags...)
	f.block(blockSimple, uint32(6), []byte("simple"))
	f.block(blockOldPacket, uint16(0), uint16(2), uint32(0), uint32(1_500_000), uint32(3), uint32(4), []byte("old\x00"))
	f.block(blockStatistics, uint32(0), uint64(0), uint16(4), uint16(8), uint64(100), uint16(5), uint16(8), uint64(7), uint16(7), uint16(8), uint64(1), uint32(0))

	got, r, err := readAll(t, bytes.NewReader(f.bytes))
	if err != nil {
		t.Fatal(err)
	}
	want := []summary{
		{"first", 5, 1_700_000_000_123_456_789, true, 0, LinkEthernet, FlagChecksumNotReady | FlagInbound, 3, "hello;", 0},
		{"second", 6, 3_500_000_000, true, 2, LinkSLL2, FlagChecksumNotReady | FlagInbound, 3, "hello;", 0},
		{"simple", 6, 0, false, 1, LinkSLL, 0, 0, "", 0},
		{"old", 4, 1_500_000_000, true, 1, LinkSLL, 0, 2, "", 0},
	}
	for i := range got {
		got[i].hasOffset = 0
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	// The first interface tells by its frames, the second by its statistics.
	if n, known := r.Dropped(); n != 3+8+3 || !known {
		t.Errorf("dropped %d, %v", n, known)
	}
	if n, known := r.Interfaces()[1].Received(); n != 100 || !known {
		t.Errorf("received %d, %v", n, known)
	}
}

func TestOptionsWithoutEnd(t *testing.T) {
	f := (&file{order: binary.LittleEndian}).section().linkInterface(1)
	f.packet(0, 1, []byte("data"), 4, uint16(optionComment), uint16(2), []byte("ok\x00\x00"))
	f.packet(0, 1, []byte("data"), 4, uint16(optionComment), uint16(200), []byte("no\x00\x00"))
	got, _, err := readAll(t, bytes.NewReader(f.bytes))
	if err != nil || len(got) != 2 || got[0].comment != "ok;" || got[1].comment != "" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestDamageKeepsWhatCameBefore(t *testing.T) {
	whole := func() *file {
		f := (&file{order: binary.LittleEndian}).section().linkInterface(1)
		return f.packet(0, 1, []byte("good"), 4)
	}
	at := int64(len(whole().bytes))
	tests := map[string]func(*file){
		"short block":        func(f *file) { f.put(uint32(blockPacket), uint32(8), uint32(8)) },
		"odd length":         func(f *file) { f.put(uint32(99), uint32(13), uint32(13), uint32(13)) },
		"huge length":        func(f *file) { f.put(uint32(blockPacket), uint32(0xfffffff0), uint32(0)) },
		"huge unknown block": func(f *file) { f.put(uint32(99), uint32(0xfffffff0), uint32(0)) },
		"trailer":            func(f *file) { f.put(uint32(99), uint32(12), uint32(16)) },
		"trailer of packet":  func(f *file) { f.packet(0, 1, []byte("bad"), 3).bytes[len(f.bytes)-4]++ },
		"no such interface":  func(f *file) { f.packet(1, 1, []byte("bad"), 3) },
		"captured too long": func(f *file) {
			f.block(blockPacket, uint32(0), uint64(0), uint32(100), uint32(100), []byte("four"))
		},
		"packet too short":    func(f *file) { f.block(blockPacket, uint64(0)) },
		"statistics":          func(f *file) { f.block(blockStatistics, uint32(5), uint64(0)) },
		"interface too short": func(f *file) { f.block(blockInterface, uint32(0)) },
		"section":             func(f *file) { f.block(blockSection, uint32(0x12345678), uint64(0), uint64(0)) },
		"version":             func(f *file) { f.block(blockSection, uint32(byteOrderMagic), uint16(2), uint16(0), uint64(0)) },
		"cut head":            func(f *file) { f.put(uint32(6), uint32(32)) },
	}
	for name, spoil := range tests {
		f := whole()
		spoil(f)
		got, _, err := readAll(t, bytes.NewReader(f.bytes))
		var damage *DamageError
		if len(got) != 1 || got[0].data != "good" || !errors.As(err, &damage) || damage.Offset != at {
			t.Errorf("%s: %d frames, %v; want 1 frame and damage at %d", name, len(got), err, at)
		}
	}
}

func TestCutAnywhere(t *testing.T) {
	f := (&file{order: binary.BigEndian}).section().linkInterface(1).packet(0, 1, []byte("good"), 4)
	pcap := (&file{order: binary.LittleEndian}).put(uint32(magicMicroseconds), uint32(0), uint64(0), uint32(100), uint32(1), uint64(0), uint32(4), uint32(4), []byte("good"))
	for _, whole := range [][]byte{f.bytes, pcap.bytes} {
		for n := range whole {
			got, _, err := readAll(t, bytes.NewReader(whole[:n]))
			if len(got) != 0 {
				t.Errorf("%d of %d bytes: a frame", n, len(whole))
			}
			var damage *DamageError
			if n >= 4 && err != nil && !errors.As(err, &damage) {
				t.Errorf("%d bytes: %v", n, err)
			}
		}
	}
	if _, _, err := readAll(t, bytes.NewReader([]byte("#!/bin/sh"))); !errors.Is(err, ErrFormat) {
		t.Errorf("a script: %v", err)
	}
	broken := errors.New("disk on fire")
	if _, _, err := readAll(t, io.MultiReader(bytes.NewReader(f.bytes), iotest.ErrReader(broken))); !errors.Is(err, broken) {
		t.Errorf("a broken disk: %v", err)
	}
}

// A pcap record that claims more than any frame has is damage, not a wait for data.
func TestAbsurdRecord(t *testing.T) {
	f := (&file{order: binary.LittleEndian}).put(uint32(magicMicroseconds), uint32(0), uint64(0), uint32(65535), uint32(1))
	f.put(uint64(0), uint32(0x7fffffff), uint32(4), []byte("good"))
	_, _, err := readAll(t, bytes.NewReader(f.bytes))
	var damage *DamageError
	if !errors.As(err, &damage) || damage.Offset != 24 {
		t.Error(err)
	}
}

// Blocks that are not known may be empty.
func TestEmptyBlock(t *testing.T) {
	f := (&file{order: binary.BigEndian}).section().linkInterface(1).block(99).packet(0, 1, []byte("good"), 4)
	if got, _, err := readAll(t, bytes.NewReader(f.bytes)); len(got) != 1 || err != nil {
		t.Errorf("%d frames, %v", len(got), err)
	}
}

func TestInterfacesAreBounded(t *testing.T) {
	f := (&file{order: binary.LittleEndian}).section()
	for range maxInterfaces {
		f.linkInterface(1)
	}
	f.packet(maxInterfaces-1, 1, []byte("good"), 4)
	at := int64(len(f.bytes))
	f.linkInterface(1)
	got, _, err := readAll(t, bytes.NewReader(f.bytes))
	var damage *DamageError
	if len(got) != 1 || !errors.As(err, &damage) || damage.Offset != at {
		t.Errorf("%d frames, %v; want damage at %d", len(got), err, at)
	}
}

func TestResolutions(t *testing.T) {
	const most = math.MaxInt64 / 1_000_000_000 // seconds
	rapid.Check(t, func(t *rapid.T) {
		tsresol := byte(rapid.IntRange(0, 255).Draw(t, "tsresol"))
		ticks := rapid.Uint64().Draw(t, "ticks")
		offset := rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(-most, most), rapid.Int64()).Draw(t, "offset")
		base := big.NewInt(10)
		if tsresol&0x80 != 0 {
			base = big.NewInt(2)
		}
		unit := new(big.Int).Exp(base, big.NewInt(int64(tsresol&0x7f)), nil)
		want := new(big.Int).Mul(new(big.Int).SetUint64(ticks), big.NewInt(1e9))
		want.Div(want, unit)
		fits := want.IsInt64() && offset >= -most
		want.Add(want, new(big.Int).Mul(big.NewInt(offset), big.NewInt(1e9)))
		fits = fits && want.IsInt64()
		r := newResolution(tsresol, offset)
		got, ok := r.nanoseconds(ticks)
		if ok != fits || ok && got != want.Int64() {
			t.Errorf("%d ticks of resolution %#x from %d s: %d, %t, want %v", ticks, tsresol, offset, got, ok, want)
		}
	})
}

func TestAgreesWithPcapgo(t *testing.T) {
	var buf bytes.Buffer
	w, err := NewWriter(&buf, PcapNG, "a file")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.AddInterface(Interface{Name: "eth7", Link: LinkEthernet, SnapLength: 200, Filter: "tcp"}); err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 100 {
		data := make([]byte, random.IntN(200))
		f := Frame{Data: data, Length: len(data) + i, Time: 1_700_000_000_000_000_001 + int64(i), Flags: FlagInbound, Dropped: uint64(i)}
		if err := w.WriteFrame(&f, "a comment"); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	got, _, err := readAll(t, bytes.NewReader(buf.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	other, err := pcapgo.NewNgReader(bytes.NewReader(buf.Bytes()), pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range got {
		data, info, err := other.ReadPacketData()
		if err != nil {
			t.Fatalf("frame %d: %v", i, err)
		}
		if string(data) != s.data || info.Length != s.length || !info.Timestamp.Equal(time.Unix(0, s.time)) {
			t.Errorf("frame %d: pcapgo %v, ours %+v", i, info, s)
		}
	}
}

func FuzzReader(f *testing.F) {
	seed := (&file{order: binary.LittleEndian}).section().linkInterface(1).packet(0, 1, []byte("good"), 4)
	seed.order = binary.BigEndian
	seed.section().linkInterface(1).block(blockSimple, uint32(6), []byte("simple")).block(blockStatistics, uint32(0), uint64(0))
	f.Add(seed.bytes)
	f.Add((&file{order: binary.LittleEndian}).put(uint32(magicMicroseconds), uint32(0), uint64(0), uint32(100), uint32(1), uint64(0), uint32(4), uint32(4), []byte("good")).bytes)
	f.Fuzz(func(t *testing.T, data []byte) {
		frames, _, err := readAll(t, bytes.NewReader(data))
		total := 0
		for _, s := range frames {
			total += len(s.data)
		}
		if total > len(data) {
			t.Errorf("%d bytes of frames in %d bytes", total, len(data))
		}
		var damage *DamageError
		if err != nil && !errors.As(err, &damage) && !errors.Is(err, ErrFormat) {
			t.Error(err)
		}
		batched, wrong := readBatches(t, iotest.OneByteReader(bytes.NewReader(data)), 100)
		if fmt.Sprint(batched, wrong) != fmt.Sprint(frames, err) {
			t.Errorf("batches bring %d frames and %v, not %d and %v", len(batched), wrong, len(frames), err)
		}
	})
}

func BenchmarkReader(b *testing.B) {
	var buf bytes.Buffer
	w, _ := NewWriter(&buf, PcapNG, "")
	_, _ = w.AddInterface(Interface{Link: LinkEthernet})
	f := Frame{Data: make([]byte, 400), Length: 400, Flags: FlagInbound}
	for range 10_000 {
		_ = w.WriteFrame(&f, "")
	}
	_ = w.Flush()
	b.ReportAllocs()
	for b.Loop() {
		r, err := NewReader(bytes.NewReader(buf.Bytes()))
		for err == nil {
			err = r.Next(&f)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/10_000, "ns/frame")
}
