package term

import (
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestTable(t *testing.T) {
	tab := NewTable("PEER", ">BYTES", "NAME")
	tab.Row("127.0.0.1:4711", 1000, "é")
	tab.Row("x", 7)
	tab.Row("y", "12", "a name\x1b[2J that is very long")
	var b strings.Builder
	if err := tab.Write(&b, 40, Palette{}); err != nil {
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
	tab := NewTable("PEER", ">PACKETS", ">BYTES", ">LOST", "NAME")
	tab.Row("127.0.0.1:4711", "12,345,678", "987 MB", "1,234,567", "one that is longer than there is room for")
	tab.Row("127.0.0.1:4712", "1", "2 B", "0", "x")
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
		if err := tab.Write(&b, width, Palette{}); err != nil || b.String() != want {
			t.Errorf("%d columns: %v, got\n%swant\n%s", width, err, b.String(), want)
		}
	}
}

// Where texts must not be cut, they are broken into lines.
func TestWholeTable(t *testing.T) {
	tab := NewTable("FIGURE", ">A", "VERDICT")
	tab.Whole = true
	tab.Row("generator gc pause max", "12.3 us", "within spread")
	tab.Row("generator_gc_pause_sum", "1", "")
	var b strings.Builder
	if err := tab.Write(&b, 41, Palette{}); err != nil {
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
	tab := NewTable("PEER", ">BYTES", "NAME")
	for i := range 100_000 {
		tab.Row(i, i, strings.Repeat("x", i%200))
	}
	begun := time.Now()
	if err := tab.Write(io.Discard, 60, Palette{}); err != nil || time.Since(begun) > 10*time.Second {
		t.Errorf("%v after %v", err, time.Since(begun))
	}
}

func TestNoColoursWithoutTerminal(t *testing.T) {
	c, stdout, _ := newConsole("")
	if p := c.Colors(stdout); p.on || p.Red("x") != "x" {
		t.Error("a buffer gets colours")
	}
	if got := (Palette{on: true}).Green("x"); got != "\x1b[32mx\x1b[0m" {
		t.Errorf("green is %q", got)
	}
	if Width(stdout) != 80 {
		t.Errorf("a buffer is %d wide", Width(stdout))
	}
	if line := strings.Repeat("x", 200); Room(stdout) != 0 || Fitted(line, stdout) != line {
		t.Error("a buffer has no room")
	}
}

func TestPrintJSON(t *testing.T) {
	c, stdout, _ := newConsole("")
	if err := c.PrintEvent(map[string]string{"event": "a<b"}); err != nil {
		t.Fatal(err)
	}
	if got := stdout.String(); got != "{\"event\":\"a<b\"}\n" {
		t.Errorf("got %q", got)
	}
}

func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b strings.Builder
		p := &Progress{plan: Plan{Label: "load tcp", Unit: "messages", Total: 10_000}, w: &b, begun: time.Now()}
		p.Update(1)
		p.Clear()
		if b.Len() > 0 {
			t.Errorf("work that has just begun shows %q", b.String())
		}
		time.Sleep(2 * time.Second)
		p.Update(2_500)
		p.Update(2_600)
		p.Clear()
		p.Clear()
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
		p := &Progress{plan: Plan{Label: "load tcp", Unit: "answers", Until: 10 * time.Second}, w: &b, begun: time.Now()}
		time.Sleep(2 * time.Second)
		p.UpdateIn(0, 0)
		time.Sleep(time.Second)
		p.UpdateIn(1000, time.Second)
		want := "\r\x1b[Kload tcp: 0 answers, 0/s, 10.0s left\r\x1b[Kload tcp: 1,000 answers, 1,000/s, 9.0s left"
		if b.String() != want {
			t.Errorf("got  %q\nwant %q", b.String(), want)
		}
	})
}

func TestProgressLine(t *testing.T) {
	tests := []struct {
		plan Plan
		done uint64
		want string
	}{
		{Plan{Label: "l", Unit: "m"}, 20, "l: 20 m, 2/s"},
		{Plan{Label: "l", Unit: "m", Total: 100}, 0, "l: 0 of 100 m (0%), 0/s"},
		{Plan{Label: "l", Unit: "m", Total: 100}, 200, "l: 200 of 100 m (200%), 20/s, 0s left"},
		{Plan{Label: "l", Unit: "m", Until: time.Minute}, 20, "l: 20 m, 2/s, 50.0s left"},
		{Plan{Label: "l", Unit: "m", Until: time.Minute, Total: 1000}, 20, "l: 20 of 1,000 m (2%), 2/s, 50.0s left"},
		{Plan{Label: "l", Unit: "m", Until: time.Second}, 20, "l: 20 m, 2/s, 0s left"},
	}
	for _, tt := range tests {
		p := &Progress{plan: tt.plan}
		if got := p.line(tt.done, 10*time.Second); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.plan, got, tt.want)
		}
	}
}

func TestProgressWithoutTerminalDrawsNothing(t *testing.T) {
	c, _, stderr := newConsole("")
	p := c.Progress(Plan{Label: "x", Unit: "y"})
	p.begun = p.begun.Add(-time.Hour)
	p.Update(1)
	p.Clear()
	if stderr.Len() > 0 {
		t.Errorf("drew %q", stderr)
	}
}

func TestControlDir(t *testing.T) {
	own := t.TempDir()
	file := filepath.Join(own, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	fallback := filepath.Join("/tmp", "wirelab-"+strconv.Itoa(os.Getuid()))
	for runtime, want := range map[string]string{
		own:           filepath.Join(own, "wirelab"),
		"":            fallback,
		"relative":    fallback,
		own + "/none": fallback,
	} {
		c, _, _ := newConsole("")
		c.Getenv = func(string) string { return runtime }
		if got := c.ControlDir(); got != want {
			t.Errorf("XDG_RUNTIME_DIR=%s: %s, want %s", runtime, got, want)
		}
	}
}
