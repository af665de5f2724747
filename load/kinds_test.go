package load

import (
	"errors"
	"strings"
	"testing"

	"wirelab/report"
)

// A file that was made up, or broken by hand, is no report: what prints it need not
// expect that.
func TestReadRefusesWhatNoRunMeasures(t *testing.T) {
	for _, text := range []string{
		`{"schema":"wirelab.load/1","network":"tcp","elapsed_s":1e19}`,
		`{"schema":"wirelab.load/1","network":"tcp","ELAPSED_S":1e19}`,
		`{"schema":"wirelab.load/1","network":"tcp","elapsed_s":1e308}`,
		`{"schema":"wirelab.load/1","network":"tcp","elapsed_s":9e12}`,
		`{"schema":"wirelab.load/1","network":"tcp","elapsed_s":-1e300}`,
		`{"schema":"wirelab.load/1","network":"tcp","elapsed_s":1e400}`,
		`{"schema":"wirelab.load/1","network":"tcp","elapsed_s":-0.1}`,
		`{"schema":"wirelab.load/1","network":"tcp","clients":-1}`,
		`{"schema":"wirelab.load/1","network":"tcp","sent":-1}`,
		`{"schema":"wirelab.load/1","network":"tcp","rate_per_s":1e300}`,
		`{"schema":"wirelab.load/1","network":"tcp","latency_us":{"p99":-1}}`,
		`{"schema":"wirelab.load/1","network":"tcp","latency_us":{"p99":1e17}}`,
		`{"schema":"wirelab.load/1","network":"tcp","offset_us":{"best":-1e17}}`,
		`{"schema":"wirelab.load/1","network":"tcp","curve":[{"rate_per_s":1},{"rate_per_s":-1}]}`,
		`{"schema":"wirelab.load/1","network":"tcp","intervals":[{"rate_per_s":-1}]}`,
		`{"schema":"wirelab.load/1","network":"carrier pigeon"}`,
		`{"schema":"wirelab.load/1"}`,
		`{"schema":"wirelab.load/1","network":"tcp","clients":"many"}`,
	} {
		text := `{"schema":"wirelab.report/1","report":` + text + `}`
		if s, err := report.Read(strings.NewReader(text), []report.Kind{Kind()}); !errors.Is(err, report.ErrReport) {
			t.Errorf("%s: %+v, %v", text, s, err)
		}
	}
}

func TestReadTakesClocksThatAreBehind(t *testing.T) {
	readBack(t, `{"schema":"wirelab.load/1","network":"udp","offset_us":{"best":-1.7e15,"min":-2},
		"forward_us":{"p50":-1},"backward_us":{"p50":-1},"generator":{"clock_step_us":-1500},"elapsed_s":1e9,"bytes_sent":1000000000000000000}`)
}

func readBack(t *testing.T, text string) {
	t.Helper()
	if _, err := report.Read(strings.NewReader(`{"schema":"wirelab.report/1","report":`+text+`}`), []report.Kind{Kind()}); err != nil {
		t.Errorf("%s: %v", text, err)
	}
}
