package handlers

import (
	"encoding/binary"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"wirelab/server/tcp"
)

const maxLine = 100

// open returns a session of the handler of that name, which needs no connection.
func open(t *testing.T, name string) tcp.Session {
	t.Helper()
	all := All()
	i := slices.IndexFunc(all, func(k Kind) bool { return k.Name == name })
	if i < 0 {
		t.Fatalf("no handler %q", name)
	}
	return all[i].New(maxLine, func(string) {}).Open(nil)
}

// say gives a session pieces of a text as an engine does, until it has answered all of
// them or wants to finish, and returns all that it answered.
func say(s tcp.Session, pieces ...string) (answer string, next tcp.Next) {
	var rest, out []byte
	for i, piece := range pieces {
		rest = append(rest, piece...)
		for again := true; again; again = next == tcp.More {
			n := 0
			n, out, next = s.Handle(rest, i == len(pieces)-1, out)
			rest = rest[n:]
		}
		if next == tcp.Finish {
			break
		}
	}
	return string(out), next
}

func TestEchoAndDiscard(t *testing.T) {
	if got, next := say(open(t, "echo"), "some\x00", "bytes"); got != "some\x00bytes" || next != tcp.Wait {
		t.Errorf("echo answers %q, and wants %v next", got, next)
	}
	if got, next := say(open(t, "discard"), "some", "bytes"); got != "" || next != tcp.Wait {
		t.Errorf("discard answers %q, and wants %v next", got, next)
	}
}

// RFC 864 gives the pattern: each line begins one character later.
func TestChargenPattern(t *testing.T) {
	s := open(t, "chargen")
	var out []byte
	for range 5 {
		n, answer, next := s.Handle([]byte("ignored"), false, out)
		if n != len("ignored") || next != tcp.More {
			t.Fatalf("it consumes %d bytes and wants %v next", n, next)
		}
		out = answer
	}
	lines := strings.SplitAfter(string(out), "\r\n")
	if len(lines) < 300 {
		t.Fatalf("%d lines", len(lines))
	}
	for i, line := range lines[:len(lines)-1] {
		if len(line) != 74 {
			t.Fatalf("line %d is %q", i, line)
		}
		for j := range 72 {
			if want := byte(' ' + (i+j)%95); line[j] != want {
				t.Fatalf("line %d, character %d is %q, want %q", i, j, line[j], want)
			}
		}
	}
}

func TestDaytime(t *testing.T) {
	got, next := say(open(t, "daytime"), "")
	if _, err := time.Parse("Monday, January 2, 2006 15:04:05-MST\r\n", got); err != nil || next != tcp.Finish {
		t.Errorf("%v; it wants %v next", err, next)
	}
}

func TestTime(t *testing.T) {
	got, next := say(open(t, "time"), "")
	if len(got) != 4 || next != tcp.Finish {
		t.Fatalf("%d bytes, and it wants %v next", len(got), next)
	}
	const from1900 = 2208988800
	said := time.Unix(int64(binary.BigEndian.Uint32([]byte(got)))-from1900, 0)
	if d := time.Since(said); d < 0 || d > time.Minute {
		t.Errorf("it says %v, %v ago", said, d)
	}
}

