package main

import (
	"errors"
	"flag"
	"math"
	"os"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite testdata")

func TestSpread(t *testing.T) {
	tests := []struct {
		values []float64
		want   spread
	}{
		{[]float64{3}, spread{3, 3, 3}},
		{[]float64{3, 1}, spread{2, 1, 3}},
		{[]float64{9, 1, 2}, spread{2, 1, 9}},
		{[]float64{4, 1, 3, 2}, spread{2.5, 1, 4}},
	}
	for _, tt := range tests {
		if got := spreadOf(tt.values); got != tt.want {
			t.Errorf("%v: %v, want %v", tt.values, got, tt.want)
		}
	}
	if got := spreadOf(nil); !math.IsNaN(got.median) {
		t.Errorf("nothing: %v", got)
	}
}

// cpu returns a sample of 100 requests in a second that cost so many microseconds each.
func cpu(us float64) sample {
	return sample{
		Load:   loadResult{Requests: 100, ElapsedNS: 1e9},
		Server: usage{CPU: time.Duration(us * 100 * 1e3)},
	}
}

func TestRatioIsOfTheSameRound(t *testing.T) {
	// The machine was busy in the second round: both took twice as long.
	p := pair{subjects: []sample{cpu(11), cpu(22), cpu(11)}, baselines: []sample{cpu(10), cpu(20), cpu(10)}}
	if got, want := p.ratio(), (spread{1.1, 1.1, 1.1}); math.Abs(got.low-want.low) > 1e-9 || math.Abs(got.high-want.high) > 1e-9 {
		t.Errorf("ratio %v, want %v", got, want)
	}
}

// testResults has every kind of row that a report may have.
func testResults() *results {
	resting := usage{Resident: 10e6}
	silent := sample{Resting: resting, Server: usage{Resident: 50e6, Threads: 9}}
	spoken := sample{Resting: resting, Server: usage{Resident: 55e6, Threads: 9}}
	latencies := func(us ...int64) (all []tail) {
		for _, v := range us {
			all = append(all, tail{first: rateResult{P99NS: v * 4000}, then: rateResult{Requests: 1000, Late: 2, P50NS: v * 100, P99NS: v * 1000}})
		}
		return all
	}
	sent := func(n ...uint64) (all []flood) {
		for _, v := range n {
			all = append(all, flood{Sent: v, Received: v / 2, Elapsed: time.Second})
		}
		return all
	}
	return &results{
		pairs: []pair{
			{comparison{"ours", "theirs", load{64, 10, 64, false}, 1.05}, []sample{cpu(10.2), cpu(10.4)}, []sample{cpu(10), cpu(10)}},
			{comparison{"ours", "theirs", load{1000, 10, 64, true}, 1.05}, []sample{cpu(12), cpu(12)}, []sample{cpu(10), cpu(10)}},
			{comparison{"theirs", "others", load{64, 10, 64, false}, 0}, []sample{cpu(12), cpu(12)}, []sample{cpu(10), cpu(10)}},
		},
		tails: &tails{
			rate: 30000, rated: gnetAll, missing: map[string]error{"wirelab epoll": errors.New("no epoll\n here")},
			samples: map[string][]tail{"wirelab uring": latencies(90, 100), "wirelab goroutine": latencies(300, 200), gnetAll: latencies(200, 200), "C epoll": latencies(100, 110)},
		},
		held: []held{
			{holding{"ours", 10000, 5000, 0}, []sample{silent}, []sample{spoken}},
			{holding{"ours", 10000, 4000, 0}, []sample{silent}, []sample{spoken}},
			{holding{"theirs", 10000, 0, 0}, []sample{silent}, []sample{spoken}},
			{holding{"ours", 10000, 0, 90e6}, []sample{silent}, []sample{spoken}},
			{holding{"ours", 10000, 0, 1e6}, []sample{silent}, []sample{spoken}},
		},
		floods: &floods{
			missing: map[string]error{"sockperf": errors.New("not installed")},
			samples: map[string][]flood{"wirelab, GSO and GRO": sent(2e6, 3e6), "wirelab, without": sent(1e5, 1e5), "iperf3": sent(1e5, 1e5)},
		},
		costs:   &costs{[]cost{{2 * time.Millisecond, 1000}}, []cost{{1100 * time.Microsecond, 1000}}, []cost{{time.Millisecond, 1000}}},
		missing: []missing{{"1000 connections, wirelab uring against C io_uring", errors.New("io_uring is forbidden")}},
	}
}

func TestReport(t *testing.T) {
	m := machine{
		CPU: "Z80", Kernel: "CP/M 2.2", Go: "go1.26", GCC: "gcc 12", Wirelab: "0123456789ab, go1.26", Peers: "gnet v2.9.7",
		Command: "go -C bench run .", Cores: 1, Date: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC),
	}
	var got strings.Builder
	if err := writeReport(&got, m, testResults(), "\n## Notes\n"); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/report.md"
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("report differs from %s (go test -update rewrites it):\n%s", golden, &got)
	}
}

func TestParse(t *testing.T) {
	var stderr strings.Builder
	if o, err := parse([]string{"-rounds", "3", "-wirelab", "w"}, &stderr); err != nil || o.rounds != 3 || !strings.HasSuffix(o.wirelab, "/bench/w") {
		t.Errorf("%+v, %v", o, err)
	}
	if o, _ := parse([]string{"-only", "wirelab uring"}, &stderr); o.command() != `go -C bench run . -rounds 7 -requests 150000 -only "wirelab uring"` {
		t.Errorf("command %q", o.command())
	}
	for _, arguments := range [][]string{{"-rounds", "0"}, {"-requests", "-1"}, {"more"}, {"-nonsense"}} {
		if _, err := parse(arguments, &stderr); err == nil {
			t.Errorf("%q: no error", arguments)
		}
	}
}
