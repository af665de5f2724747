package report

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
	s, err := Read(&b, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// object is a report with these members; numbers are float64, as read from JSON.
type object map[string]any

func TestSavedIsReadBack(t *testing.T) {
	s := saved(t, object{"schema": "x/1", "target": "<&>"})
	if s.Kind() != "x/1" || s.Command != "wirelab load tcp" || s.Machine.CPU != "Z80" || !s.SavedAt.Equal(time.Unix(1e9, 0)) {
		t.Errorf("%+v", s)
	}
	var got object
	if err := json.Unmarshal(s.Report, &got); err != nil || got["target"] != "<&>" {
		t.Errorf("%s: %v", s.Report, err)
	}
}

func TestReadHasTheOwnerCheck(t *testing.T) {
	kinds := []Kind{{"x/1", CheckAs(func(r *struct {
		OffsetNS float64 `json:"offset_ns"`
		Count    float64 `json:"count"`
	}) error {
		return nil
	}, "offset_ns")}}
	for text, ok := range map[string]bool{
		`{"schema":"x/1","offset_ns":-5,"count":3}`: true, `{"schema":"x/1","count":-3}`: false, `{"schema":"x/1","count":1e19}`: false,
		`{"schema":"x/1","count":"three"}`: false, `{"schema":"y/1","count":-3}`: true,
	} {
		_, err := Read(strings.NewReader(`{"schema":"wirelab.report/1","report":`+text+`}`), kinds)
		if ok != (err == nil) || err != nil && !errors.Is(err, ErrReport) {
			t.Errorf("%s: %v", text, err)
		}
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

func TestReadRefuses(t *testing.T) {
	for _, text := range []string{
		"", "{", "[]", "{}", `{"schema":"wirelab.report/1"}`, `{"schema":"wirelab.report/1","report":[]}`,
		`{"schema":"wirelab.report/2","report":{"schema":"a"}}`, `{"schema":"wirelab.load/1","clients":3}`, "\x00\x01",
	} {
		if s, err := Read(strings.NewReader(text), nil); !errors.Is(err, ErrReport) {
			t.Errorf("%q: %+v, %v", text, s, err)
		}
	}
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

// FuzzRead shows that no file makes reading, comparing or printing fail in any
// other way than with an error that says it is no report.
func FuzzRead(f *testing.F) {
	for _, report := range []string{
		`{"schema":"x/1","b":2,"a":{"p50":1.5},"intervals":[{"b":7,"a":{"p50":8}},{"b":6}]}`,
		`{"schema":"x/1","results":[{"name":"one","us":{"median":5,"samples":[5,6,7,8,9]}}]}`,
		`{"schema":"x/1","a":[[[{"name":"b","a":[{"name":"b"}]}]]]}`, `{}`, `[]`, `null`,
	} {
		f.Add([]byte(`{"schema":"wirelab.report/1","report":` + report + `}`))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Read(bytes.NewReader(text), nil)
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
