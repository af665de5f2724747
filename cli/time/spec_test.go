package time

import (
	"strings"
	"testing"
	"time"
)

func TestParseSimulated(t *testing.T) {
	tests := []struct {
		spec   string
		offset time.Duration
		ppb    float64
		ok     bool
	}{
		{"sim", 0, 0, true},
		{"sim:", 0, 0, true},
		{"sim:offset=350ms,drift=80ppm", 350 * time.Millisecond, 80e3, true},
		{"sim:drift=-12.5,offset=-1h", -time.Hour, -12.5e3, true},
		{"sim:offset=5", 0, 0, false},
		{"sim:drift=1001ppm", 0, 0, false},
		{"sim:drift=NaN", 0, 0, false},
		{"sim:wander=1", 0, 0, false},
		{"sim:offset=1s,", 0, 0, false},
		{"simulated", 0, 0, false},
		{"", 0, 0, false},
	}
	for _, tt := range tests {
		offset, ppb, err := parseSimulated(tt.spec)
		if (err == nil) != tt.ok || tt.ok && (offset != tt.offset || ppb != tt.ppb) {
			t.Errorf("%q: %v, %v, %v", tt.spec, offset, ppb, err)
		}
	}
}

func TestServerAddress(t *testing.T) {
	for word, want := range map[string]string{
		"127.0.0.1":       "127.0.0.1:123",
		"127.0.0.1:12123": "127.0.0.1:12123",
		"::1":             "[::1]:123",
		"[::1]":           "[::1]:123",
		"[::1]:12123":     "[::1]:12123",
		"time.example":    "time.example:123",
		"time.example:12": "time.example:12",
		"":                "",
		":123":            "",
		"a:b:c":           "",
		"a:99999":         "",
		"a:":              "",
	} {
		if got, err := serverAddress(word); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v; want %q", word, got, err, want)
		}
	}
}

func TestChart(t *testing.T) {
	var values []time.Duration
	for i := range 1000 {
		values = append(values, time.Duration(i-500)*time.Microsecond)
	}
	got := chart(values, 0, 60)
	lines := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
	if len(lines) != chartRows+1 {
		t.Fatalf("%d lines:\n%s", len(lines), got)
	}
	if !strings.HasPrefix(strings.TrimSpace(lines[0]), "+500 us ┤") || !strings.HasSuffix(lines[0], "█") || strings.Count(lines[0], "█") > 6 {
		t.Errorf("a rising line does not end at the top:\n%s", got)
	}
	if !strings.HasSuffix(lines[chartRows], "1000 s") {
		t.Errorf("no end of the time:\n%s", got)
	}
	if got := chart(nil, 5, 60); got != "" {
		t.Errorf("of nothing: %q", got)
	}
	if got := chart([]time.Duration{0, 0}, 0, 5); !strings.Contains(got, "█") {
		t.Errorf("of two zeros:\n%s", got)
	}
}
