package discipline

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
)

const startLine = `{"event":"start","schema":"wirelab.discipline/1","t_ns":0,"clock_ns":0,"freq_ppb":0,` +
	`"max_freq_ppb":500000,"min_poll_s":16,"max_poll_s":1024,"step":true}`

// serve returns the answers to lines.
func serve(t *testing.T, lines ...string) []map[string]any {
	t.Helper()
	var out strings.Builder
	if err := Serve(t.Context(), strings.NewReader(strings.Join(lines, "\n")), &out); err != nil {
		t.Fatal(err)
	}
	var answers []map[string]any
	for line := range strings.Lines(out.String()) {
		var answer map[string]any
		if err := json.Unmarshal([]byte(line), &answer); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		answers = append(answers, answer)
	}
	if len(answers) != len(lines) {
		t.Fatalf("%d answers to %d lines: %v", len(answers), len(lines), answers)
	}
	return answers
}

func sampleLine(second, offset int64) string {
	return fmt.Sprintf(`{"event":"sample","source":"a","t_ns":%d,"clock_ns":%d,"offset_ns":%d,"delay_ns":400000,"stratum":1}`,
		second*1e9, second*1e9, offset)
}

func TestServeAnswersEachLine(t *testing.T) {
	answers := serve(t, startLine, sampleLine(1, 350e6), `{"event":"lost","source":"a","t_ns":20000000000,"clock_ns":20350000000}`)
	for i, answer := range answers {
		for _, name := range []string{"freq_ppb", "slew_ns", "slew_s", "step_ns", "poll_s", "state", "selected", "rejected", "estimate_ns", "bound_ns", "skew_ppb"} {
			if _, there := answer[name]; !there {
				t.Errorf("answer %d has no %s: %v", i+1, name, answer)
			}
		}
	}
	if answers[1]["step_ns"] != 350e6 || answers[1]["estimate_ns"] != 350e6 {
		t.Errorf("answer to an offset of 350 ms: %v", answers[1])
	}
	if answers[0]["poll_s"] != 0.0 || answers[1]["poll_s"] != 16.0 {
		t.Errorf("polls: %v, %v", answers[0]["poll_s"], answers[1]["poll_s"])
	}
}

func TestServeRefuses(t *testing.T) {
	tests := []struct{ line, want string }{
		{"", "line 2: empty"},
		{"x", "line 2: "},
		{"[]", "line 2: "},
		{startLine, "second start"},
		{`{"event":"sampel"}`, `event "sampel"`},
		{`{"event":"sample","t_ns":1,"offset_ns":1,"delay_ns":1}`, "no source"},
		{`{"event":"sample","source":"a","t_ns":1,"delay_ns":1}`, "no offset_ns"},
		{`{"event":"sample","source":"a","t_ns":1.5,"offset_ns":1,"delay_ns":1}`, "t_ns"},
		{`{"event":"sample","source":"a","t_ns":1,"offset_ns":1,"delay_ns":-1}`, "delay_ns is -1"},
		{`{"event":"sample","source":"a","t_ns":1,"offset_ns":1,"delay_ns":1,"leap":7}`, "leap is 7"},
		{`{"event":"sample","source":"a","t_ns":1,"offset_ns":1,"delay_ns":1,"stratum":-1}`, "stratum is -1"},
		{`{"event":"sample","source":"a","t_ns":9223372036854775807,"offset_ns":1,"delay_ns":1}`, "times"},
		{`{"event":"lost","source":""}`, "no t_ns"},
		{`{"event":"lost","source":"","t_ns":1}`, "no source"},
		{strings.Repeat("x", 2*maxLine), "longer than"},
	}
	for _, tt := range tests {
		answers := serve(t, startLine, tt.line, sampleLine(1, 1000))
		if message, _ := answers[1]["error"].(string); !strings.Contains(message, tt.want) || !strings.HasPrefix(message, "line 2: ") {
			t.Errorf("%.60s: %v, want %q", tt.line, answers[1], tt.want)
		}
		if answers[2]["error"] != nil {
			t.Errorf("%.60s: the line after it: %v", tt.line, answers[2])
		}
	}
}