func TestTimeDiff(t *testing.T) {
	now := time.Now()
	got, _ := say(open(t, "timediff"), fmt.Sprintf("%d.%06d\r\n%s tail\nnonsense\n%d.5",
		now.Unix(), now.Nanosecond()/1000, now.Format(time.RFC3339Nano), now.Unix()))
	answers := strings.Split(got, "\n")
	if len(answers) != 5 {
		t.Fatalf("%d answers in %q, want 4", len(answers)-1, got)
	}
	form := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z user \+\d+\.\d{3} us$`)
	for _, i := range []int{0, 1} {
		if !form.MatchString(answers[i]) {
			t.Errorf("answer %d is %q", i, answers[i])
		}
	}
	if !strings.HasPrefix(answers[2], "error: ") {
		t.Errorf("nonsense is answered %q", answers[2])
	}
	if !strings.HasSuffix(answers[3], " us") {
		t.Errorf("a last line without end is answered %q", answers[3])
	}
}

// A line of the greatest length is taken wherever it is cut; one byte more is not.
func TestLongestLine(t *testing.T) {
	for _, end := range []string{"\n", "\r\n"} {
		line := "1795342984.1 " + strings.Repeat("x", maxLine-len("1795342984.1 ")) + end
		for cut := range len(line) + 1 {
			if got, next := say(open(t, "timediff"), line[:cut], line[cut:]); !strings.HasSuffix(got, " us\n") || next != tcp.Wait {
				t.Errorf("with %q, cut at %d: %q, and it wants %v next", end, cut, got, next)
			}
			long := "1" + line
			if got, next := say(open(t, "timediff"), long[:cut], long[cut:]); got != "error: a line has at most 100 bytes\n" || next != tcp.Finish {
				t.Errorf("one byte too many, with %q, cut at %d: %q, and it wants %v next", end, cut, got, next)
			}
		}
	}
}

// Lines whose answers are much more than the lines are answered some at a time.
func TestManyShortLinesTakeTurns(t *testing.T) {
	in := []byte(strings.Repeat("\n", 10_000))
	s := open(t, "timediff")
	lines, turns := 0, 0
	for next := tcp.More; next == tcp.More; turns++ {
		var n int
		var out []byte
		if n, out, next = s.Handle(in, false, nil); len(out) > fullAnswer+maxLine {
			t.Fatalf("an answer has %d bytes", len(out))
		}
		in = in[n:]
		lines += strings.Count(string(out), "\n")
	}
	if lines != 10_000 || turns < 2 {
		t.Errorf("%d lines are answered in %d turns", lines, turns)
	}
}

func TestThroughputTakesUntilTheEnd(t *testing.T) {
	for _, pieces := range [][]string{
		{"throughput\nup\nsome", "more"},
		{"throughput", "\n", "up", "\n", "somemore"},
	} {
		want := "ready\n" + fmt.Sprintf(throughputTotal, "up", len("somemore"))
		if got, next := say(open(t, "throughput"), pieces...); got != want || next != tcp.Finish {
			t.Errorf("%q is answered %q, and it wants %v next", pieces, got, next)
		}
	}
}

func TestThroughputSendsForAWhile(t *testing.T) {
	s := open(t, "throughput")
	begun := time.Now()
	n, out, next := s.Handle([]byte("throughput\ndown 20000\n"), false, nil)
	for ; next == tcp.More; _, out, next = s.Handle(nil, false, out) {
		time.Sleep(time.Millisecond)
	}
	if took := time.Since(begun); took < 20*time.Millisecond || n != len("throughput\ndown 20000\n") || next != tcp.Finish {
		t.Errorf("it consumed %d bytes and sent for %v; it wants %v next", n, took, next)
	}
	blocks := len(out) / throughputBlock * throughputBlock
	if total := fmt.Sprintf(throughputTotal, "down", blocks); blocks == 0 || len(out) != len("ready\n")+blocks+len(total) || !strings.HasSuffix(string(out), total) {
		t.Errorf("%d bytes end in %q", len(out), out[len(out)-30:])
	}
}

func TestThroughputRefusesOtherRequests(t *testing.T) {
	for _, request := range []string{"up down\n", "down\n", "down -1\n", "down 86400000001\n", "hello\n", strings.Repeat("x", throughputRequest+1)} {
		if got, next := say(open(t, "throughput"), request); !strings.HasPrefix(got, "say throughput") || next != tcp.Finish {
			t.Errorf("%q is answered %q, and it wants %v next", request, got, next)
		}
	}
	exactly := strings.Repeat("x", throughputRequest)
	if n, out, next := open(t, "throughput").Handle([]byte(exactly), false, nil); n != 0 || len(out) != 0 || next != tcp.Wait {
		t.Errorf("the beginning of a line is answered %q", out)
	}
}

func TestNicknames(t *testing.T) {
	for nick, want := range map[string]bool{
		"ada": true, "Ada_1-x": true, "Ægir": true, strings.Repeat("é", maxNick): true,
		"": false, "a b": false, "a.b": false, ".": false, "a\x1b": false, strings.Repeat("é", maxNick+1): false,
	} {
		if got := validNick(nick); got != want {
			t.Errorf("%q: %v", nick, got)
		}
	}
}

func TestPrintableDrivesNoTerminal(t *testing.T) {
	for line, want := range map[string]string{
		"plain": "plain", "  a\tb ": "a b", "\x1b]0;title\x07x": "]0;titlex", "a\u202eb": "ab", "a\xffb": "a\uFFFDb",
	} {
		if got := printable([]byte(line)); got != want {
			t.Errorf("%q is shown as %q, want %q", line, got, want)
		}
	}
}

func ExampleAll() {
	for _, h := range All() {
		fmt.Printf("%-10s  %s\n", h.Name, h.Summary)
	}
	// Output:
	// echo        every byte comes back (RFC 862)
	// discard     every byte is thrown away (RFC 863)
	// chargen     lines of characters without end (RFC 864)
	// daytime     the time as a line of text, then the end (RFC 867)
	// time        the time as 32 bits, seconds since 1900, then the end (RFC 868)
	// chat        a line goes to every other connection
	// timediff    a line with a time is answered with how late it came
	// throughput  as many bytes as fit, either way: for load tcp --throughput
}
