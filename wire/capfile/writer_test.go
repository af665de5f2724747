package capfile

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"wirelab/internal/require"
)

func TestWriteThenRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		format := rapid.SampledFrom([]Format{Pcap, PcapNG}).Draw(t, "format")
		var buf bytes.Buffer
		w, err := NewWriter(&buf, format, "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.AddInterface(Interface{Link: LinkRaw}); err != nil {
			t.Fatal(err)
		}
		var want []summary
		for range rapid.IntRange(0, 5).Draw(t, "frames") {
			s := summary{
				data: string(rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "data")), length: rapid.IntRange(0, 1<<31).Draw(t, "length"),
				time: rapid.Int64Range(0, 4e18).Draw(t, "time"), timed: true, link: LinkRaw,
			}
			comment := ""
			if format == PcapNG {
				s.flags, s.dropped = Flags(rapid.Uint32().Draw(t, "flags")), rapid.Uint64().Draw(t, "dropped")
				if comment = rapid.SampledFrom([]string{"", "ein Wort", "zwei"}).Draw(t, "comment"); comment != "" {
					s.comment = comment + ";"
				}
			}
			f := Frame{Data: []byte(s.data), Length: s.length, Time: s.time, Flags: s.flags, Dropped: s.dropped}
			if err := w.WriteFrame(&f, comment); err != nil {
				t.Fatal(err)
			}
			want = append(want, s)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		if w.Size() != int64(buf.Len()) {
			t.Errorf("Size %d, file %d", w.Size(), buf.Len())
		}
		r, err := NewReader(&buf)
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range want {
			var f Frame
			if err := r.Next(&f); err != nil {
				t.Fatal(err)
			}
			got := summary{string(f.Data), f.Length, f.Time, f.Timed, 0, f.Link, f.Flags, f.Dropped, "", 0}
			for c := range f.Comments() {
				got.comment = string(c) + ";"
			}
			if got != s {
				t.Errorf("frame %d: got %+v, want %+v", i, got, s)
			}
		}
	})
}

func TestPcapHoldsOneLink(t *testing.T) {
	w, _ := NewWriter(&bytes.Buffer{}, Pcap, "")
	if _, err := w.AddInterface(Interface{Link: LinkRaw}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.AddInterface(Interface{Link: LinkRaw}); err != nil {
		t.Error(err)
	}
	if _, err := w.AddInterface(Interface{Link: LinkSLL}); !errors.Is(err, ErrMixedLinks) {
		t.Error(err)
	}
}

// A capture of nothing is a file of no frames.
func TestRingWithoutFrames(t *testing.T) {
	for _, name := range []string{"a.pcap", "a.pcapng"} {
		var file bytes.Buffer
		r := Ring{Into: &file, Format: FormatOf(name)}
		if err := errors.Join(r.Open(), r.Close()); err != nil {
			t.Fatal(err)
		}
		reader, err := NewReader(&file)
		if err != nil {
			t.Fatal(name, err)
		}
		if err := reader.Next(&Frame{}); err != io.EOF {
			t.Error(name, err)
		}
	}
}

func TestRing(t *testing.T) {
	dir := t.TempDir()
	r := &Ring{Path: filepath.Join(dir, "trace.pcapng"), Size: 1000, Keep: 2, Interfaces: []Interface{{Link: LinkEthernet}}}
	r.Finished = func(w *Writer) error { return w.WriteStatistics(0, 1, 2, 3) }
	if err := r.Open(); err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		if err := r.WriteFrame(&Frame{Data: make([]byte, 100), Length: 100, Time: int64(i)}, ""); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	names, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(names) != 2 || !strings.HasSuffix(names[1], "trace_00006.pcapng") {
		t.Fatal(names)
	}
	for _, name := range names {
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		_, reader, err := readAll(t, file)
		if err != nil {
			t.Error(err)
		}
		if n, known := reader.Dropped(); n != 3 || !known {
			t.Errorf("%s: dropped %d, %v", name, n, known)
		}
		file.Close()
	}
}

// What we write others read without a complaint.
func TestOthersReadIt(t *testing.T) {
	tshark, capinfos := require.Program(t, "tshark"), require.Program(t, "capinfos")
	for _, name := range []string{"a.pcap", "a.pcapng"} {
		path := filepath.Join(t.TempDir(), name)
		r := &Ring{Path: path, Format: FormatOf(path), Comment: "made by a test", Interfaces: []Interface{{Name: "eth7", Link: LinkIPv4}}}
		if err := r.Open(); err != nil {
			t.Fatal(err)
		}
		for i := range 5 {
			f := Frame{Data: make([]byte, 41), Length: 100, Time: 1_700_000_000_123_456_789 + int64(i), Flags: FlagChecksumNotReady | FlagOutbound, Dropped: 2}
			if err := r.WriteFrame(&f, "a comment"); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(capinfos, "-cM", path).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "5") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		var complaints bytes.Buffer
		cmd := exec.Command(tshark, "-r", path, "-Tfields", "-eframe.time_epoch", "-eframe.comment", "-eframe.packet_flags")
		cmd.Stderr = &complaints
		out, err = cmd.Output()
		if err != nil || !strings.Contains(string(out), "1700000000.123456793") {
			t.Errorf("%s: %v\n%s%s", name, err, out, complaints.String())
		}
		if FormatOf(path) == PcapNG && strings.Count(string(out), "a comment\t0x00000202") != 5 {
			t.Errorf("%s:\n%s", name, out)
		}
	}
}
