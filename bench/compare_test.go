package main

import (
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

func TestReport(t *testing.T) {
	pairs := []pair{
		{comparison{"ours", "theirs", load{64, 10, 64}, 1.05}, []sample{cpu(10.2), cpu(10.4)}, []sample{cpu(10), cpu(10)}},
		{comparison{"ours", "theirs", load{1000, 10, 64}, 1.05}, []sample{cpu(12), cpu(12)}, []sample{cpu(10), cpu(10)}},
		{comparison{"theirs", "others", load{64, 10, 64}, 0}, []sample{cpu(12), cpu(12)}, []sample{cpu(10), cpu(10)}},
	}
	resting := usage{Resident: 10e6}
	silent := sample{Resting: resting, Server: usage{Resident: 50e6, Threads: 9}}
	spoken := sample{Resting: resting, Server: usage{Resident: 55e6, Threads: 9}}
	all := []held{
		{holding{"ours", 10000, 60e6}, silent, spoken},
		{holding{"ours", 10000, 52e6}, silent, spoken},
		{holding{"theirs", 10000, 0}, silent, spoken},
	}
	m := machine{
		CPU: "Z80", Kernel: "CP/M 2.2", Go: "go1.26", GCC: "gcc 12", Wirelab: "0123456789ab, go1.26",
		Command: "go -C bench run .", Cores: 1, Date: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC),
	}
	var got strings.Builder
	if err := writeReport(&got, m, pairs, all); err != nil {
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
	for _, arguments := range [][]string{{"-rounds", "0"}, {"-requests", "-1"}, {"more"}, {"-nonsense"}} {
		if _, err := parse(arguments, &stderr); err == nil {
			t.Errorf("%q: no error", arguments)
		}
	}
}
