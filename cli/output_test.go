package cli

import (
	"io"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestTable(t *testing.T) {
	tab := newTable("PEER", ">BYTES", "NAME")
	tab.row("127.0.0.1:4711", 1000, "é")
	tab.row("x", 7)
	tab.row("y", "12", "a name\x1b[2J that is very long")
	var b strings.Builder
	if err := tab.write(&b, 40, palette{}); err != nil {
		t.Fatal(err)
	}
	want := "PEER            BYTES  NAME\n" +
		"127.0.0.1:4711   1000  é\n" +
		"x                   7\n" +
		"y                  12  a name\ufffd[2J that …\n"
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}

// What does not fit is never cut where it is a figure: it follows below.
func TestNarrowTable(t *testing.T) {
	tab := newTable("PEER", ">PACKETS", ">BYTES", ">LOST", "NAME")
	tab.row("127.0.0.1:4711", "12,345,678", "987 MB", "1,234,567", "one that is longer than there is room for")
	tab.row("127.0.0.1:4712", "1", "2 B", "0", "x")
	for width, want := range map[int]string{
		0: "PEER               PACKETS   BYTES       LOST  NAME\n" +
			"127.0.0.1:4711  12,345,678  987 MB  1,234,567  one that is longer than there is room for\n" +
			"127.0.0.1:4712           1     2 B          0  x\n",
		64: "PEER               PACKETS   BYTES       LOST  NAME\n" +
			"127.0.0.1:4711  12,345,678  987 MB  1,234,567  one that is long…\n" +
			"127.0.0.1:4712           1     2 B          0  x\n",
		40: "PEER               PACKETS   BYTES\n" +
			"127.0.0.1:4711  12,345,678  987 MB\n" +
			"127.0.0.1:4712           1     2 B\n\n" +
			"PEER                 LOST\n" +
			"127.0.0.1:4711  1,234,567\n" +
			"127.0.0.1:4712          0\n\n" +
			"PEER            NAME\n" +
			"127.0.0.1:4711  one that is longer than…\n" +
			"127.0.0.1:4712  x\n",
	} {
		var b strings.Builder
		if err := tab.write(&b, width, palette{}); err != nil || b.String() != want {
			t.Errorf("%d columns: %v, got\n%swant\n%s", width, err, b.String(), want)
		}
	}
}

// Where texts must not be cut, they are broken into lines.
func TestWholeTable(t *testing.T) {
	tab := newTable("FIGURE", ">A", "VERDICT")
	tab.whole = true
	tab.row("generator gc pause max", "12.3 us", "within spread")
	tab.row("generator_gc_pause_sum", "1", "")
	var b strings.Builder
	if err := tab.write(&b, 41, palette{}); err != nil {
		t.Fatal(err)
	}
	want := "FIGURE                   A  VERDICT\n" +
		"generator gc       12.3 us  within spread\n" +
		"  pause max\n" +
		"generator_gc_paus        1\n" +
		"  e_sum\n"
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}

func TestTableOfManyRowsIsQuick(t *testing.T) {
	tab := newTable("PEER", ">BYTES", "NAME")
	for i := range 100_000 {
		tab.row(i, i, strings.Repeat("x", i%200))
	}
	begun := time.Now()
	if err := tab.write(io.Discard, 60, palette{}); err != nil || time.Since(begun) > 10*time.Second {
		t.Errorf("%v after %v", err, time.Since(begun))
	}
}

func TestNoColoursWithoutTerminal(t *testing.T) {
	a, stdout, _ := newTestApp("")
	if c := a.colors(stdout); c.on || c.red("x") != "x" {
		t.Error("a buffer gets colours")
	}
	if got := (palette{on: true}).green("x"); got != "\x1b[32mx\x1b[0m" {
		t.Errorf("green is %q", got)
	}
	if width(stdout) != 80 {
		t.Errorf("a buffer is %d wide", width(stdout))
	}
	if line := strings.Repeat("x", 200); room(stdout) != 0 || fitted(line, stdout) != line {
		t.Error("a buffer has no room")
	}
}

func TestPrintJSON(t *testing.T) {
	a, stdout, _ := newTestApp("")
	if err := a.printEvent(map[string]string{"event": "a<b"}); err != nil {
		t.Fatal(err)
	}
	if got := stdout.String(); got != "{\"event\":\"a<b\"}\n" {
		t.Errorf("got %q", got)
	}
}

func TestUnits(t *testing.T) {
	tests := []struct{ got, want string }{
		{formatCount(0), "0"}, {formatCount(999), "999"}, {formatCount(1000), "1,000"}, {formatCount(100_000), "100,000"},
		{formatCount(1<<64 - 1), "18,446,744,073,709,551,615"},
		{formatBytes(0), "0 B"}, {formatBytes(999), "999 B"}, {formatBytes(1000), "1.00 kB"}, {formatBytes(12_345_678), "12.3 MB"},
		{formatBytes(999_900), "1.00 MB"}, {formatBytes(1<<64 - 1), "18.4 EB"},
		{formatMicros(0), "0.00 us"}, {formatMicros(0.25), "0.25 us"}, {formatMicros(12.34), "12.3 us"}, {formatMicros(999.6), "1.00 ms"},
		{formatMicros(-1200), "-1.20 ms"}, {formatMicros(3.4e6), "3.40 s"}, {formatMicros(1e12), "1000000 s"},
		{formatDuration(1500 * time.Microsecond), "2ms"}, {formatDuration(1250 * time.Millisecond), "1.2s"}, {formatDuration(59*time.Second + 960*time.Millisecond), "1m00s"},
		{formatDuration(185 * time.Second), "3m05s"}, {formatDuration(130 * time.Minute), "2h10m"}, {formatDuration(76 * time.Hour), "3d04h"}, {formatDuration(-time.Second), "-1.0s"},
		{formatDuration(math.MaxInt64), "106751d23h"}, {formatDuration(math.MinInt64), "-106751d23h"},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b strings.Builder
		p := &progress{plan: progressPlan{label: "load tcp", unit: "messages", total: 10_000}, w: &b, begun: time.Now()}
		p.update(1)
		p.clear()
		if b.Len() > 0 {
			t.Errorf("work that has just begun shows %q", b.String())
		}
		time.Sleep(2 * time.Second)
		p.update(2_500)
		p.update(2_600)
		p.clear()
		p.clear()
		want := "\r\x1b[Kload tcp: 2,500 of 10,000 messages (25%), 1,250/s, 6.0s left\r\x1b[K"
		if b.String() != want {
			t.Errorf("got  %q\nwant %q", b.String(), want)
		}
	})
}

