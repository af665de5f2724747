package main

import (
	"os/exec"
	"testing"
	"time"
)

func TestParseFloods(t *testing.T) {
	tests := []struct {
		name   string
		parse  func([]byte) (flood, error)
		output string
		want   flood
		ok     bool
	}{
		{"ours", parseFast, `{"sent":10,"elapsed_s":2,"receiver":{"distinct":7,"dropped_by_kernel":2,"lost_elsewhere":1}}`,
			flood{Sent: 10, Received: 7, Elapsed: 2 * time.Second}, true},
		{"ours, miscounted", parseFast, `{"sent":10,"elapsed_s":2,"receiver":{"distinct":7,"dropped_by_kernel":2,"lost_elsewhere":0}}`, flood{}, false},
		{"ours, alone", parseFast, `{"sent":10,"elapsed_s":2,"receiver":null}`, flood{Sent: 10, Elapsed: 2 * time.Second, Unknown: true}, true},
		{"ours, nothing", parseFast, `{"sent":0,"elapsed_s":2}`, flood{}, false},
		{"iperf3", parseIperf, `{"end":{"sum_sent":{"seconds":2,"packets":100},"sum_received":{"packets":100,"lost_packets":9}}}`,
			flood{Sent: 100, Received: 91, Elapsed: 2 * time.Second}, true},
		{"iperf3, refused", parseIperf, `{"error":"unable to connect to server"}`, flood{}, false},
		{"sockperf", parseSockperf, "sockperf: Starting\nsockperf: Total of 290932 messages sent in 1.250 sec\n",
			flood{Sent: 290932, Elapsed: 1250 * time.Millisecond, Unknown: true}, true},
		{"sockperf, none", parseSockperf, "sockperf: ERROR", flood{}, false},
	}
	for _, tt := range tests {
		got, err := tt.parse([]byte(tt.output))
		if (err == nil) != tt.ok || tt.ok && got != tt.want {
			t.Errorf("%s: %+v, %v, want %+v", tt.name, got, err, tt.want)
		}
	}
}

// What the programs of today print is understood, where they are installed.
func TestFloodOfThePeers(t *testing.T) {
	built, _ := buildPeer(t, "C epoll")
	for _, c := range contenders() {
		if c.program == wirelab {
			continue
		}
		if _, err := exec.LookPath(c.program); err != nil {
			t.Logf("%v", err)
			continue
		}
		f, err := (&bench{built: built}).flood(t.Context(), c)
		if err != nil || f.Sent == 0 || f.perSecond() < 1 {
			t.Errorf("%s: %+v, %v", c.name, f, err)
		}
	}
}
