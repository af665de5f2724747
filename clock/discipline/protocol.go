package discipline

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"wirelab/internal/spoken"
)

// Schema names the form of the lines that Serve reads.
const Schema = "wirelab.discipline/1"

// maxLine is the longest line that is read.
const maxLine = 64 << 10

// eventLine is any line of the input. Times are in nanoseconds.
type eventLine struct {
	Event          string   `json:"event"`
	Schema         string   `json:"schema"`
	Raw            *int64   `json:"t_ns"`
	Clock          *int64   `json:"clock_ns"`
	Frequency      float64  `json:"freq_ppb"`
	MaxFrequency   *float64 `json:"max_freq_ppb"`
	MinPoll        *float64 `json:"min_poll_s"`
	MaxPoll        *float64 `json:"max_poll_s"`
	Step           bool     `json:"step"`
	Drift          *float64 `json:"drift_ppb"`
	Panic          int64    `json:"panic_ns"`
	MaxDistance    int64    `json:"max_distance_ns"`
	Source         *string  `json:"source"`
	Offset         *int64   `json:"offset_ns"`
	Delay          *int64   `json:"delay_ns"`
	Dispersion     int64    `json:"dispersion_ns"`
	RootDelay      int64    `json:"root_delay_ns"`
	RootDispersion int64    `json:"root_dispersion_ns"`
	Stratum        *int     `json:"stratum"`
	Leap           uint8    `json:"leap"`
}

// orderLine is the answer to a line.
type orderLine struct {
	Frequency float64           `json:"freq_ppb"`
	Slew      int64             `json:"slew_ns"`
	SlewOver  float64           `json:"slew_s"`
	Step      int64             `json:"step_ns"`
	Poll      float64           `json:"poll_s"`
	State     State             `json:"state"`
	Reason    string            `json:"reason,omitempty"`
	Selected  []string          `json:"selected"`
	Rejected  map[string]string `json:"rejected"`
	Estimate  int64             `json:"estimate_ns"`
	Bound     int64             `json:"bound_ns"`
	Skew      float64           `json:"skew_ppb"`
	Leap      Leap              `json:"leap,omitempty"`
	Residual  *int64            `json:"residual_ns,omitempty"`
}

type errorLine struct {
	Error string `json:"error"`
}

