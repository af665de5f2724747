package main

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"
)

func TestProcessCPU(t *testing.T) {
	before, err := processCPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	// The clock must move with work: work until it does.
	for range 1_000_000 {
		after, err := processCPU(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		if after > before {
			return
		}
	}
	t.Error("the CPU clock stands still")
}

func TestUsageOfGoneProcess(t *testing.T) {
	const beyondPIDs = 1<<22 + 1 // PID_MAX_LIMIT
	if _, err := processCPU(beyondPIDs); err == nil {
		t.Error("no error for a process that does not exist")
	}
}

func TestStatusFields(t *testing.T) {
	path := t.TempDir() + "/status"
	if err := os.WriteFile(path, []byte("Name:\tcat\nVmRSS:\t    1234 kB\nvoluntary_ctxt_switches:\t7\nSeccomp:\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := statusFields(path)
	if err != nil || len(got) != 2 || got["VmRSS"] != 1234 || got["voluntary_ctxt_switches"] != 7 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestMeasureAndHold(t *testing.T) {
	built, p := buildPeer(t, "C threads")
	l := load{20, 30, 64, false}
	s, err := measure(t.Context(), p, built, l)
	if err != nil {
		t.Fatal(err)
	}
	if s.Load.Requests != 600 || s.Server.CPU <= 0 || s.Server.CPU > time.Minute {
		t.Errorf("measured %+v", s)
	}
	s, err = hold(t.Context(), p, built, l, true)
	if err != nil {
		t.Fatal(err)
	}
	if s.Server.Threads != 21 || s.Resting.Threads > 2 || s.Server.Resident <= s.Resting.Resident {
		t.Errorf("held %+v", s)
	}
}

func TestServerThatCannotStart(t *testing.T) {
	built := programs{closedLoop: t.TempDir() + "/load", "true": "/bin/true", "none": "/nonexistent"}
	tests := []struct{ program, want string }{
		{"true", "ended at its start"},
		{"none", "no such file"},
	}
	for _, tt := range tests {
		_, err := startServer(t.Context(), peer{name: "broken", program: tt.program}, built)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.program, err, tt.want)
		}
	}
}

func TestStopWaits(t *testing.T) {
	built, p := buildPeer(t, "C epoll")
	s, err := startServer(context.Background(), p, built)
	if err != nil {
		t.Fatal(err)
	}
	s.stop()
	if _, err := s.usage(); err == nil {
		t.Error("a stopped server still uses the CPU")
	}
}
