package packet

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"wirelab/cli/term/termtest"
	"wirelab/wire/capfile"
)

// run runs wirelab packet with args.
func run(t *testing.T, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	c, out, complaints := termtest.NewConsole("")
	status = termtest.Run(context.Background(), c, Commands(c), "packet", args...)
	return out.String(), complaints.String(), status
}

// The datagram of RFC 768 and its neighbours: a good one, one with a bad UDP
// checksum, one whose checksum a device was to compute.
var (
	good    = []byte("\x45\x00\x00\x21\x00\x00\x00\x00\x40\x11\xf6\xa7\xc0\x00\x02\x01\xc0\x00\x02\x23\x9c\x40\x00\x09\x00\x0d\x9b\x93hello")
	bad     = []byte(strings.Replace(string(good), "\x9b\x93", "\x12\x34", 1))
	partial = []byte(strings.Replace(string(good), "\x9b\x93", "\x84\x43", 1))
)

func segment(back bool, sequence uint32, flags byte, text string) []byte {
	b := make([]byte, 40, 40+len(text))
	b[0], b[2], b[3], b[8], b[9] = 0x45, 0, byte(40+len(text)), 64, 6
	from, to := byte(1), byte(2)
	if back {
		from, to = to, from
	}
	copy(b[12:], []byte{10, 0, 0, from, 10, 0, 0, to})
	b[21], b[23] = 80+from, 80+to
	b[27], b[32], b[33] = byte(sequence), 0x50, flags
	return append(b, text...)
}