// Serve runs a loop on lines of JSON: each line of in is an event, and gets one
// line of answer at once, an order or an error, after which nothing has changed.
// The first event is "start"; `wirelab time discipline --help` describes all of
// them. Serve returns nil at the end of the input, otherwise ctx's error or that of
// reading or writing. ctx is looked at between lines.
func Serve(ctx context.Context, in io.Reader, out io.Writer) error {
	s := session{in: bufio.NewReaderSize(in, maxLine)}
	for number := 1; ctx.Err() == nil; number++ {
		line, err := s.readLine()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
		answer, err := s.answer(line, err)
		if err != nil {
			answer = errorLine{fmt.Sprintf("line %d: %v", number, err)}
		}
		text, err := json.Marshal(answer)
		if err != nil {
			return err
		}
		if _, err := out.Write(append(text, '\n')); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// A session is one run of Serve.
type session struct {
	in   *bufio.Reader
	loop *Loop
}

// readLine returns the next line, and bufio.ErrBufferFull if it is longer than
// maxLine. It is io.EOF only after the last line.
func (s *session) readLine() ([]byte, error) {
	line, err := s.in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		rest := err
		for errors.Is(rest, bufio.ErrBufferFull) {
			_, rest = s.in.ReadSlice('\n')
		}
		return nil, err
	}
	if errors.Is(err, io.EOF) && len(line) > 0 {
		return line, nil
	}
	return line, err
}

// answer handles a line; failed is how reading it went.
func (s *session) answer(line []byte, failed error) (any, error) {
	if failed != nil {
		return nil, fmt.Errorf("longer than %d bytes", maxLine)
	}
	line = bytes.TrimSpace(line)
	if len(line) == 0 {
		return nil, errors.New("empty; each line is one JSON object")
	}
	var e eventLine
	if err := json.Unmarshal(line, &e); err != nil {
		return nil, errors.New(spoken.Error(err))
	}
	order, err := s.event(&e)
	if err != nil {
		return nil, err
	}
	return newOrderLine(order), nil
}

func (s *session) event(e *eventLine) (Order, error) {
	switch {
	case e.Event == "start" && s.loop != nil:
		return Order{}, errors.New("a second start")
	case e.Event == "start":
		return s.begin(e)
	case e.Event != "sample" && e.Event != "lost":
		return Order{}, fmt.Errorf("event %q: there are start, sample and lost", e.Event)
	case s.loop == nil:
		return Order{}, errors.New(`the first event must be a start`)
	case e.Event == "lost":
		return s.lost(e)
	}
	return s.sample(e)
}

func (s *session) begin(e *eventLine) (Order, error) {
	if e.Schema != "" && e.Schema != Schema {
		return Order{}, fmt.Errorf("schema %q, want %q", e.Schema, Schema)
	}
	err := missing(field{"t_ns", e.Raw != nil}, field{"clock_ns", e.Clock != nil}, field{"max_freq_ppb", e.MaxFrequency != nil},
		field{"min_poll_s", e.MinPoll != nil}, field{"max_poll_s", e.MaxPoll != nil})
	if err != nil {
		return Order{}, err
	}
	loop, err := New(Start{
		Reading:   Reading{time.Duration(*e.Raw), time.Duration(*e.Clock)},
		Frequency: e.Frequency, MaxFrequency: *e.MaxFrequency,
		MinPoll: fromSeconds(*e.MinPoll), MaxPoll: fromSeconds(*e.MaxPoll),
		Step: e.Step, Drift: e.Drift, Panic: time.Duration(e.Panic), MaxDistance: time.Duration(e.MaxDistance),
	})
	if err != nil {
		return Order{}, err
	}
	s.loop = loop
	return loop.Begin(), nil
}

func (s *session) sample(e *eventLine) (Order, error) {
	err := missing(field{"source", e.Source != nil}, field{"t_ns", e.Raw != nil},
		field{"offset_ns", e.Offset != nil}, field{"delay_ns", e.Delay != nil})
	if err != nil {
		return Order{}, err
	}
	sample := Sample{
		Source: *e.Source, Reading: Reading{Raw: time.Duration(*e.Raw)}, Free: e.Clock == nil,
		Offset: time.Duration(*e.Offset), Delay: time.Duration(*e.Delay), Dispersion: time.Duration(e.Dispersion),
		RootDelay: time.Duration(e.RootDelay), RootDispersion: time.Duration(e.RootDispersion),
		Stratum: 1, Leap: Leap(e.Leap),
	}
	if e.Stratum != nil {
		sample.Stratum = *e.Stratum
	}
	if e.Clock != nil {
		sample.Clock = time.Duration(*e.Clock)
	}
	return s.loop.Sample(sample)
}

func (s *session) lost(e *eventLine) (Order, error) {
	if err := missing(field{"source", e.Source != nil}, field{"t_ns", e.Raw != nil}); err != nil {
		return Order{}, err
	}
	at := Reading{Raw: time.Duration(*e.Raw)}
	if e.Clock != nil {
		at.Clock = time.Duration(*e.Clock)
	}
	return s.loop.Lost(*e.Source, at, e.Clock == nil)
}

// A field is the name of one and whether it is there.
type field struct {
	name  string
	there bool
}

func missing(fields ...field) error {
	for _, f := range fields {
		if !f.there {
			return fmt.Errorf("no %s", f.name)
		}
	}
	return nil
}

func newOrderLine(o Order) orderLine {
	line := orderLine{
		Frequency: math.Round(o.Frequency*1000) / 1000,
		Slew:      int64(o.Slew), SlewOver: o.SlewOver.Seconds(), Step: int64(o.Step), Poll: o.Poll.Seconds(),
		State: o.State, Reason: o.Reason, Selected: o.Selected, Rejected: o.Rejected,
		Estimate: int64(o.Estimate), Bound: int64(o.Bound), Skew: math.Round(o.Skew*1000) / 1000, Leap: o.Leap,
		Residual: (*int64)(o.Residual),
	}
	if line.Selected == nil {
		line.Selected = []string{}
	}
	if line.Rejected == nil {
		line.Rejected = map[string]string{}
	}
	return line
}
