package look

import (
	"strings"
	"testing"
)

func TestCompareHelpSaysThatIntervalsGrow(t *testing.T) {
	const want = "a second each in runs of 10.5 s to 10.5 minutes, shorter in shorter ones, longer in longer ones"
	if help := strings.Join(strings.Fields(compareHelp), " "); !strings.Contains(help, want) {
		t.Errorf("no %q in:\n%s", want, compareHelp)
	}
}

func TestFigureText(t *testing.T) {
	for _, tt := range []struct {
		path  string
		value float64
		want  string
	}{
		{"latency_us.p99", 1234, "latency p99: 1.23 ms"},
		{"rate_per_s", 71234.4, "rate: 71,234/s"},
		{"rate_per_s", 1_981_471, "rate: 1.98 M/s"},
		{"sent", 1_982_464, "sent: 1,982,464"},
		{"sent", 2_500_000_000, "sent: 2.50 G"},
		{"elapsed_s", 2.5, "elapsed: 2.50 s"},
		{"cpu_us_per_request", 0.0164, "cpu: 16.4 ns"},
		{"bytes_sent", 2_000_000, "bytes sent: 2.00 MB"},
		{"resident_bytes_per_connection", 600, "resident bytes: 600 B"},
		{"context_switches_per_request", 0.1234, "context switches: 0.123"},
		{"lost", 0, "lost: 0"},
		{"offset_us.best", -250000, "offset best: -250 ms"},
		{"huge", 1e25, "huge: 1e+25"},
	} {
		if got := figureName(tt.path) + ": " + formatFigure(tt.path, tt.value); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.path, got, tt.want)
		}
	}
}
