package load

import (
	"testing"

	"wirelab/cli/term/termtest"
	"wirelab/load/delivery"
	"wirelab/load/oneway"
)

// goodFast is the report of a run in which all arrived.
func goodFast() *oneway.Report {
	return &oneway.Report{
		Network: "udp", Target: "127.0.0.1:12345", Payload: "seq", SizeBytes: 64, Senders: 1,
		Messages: 15_339_520, Sent: 15_339_520, BytesSent: 981_729_280, ElapsedS: 2, RatePerS: 7_669_760, CPUUS: 0.07,
		GSO: true, GRO: true, Batch: 32, Calls: 7490, MessagesPerCall: 32, SegmentsPerMessage: 64, DatagramsPerCall: 2048,
		Receiver: &delivery.Report{Received: 15_339_520, Distinct: 15_339_520, Numbered: true, MostSegments: 64, RatePerS: 7_669_000},
	}
}

// badFast is one in which everything happened that can.
func badFast() *oneway.Report {
	r := goodFast()
	r.Interrupted, r.GSO, r.GSORefused = true, false, "sendmmsg: datagrams cannot be sent several at a time (input/output error)"
	r.Refused, r.Waits, r.Errors = 10, 1, map[string]uint64{"connection refused": 11}
	r.Answers, r.AnswerBytes, r.AnswersPerRead, r.AnswerSegmentsPerMessage = 1000, 64_000, 100, 25
	r.Receiver = &delivery.Report{
		Received: 15_000_100, Distinct: 15_000_000, Numbered: true, Duplicate: 100, Reordered: 7, Gap: 339_000, Lost: 339_520,
		DroppedByKernel: 320_000, LostElsewhere: 19_520, Drops: 5000, MostSegments: 64, Shared: true, Surplus: 1, Evicted: true, RatePerS: 7_500_000,
	}
	return r
}

// blindFast is one against a server that says nothing.
func blindFast() *oneway.Report {
	r := goodFast()
	r.Receiver, r.ReceiverUnknown = nil, "the server does not say what it counted"
	return r
}

func TestPrintFastLoad(t *testing.T) {
	for name, report := range map[string]*oneway.Report{"fast_good": goodFast(), "fast_bad": badFast(), "fast_blind": blindFast()} {
		c, out, _ := termtest.NewConsole("")
		if err := (&app{c}).printFastLoad(report); err != nil {
			t.Fatal(err)
		}
		termtest.Golden(t, name, out.String())
	}
}
