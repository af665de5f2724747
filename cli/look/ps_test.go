package look

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"wirelab/cli/term"
	"wirelab/cli/term/termtest"
	"wirelab/internal/require"
	"wirelab/observe"
	"wirelab/server"
	"wirelab/server/tcp"
	"wirelab/server/udp"
)

// psNow is when the processes of these tests are looked at.
func psNow() time.Time { return time.Date(2026, 11, 22, 10, 5, 9, 0, time.Local) }

// busyProcess is a process with n connections and as many peers.
func busyProcess(pid, n int) observe.Status {
	since := psNow().Add(-125 * time.Second)
	tcpStatus := tcp.Status{
		Network: "tcp", Addr: "127.0.0.1:12345", Engine: "thread", Handler: "echo", TLS: true, Since: since,
		Accepted: 1200, Refused: map[string]uint64{"denied": 3, "max_conns": 2, "not_allowed": 0}, Active: n, PeakActive: 700,
		Traffic: server.Traffic{BytesIn: 1234567, BytesOut: 1234567, MessagesIn: 2000, MessagesOut: 2000},
	}
	udpStatus := udp.Status{
		Network: "udp", Addr: "127.0.0.1:12345", Handler: "timediff", Since: since, StampSource: "kernel", Active: n,
		Traffic: server.Traffic{BytesIn: 512, BytesOut: 512, MessagesIn: 8, MessagesOut: 8},
	}
	for i := range n {
		tcpStatus.Connections = append(tcpStatus.Connections, tcp.Connection{
			ID: uint64(17 + i), Peer: fmt.Sprint("127.0.0.1:", 40000+i), Engine: "thread", Thread: 9001 + i, Since: since.Add(time.Minute), Idle: 1500,
			Traffic: server.Traffic{BytesIn: 12345, BytesOut: 12345, MessagesIn: 200, MessagesOut: 200},
		})
		udpStatus.Peers = append(udpStatus.Peers, udp.Peer{
			Peer: fmt.Sprint("127.0.0.1:", 50000+i), Packets: 1000, Bytes: 44000, Lost: 2, Reordered: 1, JitterUS: 12.345,
			Diff:      &udp.Diff{Min: -3.25, Median: 10, P99: 1500, Last: 11.5, Window: 1000},
			FirstSeen: since.Add(time.Minute), LastSeen: psNow().Add(-1500 * time.Millisecond),
		})
	}
	return observe.Status{
		Schema: observe.StatusSchema, PID: pid, Command: "wirelab up", Since: since,
		Logs: observe.LogStatus{Dir: "logs", Lines: 1200}, Sections: []observe.Section{
			{Name: "tcp 127.0.0.1:12345", Kind: "tcp", Body: tcpStatus}, {Name: "udp 127.0.0.1:12345", Kind: "udp", Body: udpStatus},
		},
	}
}

// kinds are those of the sections above.
func kinds() []observe.Kind { return []observe.Kind{tcp.Kind(), udp.Kind()} }

// psShown is what the tables look like.
func psShown(t *testing.T, limit int, processes ...observe.Status) string {
	t.Helper()
	var b bytes.Buffer
	text := Text{out: &b, width: 80, now: psNow(), rows: func(string) int { return limit }, rest: "see --all"}
	text.print(Report{Processes: processes})
	if text.err != nil {
		t.Error(text.err)
	}
	for line := range strings.Lines(b.String()) {
		if utf8.RuneCountInString(line) > 81 {
			t.Errorf("wider than 80 columns: %s", line)
		}
	}
	return b.String()
}