func writeCapture(t *testing.T, frames ...capfile.Frame) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.pcapng")
	r := &capfile.Ring{Path: path, Interfaces: []capfile.Interface{{Name: "eth7", Link: capfile.LinkRaw}}}
	r.Finished = func(w *capfile.Writer) error { return w.WriteStatistics(0, 1, 9, 4) }
	if err := r.Open(); err != nil {
		t.Fatal(err)
	}
	for i, f := range frames {
		f.Length, f.Time = max(f.Length, len(f.Data)), 1_700_000_000_000_000_001+int64(i)*1e9
		if err := r.WriteFrame(&f, "a \x1b comment"); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func threeFrames(t *testing.T) string {
	return writeCapture(t, capfile.Frame{Data: good}, capfile.Frame{Data: bad}, capfile.Frame{Data: partial, Flags: capfile.FlagChecksumNotReady})
}

func TestReadLines(t *testing.T) {
	out, complaints, status := run(t, "read", threeFrames(t), "--time", "epoch")
	want := `     1 1700000000.000000001 192.0.2.1:40000 > 192.0.2.35:9 UDP 5 bytes  # a \x1b comment
     2 1700000001.000000001 192.0.2.1:40000 > 192.0.2.35:9 UDP 5 bytes [udp checksum bad: 1234, right 9b93]  # a \x1b comment
     3 1700000002.000000001 192.0.2.1:40000 > 192.0.2.35:9 UDP 5 bytes  # a \x1b comment
`
	if out != want || complaints != "" || status != 0 {
		t.Errorf("status %d\n%s%s\nwant\n%s", status, out, complaints, want)
	}
}

func TestReadEach(t *testing.T) {
	out, complaints, status := run(t, "read", threeFrames(t), "--each", "-o", "json")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 4 || complaints != "" || status != 0 {
		t.Fatalf("status %d\n%s%s", status, out, complaints)
	}
	want := `{"frame":2,"time_ns":1700000001000000001,"length":33,"captured":33,"checksums":[{"layer":"ip","verdict":"good","offset":10,"found":63143,"right":63143},{"layer":"udp","verdict":"bad","offset":26,"found":4660,"right":39827}],"malformed":false,"truncated":false}`
	if lines[1] != want {
		t.Errorf("got  %s\nwant %s", lines[1], want)
	}
	var r struct {
		Schema    string
		Packets   int
		Checksums map[string]map[string]int
		Damage    any
		Dropped   int
	}
	if err := json.Unmarshal([]byte(lines[3]), &r); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(r) != "{wirelab.packet.read/1 3 map[ip:map[good:3] udp:map[bad:1 good:1 partial:1]] <nil> 4}" {
		t.Errorf("%v", r)
	}
}

func TestReadVerifyFailsForBadChecksums(t *testing.T) {
	out, _, status := run(t, "read", threeFrames(t), "--verify")
	if status != 1 || strings.Count(out, "checksum bad") != 1 || !strings.Contains(out, "1 good, 1 bad, 1 partial") {
		t.Errorf("status %d\n%s", status, out)
	}
	if _, _, status := run(t, "read", writeCapture(t, capfile.Frame{Data: good}), "--verify"); status != 0 {
		t.Errorf("status %d for a good file", status)
	}
}

func TestReadFiltersAndRewrites(t *testing.T) {
	three := threeFrames(t)
	for _, name := range []string{"out.pcap", "out.pcapng"} {
		copied := filepath.Join(t.TempDir(), name)
		if _, complaints, status := run(t, "read", three, "-w", copied, "udp[6:2]", "=", "0x1234"); status != 0 {
			t.Fatal(complaints)
		}
		out, _, _ := run(t, "read", copied, "--time", "epoch")
		if !strings.Contains(out, "     1 1700000001.000000001") || strings.Count(out, "\n") != 1 {
			t.Errorf("%s:\n%s", name, out)
		}
	}
	if _, complaints, status := run(t, "read", three, "prot 80"); status != 2 || !strings.Contains(complaints, `at "prot" (column 1)`) {
		t.Errorf("status %d: %s", status, complaints)
	}
}

func TestReadDamaged(t *testing.T) {
	whole, err := os.ReadFile(threeFrames(t))
	if err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(t.TempDir(), "cut.pcapng")
	if err := os.WriteFile(cut, whole[:len(whole)-100], 0o600); err != nil {
		t.Fatal(err)
	}
	out, complaints, status := run(t, "read", cut)
	if status != 1 || strings.Count(out, "\n") != 2 || !strings.Contains(complaints, "damaged at byte ") {
		t.Errorf("status %d\n%s%s", status, out, complaints)
	}
	out, _, _ = run(t, "read", cut, "--verify", "-o", "json")
	if !strings.Contains(out, `"damage": {`) || !strings.Contains(out, `"offset": `) {
		t.Error(out)
	}
	if _, complaints, status := run(t, "read", "/etc/passwd"); status != 1 || !strings.Contains(complaints, "neither a pcap nor a pcapng") {
		t.Errorf("status %d: %s", status, complaints)
	}
}

func TestReadStatistics(t *testing.T) {
	out, _, status := run(t, "read", threeFrames(t), "--stats")
	if status != 0 || !strings.Contains(out, "udp 192.0.2.1:40000 > 192.0.2.35:9") || !strings.Contains(out, "dropped") {
		t.Errorf("status %d\n%s", status, out)
	}
}

// Segments out of order, twice, and lost ones come out as what the programs read.
func TestFollow(t *testing.T) {
	const syn, ack = 2, 16
	path := writeCapture(t,
		capfile.Frame{Data: segment(false, 10, syn, "")}, capfile.Frame{Data: segment(true, 50, syn|ack, "")},
		capfile.Frame{Data: segment(false, 16, ack, "world")}, capfile.Frame{Data: segment(false, 11, ack, "hello")},
		capfile.Frame{Data: segment(false, 11, ack, "hello")}, capfile.Frame{Data: segment(true, 51, ack, "answer\n")},
		capfile.Frame{Data: segment(true, 60, ack, "late\x1b\n")},
	)
	out, complaints, status := run(t, "read", path, "--follow", "1")
	want := `10.0.0.1:81 > 10.0.0.2:82, 5 bytes
hello
10.0.0.1:81 > 10.0.0.2:82, 5 bytes
world
10.0.0.2:82 > 10.0.0.1:81, 7 bytes
answer
10.0.0.2:82 > 10.0.0.1:81: 2 bytes are not in the capture
10.0.0.2:82 > 10.0.0.1:81, 6 bytes
late\x1b
`
	if out != want || status != 0 {
		t.Errorf("status %d\n%s%s", status, out, complaints)
	}
	if _, complaints, status := run(t, "read", path, "--follow", "2"); status != 1 || !strings.Contains(complaints, "has 1 TCP conversation") {
		t.Errorf("status %d: %s", status, complaints)
	}
}

// A SYN that comes twice begins nothing, another one does; what the capture lost or cut is
// missing where it would have been; sequence numbers wrap.
func TestFollowOddities(t *testing.T) {
	const syn, ack = 2, 16
	wrapping := func(sequence uint32, text string) []byte {
		b := segment(false, sequence, ack, text)
		binary.BigEndian.PutUint32(b[24:], sequence)
		return b
	}
	acknowledging := func(b []byte, number byte) []byte {
		b[31] = number
		return b
	}
	tests := map[string]struct {
		frames []capfile.Frame
		want   []string
	}{
		"SYN twice": {
			[]capfile.Frame{{Data: segment(false, 10, syn, "")}, {Data: segment(false, 11, ack, "one\n")}, {Data: segment(false, 10, syn, "")}, {Data: segment(false, 15, ack, "two\n")}},
			[]string{"one", "two"},
		},
		"another connection": {
			[]capfile.Frame{{Data: segment(false, 10, syn, "")}, {Data: segment(false, 11, ack, "one\n")}, {Data: segment(false, 18, ack, "lost\n")}, {Data: segment(false, 90, syn, "")}, {Data: segment(false, 91, ack, "two\n")}},
			[]string{"one", "3 bytes are not in the capture", "lost", "two"},
		},
		"acknowledged but lost": {
			[]capfile.Frame{{Data: segment(false, 11, ack, "one\n")}, {Data: segment(false, 17, ack, "two\n")}, {Data: acknowledging(segment(true, 50, ack, "answer\n"), 21)}, {Data: segment(false, 21, ack, "three\n")}},
			[]string{"one", "2 bytes are not in the capture", "two", "answer", "three"},
		},
		"cut": {
			[]capfile.Frame{{Data: segment(false, 11, ack, "one and two\n")[:43], Length: 52}, {Data: segment(false, 23, ack, "three\n")}},
			[]string{"one", "9 bytes are not in the capture", "three"},
		},
		"wrap": {
			[]capfile.Frame{{Data: wrapping(0xfffffffe, "one\n")}, {Data: wrapping(6, "three\n")}, {Data: wrapping(2, "two\n")}, {Data: wrapping(0xfffffffe, "one\n")}},
			[]string{"one", "two", "three"},
		},
	}
	for name, tt := range tests {
		out, complaints, status := run(t, "read", writeCapture(t, tt.frames...), "--follow", "1")
		var got []string
		for line := range strings.Lines(out) {
			line = strings.TrimSpace(line)
			if _, missing, ok := strings.Cut(line, ": "); ok {
				line = missing
			}
			if !strings.Contains(line, " > ") {
				got = append(got, line)
			}
		}
		if !slices.Equal(got, tt.want) || status != 0 {
			t.Errorf("%s: %q, want %q; status %d\n%s%s", name, got, tt.want, status, out, complaints)
		}
	}
}

// Reading costs the same few allocations however many frames there are.
func TestReadDoesNotAllocatePerFrame(t *testing.T) {
	frames := make([]capfile.Frame, 2000)
	for i := range frames {
		frames[i] = capfile.Frame{Data: good}
	}
	path := writeCapture(t, frames...)
	c, _, _ := termtest.NewConsole("")
	c.Stdout = &bytes.Buffer{}
	n := testing.AllocsPerRun(2, func() { _ = (&app{c}).read(t.Context(), readFlags{verify: true}, []string{path}) })
	if n > 500 {
		t.Errorf("%v allocations for 2000 frames", n)
	}
}

// Times before 1970, as an offset in the file can make them, count downwards.
func TestTimesBefore1970(t *testing.T) {
	for form, want := range map[clockFlag]string{"utc": "23:59:59.250000000", "epoch": "-0.750000000", "relative": "0.000000000"} {
		w := timeWriter{form: form}
		if got := string(w.append(nil, -750_000_000)); got != want {
			t.Errorf("%s: %s, want %s", form, got, want)
		}
	}
}

// Lines come in the order of the file however many read it at once, and up to the damage.
func TestReadParallel(t *testing.T) {
	kinds := [][]byte{good, segment(false, 1, 16, "hello"), segment(true, 2, 16, strings.Repeat("x", 150)), bad}
	frames := make([]capfile.Frame, 40_000)
	for i := range frames {
		frames[i].Data = kinds[i*i%7%len(kinds)]
	}
	path := writeCapture(t, frames...)
	oneByOne, _, _ := run(t, "read", path, "--count", "1000000")
	atOnce, _, status := run(t, "read", path)
	if atOnce != oneByOne || strings.Count(atOnce, "\n") != len(frames) || status != 0 {
		t.Errorf("status %d, %d lines, not as one by one", status, strings.Count(atOnce, "\n"))
	}
	if err := os.Truncate(path, 3<<20); err != nil {
		t.Fatal(err)
	}
	cut, complaints, status := run(t, "read", path)
	if !strings.HasPrefix(oneByOne, cut) || len(cut) < 1<<20 || status != 1 || !strings.Contains(complaints, "damaged at byte ") {
		t.Errorf("status %d, %d bytes\n%s", status, len(cut), complaints)
	}
}

// A reader that has gone ends the reading.
func TestReadParallelToNobody(t *testing.T) {
	frames := make([]capfile.Frame, 40_000)
	for i := range frames {
		frames[i].Data = good
	}
	c, _, _ := termtest.NewConsole("")
	gone := errors.New("nobody reads")
	c.Stdout = writerFunc(func([]byte) (int, error) { return 0, gone })
	err := (&app{c}).read(t.Context(), readFlags{}, []string{writeCapture(t, frames...)})
	if !errors.Is(err, gone) {
		t.Errorf("%v, want %v", err, gone)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }
