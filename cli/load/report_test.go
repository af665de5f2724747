package load

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"wirelab/cli/look"
	"wirelab/cli/term"
	"wirelab/cli/term/termtest"
	"wirelab/load"
	"wirelab/load/engines"
	"wirelab/load/latency"
	"wirelab/load/oneway"
	"wirelab/report"
)

// saveFile saves a report into a file of dir.
func saveFile(t *testing.T, dir, name string, measured any) string {
	t.Helper()
	var b bytes.Buffer
	m := report.Machine{CPU: "Z80", Cores: 2, OS: "cpm", Arch: "z80", Kernel: "2.2", Go: "go1.26", Wirelab: "devel"}
	if err := report.Save(&b, time.Date(2026, 11, 22, 10, 0, 0, 0, time.Local), "wirelab load tcp --clients 64", m, measured); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// intervals returns a report whose rate and latencies lie around a middle.
func intervals(factor float64) *load.Report {
	r := goodLoad()
	r.Schema, r.RatePerS = load.ReportSchema, r.RatePerS*factor
	r.LatencyUS.P50 /= factor
	for i := range 12 {
		near := 1 + float64(i%4)/100
		r.Intervals = append(r.Intervals, latency.Interval{
			RatePerS:  r.RatePerS * near,
			LatencyUS: &latency.Quantiles{Min: 12, Mean: 6000 * near, P50: r.LatencyUS.P50 * near, P90: 8000, P99: 12000 * near, P999: 20000, Max: 1e5 * near},
		})
	}
	return r
}

// runReport runs `wirelab report` in the directory of the files.
func runReport(t *testing.T, dir string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	t.Chdir(dir)
	c, out, complaints := termtest.NewConsole("")
	status = termtest.Run(context.Background(), c, look.Commands(c, Kinds(c), nil), "report", args...)
	return status, out.String(), complaints.String()
}

func TestReportCompare(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	saveFile(t, dir, "a.json", intervals(1))
	slower := intervals(0.8)
	slower.Clients, slower.Payload = 600, "pattern"
	saveFile(t, dir, "b.json", slower)
	status, stdout, stderr := runReport(t, dir, "compare", "a.json", "b.json")
	if status != term.ExitDone || stderr != "" {
		t.Fatalf("status %d: %s", status, stderr)
	}
	_, same, _ := runReport(t, dir, "compare", "a.json", "a.json")
	_, inJSON, _ := runReport(t, dir, "compare", "a.json", "b.json", "-o", "json")
	t.Chdir(here)
	termtest.Golden(t, "report_compare", stdout)
	if strings.Contains(same, "DIFFERS") || !strings.Contains(same, "within spread") {
		t.Errorf("a report differs from itself:\n%s", same)
	}
	var c report.Comparison
	if err := json.Unmarshal([]byte(inJSON), &c); err != nil || c.Schema != report.ComparisonSchema || len(c.Figures) < 20 {
		t.Errorf("%v: %s", err, inJSON)
	}
}

// A name that is cut may be that of another figure.
func TestReportCompareNamesFigures(t *testing.T) {
	dir := t.TempDir()
	var names []string
	report := func(v float64) map[string]any {
		return map[string]any{"schema": "wirelab.later/1", "rate_per_s": v, "rate_us": v,
			"generator": map[string]any{"gc_pauses": v, "gc_pause_max_us": v, "gc_pause_sum_us": v, "cpu_share": v, "cpu_wait_share": v}}
	}
	saveFile(t, dir, "a.json", report(1))
	saveFile(t, dir, "b.json", report(2))
	_, stdout, _ := runReport(t, dir, "compare", "a.json", "b.json")
	_, figures, _ := strings.Cut(stdout, "FIGURE")
	for line := range strings.Lines(figures) {
		if name, _, found := strings.Cut(line, "  "); found && name != "" {
			names = append(names, name)
		}
	}
	want := []string{"generator cpu share", "generator cpu wait share", "generator gc pause max", "generator gc pause sum", "generator gc pauses", "rate_per_s", "rate_us"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("(-want +got):\n%s%s", diff, stdout)
	}
}

// testEngines is a comparison of engines in which all happened that can.
func testEngines() *engines.Report {
	m := func(samples ...float64) *engines.Measured {
		return &engines.Measured{Median: samples[0], Low: samples[0] * 0.9, High: samples[0] * 1.2, Samples: samples}
	}
	r := &engines.Report{
		Schema: engines.Schema, SizeBytes: 64, DurationS: 1, Rounds: 3,
		Skipped: []engines.Skipped{{Engine: "uring", Reason: "io_uring is forbidden here: not permitted"}},
	}
	for _, engine := range []string{"goroutine", "thread"} {
		for _, mode := range []engines.Mode{engines.PingPong, engines.Flood, engines.Idle} {
			e := r.Result(engines.Trial{Mode: mode, Connections: 1000}, engine)
			if mode == engines.Idle {
				e.Resident, e.Threads = m(28_976, 1, 2), m(5007, 1, 1)
				continue
			}
			e.RequestsPerS, e.CPUUS, e.Switches, e.Threads = m(33_779_935, 1, 2), m(0.0164, 1), m(1.23, 1, 2), m(8)
			e.BytesPerS = m(2.16e9)
			if mode == engines.PingPong {
				e.P50US, e.P99US, e.CPUUS = m(14_100), m(627_000, 1), m(20.4)
			}
		}
	}
	r.Result(engines.Trial{Mode: engines.Idle, Connections: 20000}, "thread").Error = "the server holds 12,000 of 20,000 connections\nand then \x1b[31mno more"
	return r
}

// Engines and numbers of connections that only one side has are no differences.
func TestReportCompareEngines(t *testing.T) {
	dir := t.TempDir()
	one, other := testEngines(), testEngines()
	one.Result(engines.Trial{Mode: engines.Flood, Connections: 7}, "uring").P50US = &engines.Measured{Median: 1, Samples: []float64{1}}
	other.Result(engines.Trial{Mode: engines.Idle, Connections: 9}, "epoll").Threads = &engines.Measured{Median: 1, Samples: []float64{1}}
	other.Results[0].Switches = nil
	saveFile(t, dir, "a.json", one)
	saveFile(t, dir, "b.json", other)
	_, stdout, stderr := runReport(t, dir, "compare", "a.json", "b.json")
	for _, want := range []string{"\nonly in A: flood/7/uring\n", "\nonly in B: idle/9/epoll\n", "only in A\n"} {
		if strings.Count(stdout, want) != 1 {
			t.Errorf("not once: %q", want)
		}
	}
	if strings.Count(stdout, "flood/7/uring") != 1 || strings.Count(stdout, "idle/9/epoll") != 1 || stderr != "" {
		t.Errorf("%s%s", stdout, stderr)
	}
}

func TestPrintEngines(t *testing.T) {
	c, stdout, _ := termtest.NewConsole("")
	if err := (&app{c}).printEngines(testEngines()); err != nil {
		t.Fatal(err)
	}
	termtest.Golden(t, "engines", stdout.String())
}

func TestReportShow(t *testing.T) {
	dir := t.TempDir()
	for name, tt := range map[string]struct {
		report any
		want   []string
	}{
		"load":    {intervals(1), []string{"wirelab load tcp --clients 64", "Z80, 2 cores", "100,000 of 100,000 answers verified"}},
		"fast":    {&oneway.Report{Schema: oneway.Schema, Network: "udp", Sent: 7, Target: "127.0.0.1:9"}, []string{"127.0.0.1:9"}},
		"engines": {testEngines(), []string{"Ping-pong, 1,000 connections", "uring is not measured: io_uring"}},
		"unknown": {map[string]any{"schema": "wirelab.later/1", "wait_us": 1500, "size_bytes": 2048}, []string{"wait        1.50 ms", "size bytes  2.05 kB"}},
	} {
		path := saveFile(t, dir, name+".json", tt.report)
		status, stdout, stderr := runReport(t, dir, "show", path)
		if status != term.ExitDone {
			t.Errorf("%s: status %d: %s", name, status, stderr)
		}
		for _, want := range tt.want {
			if !strings.Contains(stdout, want) {
				t.Errorf("%s: no %q in\n%s", name, want, stdout)
			}
		}
		if _, stdout, _ := runReport(t, dir, "show", path, "-o", "json"); !strings.Contains(stdout, `"schema": "wirelab.report/1"`) {
			t.Errorf("%s: %s", name, stdout)
		}
	}
}

func TestReportMistakes(t *testing.T) {
	dir := t.TempDir()
	good := saveFile(t, dir, "good.json", intervals(1))
	engines := saveFile(t, dir, "engines.json", testEngines())
	plain := filepath.Join(dir, "plain.json")
	if err := os.WriteFile(plain, []byte(`{"schema":"wirelab.load/1"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	wrong := saveFile(t, dir, "wrong.json", map[string]any{"schema": load.ReportSchema, "clients": "many"})
	endless := intervals(1)
	endless.ElapsedS = 1e19
	forever := saveFile(t, dir, "forever.json", endless)
	later := saveFile(t, dir, "later.json", map[string]any{"schema": "wirelab.later/1", "intervals": 7})
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"show", later}, "not a report: intervals"},
		{[]string{"show"}, "give FILE, as saved by --save"},
		{[]string{"compare", good}, "give A and B, as saved by --save"},
		{[]string{"show", "none.json"}, "none.json: no such file"},
		{[]string{"show", dir}, "is a directory"},
		{[]string{"show", plain}, `--save writes "wirelab.report/1"`},
		{[]string{"show", wrong}, "not a report"},
		{[]string{"show", forever}, "elapsed_s is 1e+19, which no run measures"},
		{[]string{"compare", forever, good}, "elapsed_s is 1e+19, which no run measures"},
		{[]string{"compare", good, engines}, "compare two of one kind"},
	} {
		status, stdout, stderr := runReport(t, dir, tt.args...)
		if status != term.ExitUsage || stdout != "" || !strings.Contains(stderr, tt.want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%q: status %d, %q%s", tt.args, status, stdout, stderr)
		}
	}
}
