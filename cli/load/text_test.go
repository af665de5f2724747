package load

import (
	"strings"
	"testing"

	"wirelab/cli/term/termtest"
	"wirelab/load"
	"wirelab/load/delivery"
	"wirelab/load/latency"
)

// goodLoad is the report of a run in which all went well.
func goodLoad() *load.Report {
	return &load.Report{
		Network: "tcp", Target: "127.0.0.1:12345", Payload: "seq", SizeBytes: 512,
		Clients: 500, Connected: 500, Loops: 2, Messages: 100_000, Sent: 100_000, Received: 100_000,
		ElapsedS: 1.25, RatePerS: 80_000, BytesSent: 51_200_000, BytesReceived: 51_200_000, CPUUS: 7.4,
		LatencyUS: &latency.Quantiles{Min: 12.34, Mean: 6000, P50: 5800, P90: 8000, P99: 12_000, P999: 20_000, Max: 1.5e6},
		ConnectUS: &latency.Quantiles{Min: 40, Mean: 120, P50: 100, P90: 200, P99: 500, P999: 900, Max: 1000},
	}
}

// badLoad is one in which everything went wrong that can.
func badLoad() *load.Report {
	r := goodLoad()
	r.Network, r.Payload, r.Interrupted = "udp", "stamp", true
	r.Messages, r.Received, r.Mismatched, r.Lost, r.Late, r.Duplicate, r.Pending, r.Unexpected = 100_000, 99_000, 2, 900, 7, 8, 100, 1
	r.Connected = 499
	r.Errors = map[string]uint64{"connection refused": 900, "no buffer left": 1000, "other": 1}
	r.FirstMismatch = &load.Mismatch{Client: 3, Message: 17, Reason: "byte 12 is 0x41, not 0x42"}
	r.ConnectUS = nil
	r.OffsetUS = &load.Offset{Best: -250_000, Bound: 11.5, Quantiles: latency.Quantiles{Min: -250_100, Mean: -250_000, P50: -250_000, P90: -249_990, P99: -249_900, P999: -249_000, Max: 1}}
	r.ForwardUS, r.BackwardUS = &r.OffsetUS.Quantiles, &latency.Quantiles{}
	r.StampSource = "user"
	return r
}

// openLoad is one of an open loop over UDP that this client has spoiled.
func openLoad() *load.Report {
	r := goodLoad()
	r.Network, r.Mode, r.Targets, r.Sources = "udp", "open", []string{"127.0.0.1:12345", "127.0.0.1:12346"}, "127.0.0.2-127.0.0.20"
	r.LatencyUS, r.ConnectUS, r.RequestedPerS = nil, nil, 80_000
	r.ServiceUS = &latency.Quantiles{Min: 12.34, Mean: 60, P50: 58, P90: 80, P99: 120, P999: 200, Max: 1500}
	r.ResponseUS = &latency.Quantiles{Min: 13, Mean: 6000, P50: 5800, P90: 8000, P99: 12_000, P999: 20_000, Max: 1.5e6}
	r.Sent, r.Received, r.Lost = 99_990, 99_890, 100
	r.Loss = &load.Loss{SenderRefused: 10, Gap: 100, ReceiverOverflow: 60}
	r.Receiver = &delivery.Report{Lost: 60, DroppedByKernel: 60, LostElsewhere: 0}
	r.LateSends = &load.LateSends{Late: 12_000, OverUS: 1000, Share: 0.12, P50: 5, P99: 4100, Max: 10_000, HeldBack: 17}
	r.ClientLimited, r.ClientLimits = true, []string{"late sends: 12% more than 1ms late", "processor: event loop 1 was busy 97% of the time"}
	r.Generator = load.Generator{ClockSteps: 1, ClockStepUS: -1.5e6}
	return r
}

func floodLoad() *load.Report {
	r := goodLoad()
	r.Mode, r.Connections, r.Received, r.BytesReceived, r.LatencyUS = "flood", 500, 0, 0, nil
	r.BytesPerS, r.UnreadBytes, r.CPUUS = 40.96e6, 123_456, 0.04
	r.Errors = map[string]uint64{"not read to the end in time": 1}
	return r
}

func searchLoad() *load.Report {
	r := openLoad()
	r.Network, r.Targets, r.Sources, r.Loss, r.Receiver, r.LateSends = "tcp", nil, "", nil, nil, nil
	r.Sent, r.Received, r.Lost, r.ClientLimits, r.Generator = 100_000, 100_000, 0, nil, load.Generator{}
	us := func(v float64) *float64 { return &v }
	r.Search = &load.Search{Limit: "p99<2ms", RatePerS: 80_000, BrokenAt: 84_000, StepS: 3, Precision: 0.05}
	r.Curve = []load.RateStep{
		{RatePerS: 1000, AnswersPerS: 1000, P50: us(40), P99: us(90), Value: us(90), Held: true},
		{RatePerS: 128_000, AnswersPerS: 90_000, Missing: 1234, ClientLimited: true},
		{RatePerS: 80_000, AnswersPerS: 79_999, P50: us(400), P99: us(1900), Value: us(1900), Held: true, Repeated: true},
		{RatePerS: 0.5, AnswersPerS: 0.5, P50: us(40), P99: us(90), Value: us(90), Held: true},
	}
	return r
}

func TestPrintLoad(t *testing.T) {
	for name, report := range map[string]*load.Report{
		"load_good": goodLoad(), "load_bad": badLoad(), "load_open": openLoad(), "load_flood": floodLoad(), "load_search": searchLoad(),
	} {
		c, out, _ := termtest.NewConsole("")
		if err := (&app{c}).printLoad(report); err != nil {
			t.Fatal(err)
		}
		termtest.Golden(t, name, out.String())
	}
}

// Without a single answer there is nothing to divide by and no latency to show.
func TestPrintLoadWithoutAnswers(t *testing.T) {
	c, out, _ := termtest.NewConsole("")
	r := &load.Report{Network: "tcp", Target: "127.0.0.1:1", Clients: 1, Loops: 1, Messages: 1, Errors: map[string]uint64{"connection refused": 1}}
	if err := (&app{c}).printLoad(r); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"0 of 1 answer verified", "0 of 1 connected", "1 connection refused"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	if strings.Contains(out.String(), "NaN") || strings.Contains(out.String(), "p50") {
		t.Errorf("figures of nothing:\n%s", out)
	}
}

func TestLoadSaysWhyMessagesWereNotSent(t *testing.T) {
	tests := []struct {
		report load.Report
		want   string
	}{
		{load.Report{LateSends: &load.LateSends{NotBegun: 1200, HeldBack: 5, HeldByWindow: 5}}, "1,200 this client came to too late"},
		{load.Report{LateSends: &load.LateSends{HeldBack: 5}, Loss: &load.Loss{SenderRefused: 3}}, "3 refused by this host"},
		{load.Report{LateSends: &load.LateSends{HeldBack: 5}, Errors: map[string]uint64{"connection reset": 1}}, "their clients had failed"},
		{load.Report{LateSends: &load.LateSends{HeldBack: 9, HeldByWindow: 5}, Outstanding: 128}, "--outstanding 128 was reached"},
		{load.Report{LateSends: &load.LateSends{HeldBack: 9, HeldByWindow: 4}, Outstanding: 128}, "the server was too slow"},
	}
	for _, tt := range tests {
		if got := loadNotSent(&tt.report); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.report.LateSends, got, tt.want)
		}
	}
}
