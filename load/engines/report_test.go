package engines

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"wirelab/internal/require"
	"wirelab/internal/sys/process"
	"wirelab/load"
	"wirelab/load/latency"
)

func TestOrderIsFair(t *testing.T) {
	engines := []string{"a", "b", "c"}
	for round, want := range [][]string{{"a", "b", "c"}, {"c", "b", "a"}, {"a", "b", "c"}} {
		if got := order(engines, round); !slices.Equal(got, want) {
			t.Errorf("round %d: %v", round, got)
		}
	}
	if !slices.IsSorted(engines) {
		t.Error("the caller's order was changed")
	}
}

func TestMeasured(t *testing.T) {
	var m *Measured
	for _, v := range []float64{4, 1, 2, 3} {
		m = m.add(v)
	}
	if diff := cmp.Diff(&Measured{Median: 2.5, Low: 1, High: 4, Samples: []float64{4, 1, 2, 3}}, m); diff != "" {
		t.Error(diff)
	}
	if got := m.Deviation(); got != 0.6 {
		t.Errorf("deviation %v", got)
	}
	if got := (*Measured)(nil).add(0).Deviation(); got != 0 {
		t.Errorf("deviation from nothing: %v", got)
	}
}

func TestResults(t *testing.T) {
	var r Report
	run := &load.Report{
		Sent: 250, Received: 200, BytesSent: 16000, ElapsedS: 0.5,
		LatencyUS: &latency.Quantiles{P50: 7, P99: 9},
	}
	server := process.Usage{CPU: time.Millisecond, Switches: 400, Threads: 8, Resident: 5_600_000}
	r.Result(Trial{PingPong, 64}, "epoll").AddRun(run, server)
	r.Result(Trial{Flood, 64}, "epoll").AddRun(run, server)
	r.Result(Trial{Flood, 64}, "thread").AddRun(run, server)
	r.Result(Trial{Idle, 1000}, "epoll").AddIdle(process.Usage{Resident: 5_000_000}, server)
	r.Result(Trial{PingPong, 64}, "epoll").AddRun(run, server)
	if len(r.Results) != 4 {
		t.Fatalf("%+v", r.Results)
	}
	ping, flood, threads, idle := r.Results[0], r.Results[1], r.Results[2], r.Results[3]
	for _, tt := range []struct {
		what string
		got  *Measured
		want float64
	}{
		{"requests", ping.RequestsPerS, 400}, {"p50", ping.P50US, 7}, {"p99", ping.P99US, 9},
		{"cpu", ping.CPUUS, 5}, {"switches", ping.Switches, 2}, {"threads", ping.Threads, 8},
		{"messages", flood.RequestsPerS, 500}, {"bytes", flood.BytesPerS, 32000}, {"flood's cpu", flood.CPUUS, 4},
		{"resident", idle.Resident, 600}, {"idle threads", idle.Threads, 8},
	} {
		if tt.got == nil || tt.got.Median != tt.want {
			t.Errorf("%s: %+v, want %v", tt.what, tt.got, tt.want)
		}
	}
	if flood.Threads != nil || flood.Switches == nil || threads.Switches != nil {
		t.Errorf("what ended with the connections of a flood is counted: %+v, %+v", flood, threads)
	}
	if len(ping.CPUUS.Samples) != 2 || ping.Name != "pingpong/64/epoll" || ping.BytesPerS != nil || idle.CPUUS != nil {
		t.Errorf("%+v", ping)
	}
}

func TestEngineRunOfNothing(t *testing.T) {
	var e Result
	if e.AddRun(&load.Report{}, process.Usage{}); e.Error == "" || e.RequestsPerS != nil {
		t.Errorf("%+v", e)
	}
}

func TestHold(t *testing.T) {
	require.NoLeaks(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.MustParseAddrPort(l.Addr().String())
	h, err := hold(t.Context(), addr, 20)
	if err != nil || len(h.conns) != 20 {
		t.Fatal(h, err)
	}
	if err := errors.Join(h.close(), l.Close()); err != nil {
		t.Error(err)
	}
	if h, err := hold(t.Context(), addr, 3); err == nil {
		t.Errorf("held %d connections of nobody", len(h.conns))
	}
}
