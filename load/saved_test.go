package load

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// saved returns what is read back of a report that was saved.
func saved(t testing.TB, report any) *Saved {
	t.Helper()
	var b bytes.Buffer
	m := Machine{CPU: "Z80", Cores: 1, OS: "cpm", Arch: "z80", Kernel: "2.2", Go: "go1.26", Wirelab: "devel"}
	if err := Save(&b, time.Unix(1e9, 0), "wirelab load tcp", m, report); err != nil {
		t.Fatal(err)
	}
	s, err := ReadSaved(&b)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// object is a report with these members; numbers are float64, as read from JSON.
type object map[string]any

func TestSavedIsReadBack(t *testing.T) {
	report := &Report{Schema: ReportSchema, Network: "tcp", Clients: 7, Target: "<&>", Intervals: []Interval{{RatePerS: 2}}}
	s := saved(t, report)
	if s.Kind() != ReportSchema || s.Command != "wirelab load tcp" || s.Machine.CPU != "Z80" || !s.SavedAt.Equal(time.Unix(1e9, 0)) {
		t.Errorf("%+v", s)
	}
	got := new(Report)
	if err := json.Unmarshal(s.Report, got); err != nil {
		t.Fatal(err)
	}
	if got.Schema != ReportSchema || got.Clients != 7 || got.Target != "<&>" || len(got.Intervals) != 1 || got.Intervals[0].RatePerS != 2 {
		t.Errorf("%+v", got)
	}
}

func TestSaveRefusesWhatIsNoReport(t *testing.T) {
	for _, report := range []any{7, object{}, object{"schema": 1}, object{"schema": "a", "x": math.NaN()}, func() {}} {
		var b bytes.Buffer
		if err := Save(&b, time.Now(), "", Machine{}, report); err == nil || b.Len() > 0 {
			t.Errorf("%v: %v, %d bytes", report, err, b.Len())
		}
	}
}

func TestReadSavedRefuses(t *testing.T) {
	for _, text := range []string{
		"", "{", "[]", "{}", `{"schema":"wirelab.report/1"}`, `{"schema":"wirelab.report/1","report":[]}`,
		`{"schema":"wirelab.report/2","report":{"schema":"a"}}`, `{"schema":"wirelab.load/1","clients":3}`, "\x00\x01",
	} {
		if s, err := ReadSaved(strings.NewReader(text)); !errors.Is(err, ErrReport) {
			t.Errorf("%q: %+v, %v", text, s, err)
		}
	}
}

// A file that was made up, or broken by hand, is no report: what prints it need not
// expect that.
func TestReadSavedRefusesWhatNoRunMeasures(t *testing.T) {
	for _, report := range []string{
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
		`{"schema":"wirelab.load.fast/1","network":"tcp"}`,
		`{"schema":"wirelab.load.fast/1","network":"udp","receiver":{"rate_per_s":1e30}}`,
		`{"schema":"wirelab.engines/1","duration_s":1e19}`,
		`{"schema":"wirelab.engines/1","results":[{"mode":"swim"}]}`,
		`{"schema":"wirelab.engines/1","results":[{"mode":"idle","threads":{"median":1,"samples":[1,-1]}}]}`,
	} {
		text := `{"schema":"wirelab.report/1","report":` + report + `}`
		if s, err := ReadSaved(strings.NewReader(text)); !errors.Is(err, ErrReport) {
			t.Errorf("%s: %+v, %v", report, s, err)
		}
	}
}

func TestReadSavedTakesClocksThatAreBehind(t *testing.T) {
	saved(t, json.RawMessage(`{"schema":"wirelab.load/1","network":"udp","offset_us":{"best":-1.7e15,"min":-2},
		"forward_us":{"p50":-1},"backward_us":{"p50":-1},"generator":{"clock_step_us":-1500},"elapsed_s":1e9,"bytes_sent":1000000000000000000}`))
	saved(t, json.RawMessage(`{"schema":"wirelab.engines/1","results":[{"mode":"idle","resident_bytes_per_connection":{"median":-3,"samples":[-3]}}]}`))
}

func TestFigures(t *testing.T) {
	s := saved(t, json.RawMessage(`{"schema":"x/1","b":2,"a":{"p50":1.5,"name":"n"},"yes":true,"no":false,"none":null,
		"curve":[{"rate":1},{"rate":2}],"list":[1,2],"sampled":{"median":2,"low":1,"high":4,"samples":[1,2,4]},
		"results":[{"name":"one/1","us":3},{"name":"two/1","us":{"median":5,"samples":[5]}}],"b":9,"huge":1e301,
		"intervals":[{"b":7,"a":{"p50":8},"unknown":1},{"b":6},{"a":{"p50":9}}]}`))
	figures, labels, err := s.Figures()
	if err != nil {
		t.Fatal(err)
	}
	wantFigures := []Figure{
		{"b", 2, []float64{7, 6}},
		{"a.p50", 1.5, []float64{8, 9}},
		{"yes", 1, nil},
		{"no", 0, nil},
		{"sampled", 2, []float64{1, 2, 4}},
		{"one/1.us", 3, nil},
		{"two/1.us", 5, []float64{5}},
	}
	if diff := cmp.Diff(wantFigures, figures); diff != "" {
		t.Error(diff)
	}
	wantLabels := []Label{{"schema", "x/1"}, {"a.name", "n"}, {"one/1.name", "one/1"}, {"two/1.name", "two/1"}}
	if diff := cmp.Diff(wantLabels, labels); diff != "" {
		t.Error(diff)
	}
}

func TestFiguresAreBounded(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100)
	many := make(object)
	for i := range maxFigures + 10 {
		many[strings.Repeat("x", i%100)+string(rune('a'+i%26))+json.Number(time.Duration(i).String()).String()] = i
	}
	for name, report := range map[string]any{
		"deep":    json.RawMessage(`{"schema":"x","a":` + deep + `}`),
		"many":    object{"schema": "x", "many": many},
		"samples": json.RawMessage(`{"schema":"x","s":{"median":1,"samples":[1e305]}}`),
		"no list": json.RawMessage(`{"schema":"x","intervals":7}`),
		"no part": json.RawMessage(`{"schema":"x","intervals":[7]}`),
	} {
		if _, _, err := saved(t, report).Figures(); !errors.Is(err, ErrReport) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzReadSaved shows that no file makes reading, comparing or printing fail in any
// other way than with an error that says it is no report.
func FuzzReadSaved(f *testing.F) {
	for _, report := range []string{
		`{"schema":"x/1","b":2,"a":{"p50":1.5},"intervals":[{"b":7,"a":{"p50":8}},{"b":6}]}`,
		`{"schema":"x/1","results":[{"name":"one","us":{"median":5,"samples":[5,6,7,8,9]}}]}`,
		`{"schema":"x/1","a":[[[{"name":"b","a":[{"name":"b"}]}]]]}`, `{}`, `[]`, `null`,
	} {
		f.Add([]byte(`{"schema":"wirelab.report/1","report":` + report + `}`))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := ReadSaved(bytes.NewReader(text))
		if err != nil {
			return
		}
		c, err := Compare(s, s)
		if err != nil {
			if !errors.Is(err, ErrReport) {
				t.Fatalf("%v", err)
			}
			return
		}
		for _, d := range c.Figures {
			if d.Verdict == Differs || d.Ratio != nil && *d.Ratio != 1 {
				t.Fatalf("%s differs from itself: %+v", d.Name, d)
			}
		}
		if _, err := json.Marshal(c); err != nil {
			t.Fatal(err)
		}
	})
}