func TestServeNeedsAStart(t *testing.T) {
	bad := []string{
		sampleLine(1, 1),
		strings.Replace(startLine, "/1", "/9", 1),
		strings.Replace(startLine, `"max_freq_ppb":500000`, `"max_freq_ppb":0`, 1),
		strings.Replace(startLine, `"min_poll_s":16`, `"min_poll_s":2048`, 1),
		strings.Replace(startLine, `"t_ns":0,`, ``, 1),
	}
	for _, line := range bad {
		if answers := serve(t, line, startLine, sampleLine(1, 1)); answers[0]["error"] == nil || answers[1]["error"] != nil || answers[2]["error"] != nil {
			t.Errorf("%s: %v", line, answers)
		}
	}
}

// A program that writes a line waits for the answer before it writes the next.
func TestServeFlushesEachAnswer(t *testing.T) {
	in, feed := io.Pipe()
	answers, out := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- Serve(t.Context(), in, out)
		out.Close()
	}()
	r := bufio.NewReader(answers)
	for _, line := range []string{startLine, sampleLine(1, 5), sampleLine(17, 5)} {
		if _, err := io.WriteString(feed, line+"\n"); err != nil {
			t.Fatal(err)
		}
		if answer, err := r.ReadString('\n'); err != nil || strings.Contains(answer, "error") {
			t.Fatalf("%s: %s, %v", line, answer, err)
		}
	}
	feed.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// What a sample without clock_ns says of a free clock, residual_ns says of the
// clock that the loop steers.
func TestServeSteersItsOwnClock(t *testing.T) {
	lines := []string{startLine}
	for i := range int64(20) {
		at := 1 + 16*i
		lines = append(lines, fmt.Sprintf(`{"event":"sample","source":"a","t_ns":%d,"offset_ns":%d,"delay_ns":20000}`, at*1e9, 350e6+80e3*at))
	}
	answers := serve(t, lines...)
	last := answers[len(answers)-1]
	if residual := last["residual_ns"].(float64); residual > 1000 || residual < -1000 {
		t.Errorf("a steady drift of 80 ppm leaves %v", last)
	}
	if freq := last["freq_ppb"].(float64); freq < 79900 || freq > 80100 {
		t.Errorf("frequency of %v", last)
	}
}

func FuzzServe(f *testing.F) {
	f.Add(sampleLine(1, 5) + "\n" + sampleLine(2, 5e9) + "\n" + `{"event":"lost","source":"b","t_ns":5}`)
	f.Add(`{"event":"sample","source":"a","t_ns":-5,"offset_ns":1000000000000000000,"delay_ns":0}` + "\n" + sampleLine(3, -1e18))
	f.Add(`{"event":"start","t_ns":0}` + "\n\n{}\nnull\n1")
	f.Fuzz(func(t *testing.T, text string) {
		var out strings.Builder
		if err := Serve(t.Context(), strings.NewReader(startLine+"\n"+text), &out); err != nil {
			t.Fatal(err)
		}
		if answers := strings.Count(out.String(), "\n"); answers > strings.Count(text, "\n")+2 {
			t.Fatalf("%d answers", answers)
		}
		for line := range strings.Lines(out.String()) {
			var answer struct {
				Error             string
				Frequency         float64 `json:"freq_ppb"`
				Poll              float64 `json:"poll_s"`
				SlewOver          float64 `json:"slew_s"`
				Slew, Step, Bound int64
			}
			if err := json.Unmarshal([]byte(line), &answer); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			if answer.Frequency > 500000 || answer.Frequency < -500000 || answer.Poll < 0 || answer.SlewOver < 0 || answer.Poll > 1024 {
				t.Fatalf("beyond its limits: %s", line)
			}
		}
	})
}