func TestPsTables(t *testing.T) {
	const want = `
 PID  SINCE        UP  LOG LINES  LOST  COMMAND
4711  10:03:04  2m05s      1,200     0  wirelab up

 PID  SERVER               HANDLER    ENGINE  ACTIVE  PEAK       IN      OUT
4711  tcp 127.0.0.1:12345  echo, TLS  thread       1   700  1.23 MB  1.23 MB
4711  udp 127.0.0.1:12345  timediff   -            1     1    512 B    512 B
tcp 127.0.0.1:12345 of 4711: accepted 1,200; refused 5 (denied 3, max_conns 2)
udp 127.0.0.1:12345 of 4711: stamps from kernel

tcp 127.0.0.1:12345 of 4711: 1 connection
ID  PEER             THREAD    AGE  IDLE  IN/MESSAGES  OUT/MESSAGES  NAME
17  127.0.0.1:40000    9001  1m05s   2ms  12.3 kB/200   12.3 kB/200

udp 127.0.0.1:12345 of 4711: 1 peer
PEER             PACKETS    BYTES  LOST  REORD  DUP   JITTER  FIRST  LAST SEEN
127.0.0.1:50000    1,000  44.0 kB     2      1    0  12.3 us  1m05s       1.5s

PEER             DIFFERENCE MIN   MEDIAN      P99     LAST     OF
127.0.0.1:50000        -3.25 us  10.0 us  1.50 ms  11.5 us  1,000
`
	if diff := cmp.Diff(want[1:], psShown(t, 20, busyProcess(4711, 1))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Figures of a run as fast as the host can are long, and none is cut.
func TestPsShowsLongFiguresWhole(t *testing.T) {
	p := busyProcess(4711, 1)
	udpStatus := p.Sections[1].Body.(udp.Status)
	udpStatus.Addr, udpStatus.PeakActive, udpStatus.Traffic.BytesIn = "[fe80::1234:5678:9abc:def0%wlan0]:12345", 65_536, 123_456_789_012
	peer := &udpStatus.Peers[0]
	peer.Peer = "[fe80::1234:5678:9abc:def0%wlan0]:50000"
	peer.Packets, peer.Bytes, peer.Lost, peer.Reordered, peer.Duplicate = 123_456_789, 7.9e9, 12_345_678, 1_234_567, 123_456
	peer.FirstSeen, peer.LastSeen = psNow().Add(-76*time.Hour), psNow().Add(-11*time.Minute)
	p.Sections[1] = observe.Section{Name: "udp " + udpStatus.Addr, Kind: "udp", Body: udpStatus}
	shown := psShown(t, 5, p)
	for _, want := range []string{"65,536", "123 GB", "123,456,789", "7.90 GB", "12,345,678", "1,234,567", "123,456", "12.3 us", "3d04h", "11m00s", "DIFFERENCE MIN"} {
		if !strings.Contains(shown, want) {
			t.Errorf("no %s", want)
		}
	}
	if strings.Contains(shown, "…") {
		t.Errorf("cut:\n%s", shown)
	}
}

// An ordinary run with --fast has no timestamps, and its figures fit in one table.
func TestPsShowsAFastPeerInOneTable(t *testing.T) {
	p := busyProcess(4711, 1)
	peer := &p.Sections[1].Body.(udp.Status).Peers[0]
	peer.Diff, peer.Packets, peer.Bytes, peer.Lost = nil, 34_177_024, 2.19e9, 315_392
	peer.LastSeen = psNow().Add(-121 * time.Millisecond)
	want := `
PEER                PACKETS    BYTES     LOST  REORD  DUP  FIRST  LAST SEEN
127.0.0.1:50000  34,177,024  2.19 GB  315,392      1    0  1m05s      121ms
`
	if shown := psShown(t, 5, p); !strings.HasSuffix(shown, want) || strings.Contains(shown, "JITTER") {
		t.Errorf("%s", shown)
	}
}

func TestPsDoesNotFlood(t *testing.T) {
	shown := psShown(t, 5, busyProcess(4711, 10_000), busyProcess(4712, 3))
	if n := strings.Count(shown, "\n"); n > 80 {
		t.Errorf("%d lines", n)
	}
	for _, want := range []string{
		"tcp 127.0.0.1:12345 of 4711: 10,000 connections, 9,995 not shown (see --all)\n",
		"udp 127.0.0.1:12345 of 4711: 10,000 peers, 9,995 not shown (see --all)\n",
		"tcp 127.0.0.1:12345 of 4712: 3 connections\n",
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("not said: %s", want)
		}
	}
	if none := psShown(t, 0, busyProcess(1, 3)); strings.Contains(none, "127.0.0.1:40000") || !strings.Contains(none, "3 not shown") {
		t.Errorf("none wanted, but\n%s", none)
	}
}

// TestPsEscapes shows names that a peer has chosen.
func TestPsEscapes(t *testing.T) {
	p := busyProcess(1, 1)
	tcpStatus := p.Sections[0].Body.(tcp.Status)
	tcpStatus.Connections[0].Name, tcpStatus.Refused = "\x1b]0;gotcha\x07\u202e", map[string]uint64{"a\nb": 1}
	p.Sections[0].Body = tcpStatus
	if shown := psShown(t, 5, p); strings.ContainsAny(shown, "\x1b\x07\u202e") || strings.Contains(shown, "a\nb") {
		t.Errorf("%q", shown)
	}
}

// psApp returns an app whose control sockets are in a directory of their own,
// served by processes that answer with these states.
func psApp(t *testing.T, statuses ...observe.Status) (a *app, stdout, stderr *bytes.Buffer) {
	t.Helper()
	runtime, err := os.MkdirTemp("", "wirelab-test-") // t.TempDir would be too long a path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(runtime) })
	c, stdout, stderr := termtest.NewConsole("")
	a = &app{c, nil, kinds()}
	a.Getenv = func(name string) string { return map[string]string{"XDG_RUNTIME_DIR": runtime}[name] }
	for _, s := range statuses {
		serveControl(t, filepath.Join(a.ControlDir(), strconv.Itoa(s.PID)+".sock"), s)
	}
	return a, stdout, stderr
}

func serveControl(t *testing.T, path string, s observe.Status) {
	t.Helper()
	control, err := observe.ListenControl(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- control.Run(ctx, observe.ControlHandlers{
			Status: func() observe.Status { return s },
			Kick:   func(id uint64) bool { return id != 18 }, // 18 has just ended
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// ps runs the command as the root would.
func (a *app) ps(args ...string) error {
	cmd := a.newPsCommand()
	cmd.SetArgs(args)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	return cmd.ExecuteContext(context.Background())
}

func TestPsWithoutProcesses(t *testing.T) {
	a, stdout, _ := psApp(t)
	if err := a.ps(); err != nil || stdout.String() != "No wirelab is running. Start one: wirelab up\n" {
		t.Errorf("%v: %q", err, stdout)
	}
	stdout.Reset()
	a.JSON = true
	if err := a.ps(); err != nil || stdout.String() != "{\n  \"schema\": \"wirelab.ps/1\",\n  \"processes\": []\n}\n" {
		t.Errorf("%v: %q", err, stdout)
	}
	if err := a.ps("--pid", "5"); !errors.Is(err, term.ErrCheckFailed) {
		t.Errorf("--pid: %v", err)
	}
	if err := a.ps("--control", filepath.Join(a.ControlDir(), "none.sock")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("--control: %v", err)
	}
}

func TestPsJSON(t *testing.T) {
	require.NoLeaks(t)
	first, second := busyProcess(100, 2), busyProcess(20, 1)
	a, stdout, stderr := psApp(t, first, second)
	a.JSON = true
	if err := a.ps(); err != nil {
		t.Fatal(err)
	}
	var got Report
	if err := json.Unmarshal(stdout.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	err := errors.Join(got.Processes[0].Decode(kinds()), got.Processes[1].Decode(kinds()))
	if err != nil {
		t.Fatal(err)
	}
	want := Report{Schema: "wirelab.ps/1", Processes: []observe.Status{second, first}}
	if diff := cmp.Diff(want, got); diff != "" || stderr.Len() != 0 {
		t.Errorf("(-want +got):\n%s%s", diff, stderr)
	}
}

func TestPsOneProcess(t *testing.T) {
	a, stdout, _ := psApp(t, busyProcess(100, 1), busyProcess(20, 1))
	for _, args := range [][]string{{"--pid", "100"}, {"--control", filepath.Join(a.ControlDir(), "100.sock")}} {
		stdout.Reset()
		if err := a.ps(args...); err != nil {
			t.Error(err)
		}
		if got := stdout.String(); !strings.Contains(got, "of 100") || strings.Contains(got, "of 20") {
			t.Errorf("%v shows\n%s", args, got)
		}
	}
}

func TestKick(t *testing.T) {
	require.NoLeaks(t)
	one, three := busyProcess(1, 1), busyProcess(3, 3)
	a, stdout, _ := psApp(t, one, three)
	tests := []struct {
		args   string
		want   string // on stdout
		status int
	}{
		{"--kick 19", "connection 19 of 127.0.0.1:40002 was ended\n", term.ExitDone},
		{"--kick 17", "", term.ExitUsage}, // both have one
		{"--kick 17 --pid 3", "connection 17 of 127.0.0.1:40000 was ended\n", term.ExitDone},
		{"--kick 18", "", term.ExitFailed},
		{"--kick 99", "", term.ExitFailed},
		{"--kick 0", "", term.ExitFailed},
		{"--connections -1", "", term.ExitUsage},
		{"--peers -1", "", term.ExitUsage},
		{"--pid -1", "", term.ExitUsage},
	}
	for _, test := range tests {
		stdout.Reset()
		err := a.ps(strings.Fields(test.args)...)
		if got := term.ExitStatus(context.Background(), err); got != test.status || stdout.String() != test.want {
			t.Errorf("%s: status %d, %v, %q", test.args, got, err, stdout)
		}
	}
	stdout.Reset()
	a.JSON = true
	if err := a.ps("--kick", "19"); err != nil || !strings.Contains(stdout.String(), `"schema": "wirelab.kick/1"`) {
		t.Errorf("%v: %s", err, stdout)
	}
}

// A process that lives and says nothing that ps understands is shown as such, and
// is no reason to show nothing else.
func TestPsShowsWhoDoesNotAnswer(t *testing.T) {
	a, stdout, _ := psApp(t, busyProcess(7, 0), observe.Status{PID: 0})
	if err := a.ps(); !errors.Is(err, term.ErrCheckFailed) || !strings.Contains(err.Error(), "0.sock") {
		t.Error(err)
	}
	if text := stdout.String(); !strings.Contains(text, "wirelab up") || !strings.Contains(text, "does not answer") {
		t.Errorf("stdout:\n%s", text)
	}
	stdout.Reset()
	a.JSON = true
	var report Report
	if err := a.ps(); !errors.Is(err, term.ErrCheckFailed) {
		t.Error(err)
	}
	if err := json.Unmarshal(stdout.Bytes(), &report); err != nil || len(report.Processes) != 1 || len(report.Silent) != 1 {
		t.Errorf("%v: %s", err, stdout)
	}
}

// On a small terminal there are fewer rows, so that nothing scrolls away.
func TestPsFitsTheTerminal(t *testing.T) {
	var b bytes.Buffer
	flags := psFlags{fit: true}
	text := Text{out: &b, width: 80, now: psNow(), rows: flags.rows(defaultRows), rest: "see --all"}
	report := Report{Processes: []observe.Status{busyProcess(4711, 50)}}
	text.print(report)
	text.shrink(&b, report, flags, 23)
	if lines := strings.Count(b.String(), "\n"); lines > 23 || lines < 18 {
		t.Errorf("%d lines:\n%s", lines, &b)
	}
	for _, want := range []string{"4711", "50 connections, ", "127.0.0.1:50000", "DIFFERENCE MIN"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %s", want)
		}
	}
}

// A lamp is a section that only its owner knows.
type lamp struct {
	Hours int `json:"hours"`
}

func (l lamp) View(name string, _ time.Time) observe.View {
	return observe.View{
		Columns: []observe.Column{{Name: "HANDLER", Text: "glow"}, {Name: "HOURS", Text: strconv.Itoa(l.Hours), Number: true}},
		Details: []string{"lit twice"},
		Lists:   []observe.List{{What: "bulb", Grids: []observe.Grid{{Headings: []string{"BULB", ">WATTS"}, Rows: [][]string{{"left", "40"}, {"right", "60"}}}}}},
		Summary: name + " went out",
	}
}

// ps shows what it knows nothing of, beside what it does.
func TestPsShowsAnySection(t *testing.T) {
	p := busyProcess(4711, 0)
	p.Sections = append(p.Sections, observe.Section{Name: "lamp east", Kind: "lamp", Body: lamp{5}})
	want := `
 PID  SERVER               HANDLER    ENGINE  ACTIVE  PEAK       IN      OUT
4711  tcp 127.0.0.1:12345  echo, TLS  thread       0   700  1.23 MB  1.23 MB
4711  udp 127.0.0.1:12345  timediff   -            0     0    512 B    512 B
4711  lamp east            glow       -            -     -        -        -

 PID  SERVER               HOURS
4711  tcp 127.0.0.1:12345      -
4711  udp 127.0.0.1:12345      -
4711  lamp east                5
tcp 127.0.0.1:12345 of 4711: accepted 1,200; refused 5 (denied 3, max_conns 2)
udp 127.0.0.1:12345 of 4711: stamps from kernel
lamp east of 4711: lit twice

lamp east of 4711: 2 bulbs, 1 not shown (see --all)
BULB  WATTS
left     40
`
	if diff := cmp.Diff(want, strings.Join(strings.SplitAfter(psShown(t, 1, p), "\n")[2:], "")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