// The time before the first message, in which clients connect, is in no rate, and
// takes nothing from the time left.
func TestProgressSinceTheFirstMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b strings.Builder
		p := &progress{plan: progressPlan{label: "load tcp", unit: "answers", until: 10 * time.Second}, w: &b, begun: time.Now()}
		time.Sleep(2 * time.Second)
		p.updateIn(0, 0)
		time.Sleep(time.Second)
		p.updateIn(1000, time.Second)
		want := "\r\x1b[Kload tcp: 0 answers, 0/s, 10.0s left\r\x1b[Kload tcp: 1,000 answers, 1,000/s, 9.0s left"
		if b.String() != want {
			t.Errorf("got  %q\nwant %q", b.String(), want)
		}
	})
}

func TestProgressLine(t *testing.T) {
	tests := []struct {
		plan progressPlan
		done uint64
		want string
	}{
		{progressPlan{label: "l", unit: "m"}, 20, "l: 20 m, 2/s"},
		{progressPlan{label: "l", unit: "m", total: 100}, 0, "l: 0 of 100 m (0%), 0/s"},
		{progressPlan{label: "l", unit: "m", total: 100}, 200, "l: 200 of 100 m (200%), 20/s, 0s left"},
		{progressPlan{label: "l", unit: "m", until: time.Minute}, 20, "l: 20 m, 2/s, 50.0s left"},
		{progressPlan{label: "l", unit: "m", until: time.Minute, total: 1000}, 20, "l: 20 of 1,000 m (2%), 2/s, 50.0s left"},
		{progressPlan{label: "l", unit: "m", until: time.Second}, 20, "l: 20 m, 2/s, 0s left"},
	}
	for _, tt := range tests {
		p := &progress{plan: tt.plan}
		if got := p.line(tt.done, 10*time.Second); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.plan, got, tt.want)
		}
	}
}

func TestProgressWithoutTerminalDrawsNothing(t *testing.T) {
	a, _, stderr := newTestApp("")
	p := a.progress(progressPlan{label: "x", unit: "y"})
	p.begun = p.begun.Add(-time.Hour)
	p.update(1)
	p.clear()
	if stderr.Len() > 0 {
		t.Errorf("drew %q", stderr)
	}
}
