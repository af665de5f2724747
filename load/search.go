package load

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"syscall"
	"time"

	"wirelab/clock"
	"wirelab/internal/sys"
	"wirelab/load/latency"
)

// A SearchConfig says what rate FindRate looks for.
type SearchConfig struct {
	Limit     Limit
	Step      time.Duration  // that each rate is tried for; 0: 3 s
	Precision float64        // the most by which the rate found is below one that does not hold, as a share; 0: 0.05
	Stepped   func(RateStep) // called after each step, if not nil
}

// Bounds of a search.
const (
	defaultStep      = 3 * time.Second
	minStep          = 50 * time.Millisecond
	defaultPrecision = 0.05
	firstRate        = 1000 // messages/s
	slowestRate      = 1    // messages/s
	maxSteps         = 64
)

// A Search says what FindRate was to find, and what it found.
type Search struct {
	Limit     string  `json:"limit"`
	RatePerS  float64 `json:"rate_per_s"`                // the highest that held; 0 if none did
	BrokenAt  float64 `json:"broken_at_per_s,omitempty"` // the lowest that did not
	StepS     float64 `json:"step_s"`
	Precision float64 `json:"precision"`
	Failed    string  `json:"failed,omitempty"` // why it ended before it had found anything more: the target was gone
}

// A RateStep is a rate that FindRate has tried.
type RateStep struct {
	RatePerS      float64  `json:"rate_per_s"`
	AnswersPerS   float64  `json:"answers_per_s"`
	P50           *float64 `json:"p50_us"` // of the response time, of the answers that came; null without any
	P99           *float64 `json:"p99_us"`
	Value         *float64 `json:"value_us"` // what is limited; null when too many answers are missing to tell
	Missing       uint64   `json:"missing"`  // messages not sent, or not answered in time
	Held          bool     `json:"held"`
	Repeated      bool     `json:"repeated,omitempty"` // the step failed, and was done again
	ClientLimited bool     `json:"client_limited,omitempty"`
}

// FindRate finds the highest rate at which the responses of cfg's clients hold a
// latency limit: from cfg.Rate (0: 1000/s) it doubles the rate, or quarters it, until it
// has one that holds and one that does not, and then halves what is between them. A step
// that does not hold is repeated once, since a disturbance may have spoiled it. It ends
// at the rate beyond which lost datagrams would hold back others, or when the target is
// gone, which fails the report's Verify, and tries no rate at which a step would not reach
// every client: nothing would be known of the others. The Duration and Messages of cfg
// are not used.
//
// It returns the report of the best step, or of the last if none held, with the
// curve of all. When ctx is cancelled, that of the steps so far is returned as
// interrupted. Errors are those of Run.
func FindRate(ctx context.Context, cfg Config, search SearchConfig) (*Report, error) {
	if search.Step == 0 {
		search.Step = defaultStep
	}
	if search.Precision == 0 {
		search.Precision = defaultPrecision
	}
	switch {
	case search.Step < minStep:
		return nil, fmt.Errorf("%w: a step must take at least %v", ErrConfig, minStep)
	case !(search.Precision >= 0.001 && search.Precision <= 1):
		return nil, fmt.Errorf("%w: the precision must be between 0.001 and 1", ErrConfig)
	case cfg.Flood:
		return nil, fmt.Errorf("%w: a flood has no rate to search for", ErrConfig)
	case !(cfg.Rate >= 0):
		return nil, fmt.Errorf("%w: the rate to begin with is not a positive one", ErrConfig)
	case search.Limit.name == "":
		return nil, fmt.Errorf("%w: no limit to search for", ErrConfig)
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	least, most := cfg.leastRate(search.Step), cfg.mostRate()
	if cfg.Rate == 0 {
		cfg.Rate = min(firstRate, most)
	}
	cfg.Rate = max(cfg.Rate, least)
	cfg.Duration, cfg.Messages, cfg.Ramp = search.Step, 0, 0
	s := &rateSearch{cfg: cfg, search: search, least: least, most: most, broken: math.Inf(1)}
	if err := s.run(ctx); err != nil {
		return nil, err
	}
	return s.report(), nil
}

// leastRate returns the lowest rate at which every client has a message in a step, in
// messages/s.
func (c *Config) leastRate(step time.Duration) float64 {
	return max(float64(c.Clients)/step.Seconds(), slowestRate)
}

// A rateSearch is a search under way.
type rateSearch struct {
	cfg         Config
	search      SearchConfig
	least, most float64 // the rates that may be tried, in messages/s
	held        float64 // the highest rate that held
	broken      float64 // the lowest that did not
	best, last  *Report
	spoiled     []string // what limited the generator at the lowest rate that did not hold
	curve       []RateStep
	interrupted bool
	gone        string // what says that there is no target any more
}

func (s *rateSearch) run(ctx context.Context) error {
	rate := s.cfg.Rate
	for len(s.curve) < maxSteps && rate > 0 {
		held, err := s.try(ctx, rate)
		if err != nil || s.interrupted || s.gone != "" {
			return err
		}
		if held {
			s.held = rate
		} else {
			s.broken, s.spoiled = rate, s.last.ClientLimits
		}
		rate = s.next()
	}
	return nil
}

// next returns the rate to try next, 0 when the search is over.
func (s *rateSearch) next() float64 {
	switch {
	case math.IsInf(s.broken, 1):
		if s.held >= s.most {
			return 0
		}
		return min(2*s.held, s.most)
	case s.held == 0:
		if s.broken <= s.least {
			return 0
		}
		return max(s.broken/4, s.least)
	case s.broken <= s.held*(1+s.search.Precision):
		return 0
	}
	return math.Sqrt(s.held * s.broken)
}

// try runs one step, and once more if it does not hold.
func (s *rateSearch) try(ctx context.Context, rate float64) (held bool, err error) {
	cfg := s.cfg
	cfg.Rate, cfg.FailFast = rate, true
	for repeated := range 2 {
		report, responses, err := measure(ctx, cfg)
		if err != nil {
			return false, err
		}
		if report.Interrupted {
			s.interrupted = true
			if s.last == nil {
				s.last = report
			}
			return false, nil
		}
		s.last = report
		step := s.step(report, responses)
		step.Repeated = repeated > 0
		s.curve = append(s.curve, step)
		if s.search.Stepped != nil {
			s.search.Stepped(step)
		}
		if step.Held {
			s.best = report
			return true, nil
		}
		if s.gone = goneTarget(report); s.gone != "" {
			return false, nil
		}
	}
	return false, nil
}

// goneTarget returns what shows that nobody listens at the target any more, or "".
func goneTarget(r *Report) string {
	kind := sys.ErrorName(syscall.ECONNREFUSED)
	if r.Received > 0 || r.Errors[kind] == 0 {
		return ""
	}
	return fmt.Sprintf("the target was gone at %.0f/s: %s", r.RequestedPerS, kind)
}

// step judges a run.
func (s *rateSearch) step(r *Report, responses *latency.Distribution) RateStep {
	step := RateStep{
		RatePerS: r.RequestedPerS, AnswersPerS: r.RatePerS, ClientLimited: r.ClientLimited,
		Missing: r.Messages - (r.Received - r.Late),
	}
	missing := 1.0
	if r.Messages > 0 {
		missing = float64(step.Missing) / float64(r.Messages)
	}
	if q := r.ResponseUS; q != nil {
		step.P50, step.P99 = &q.P50, &q.P99
	}
	v := s.search.Limit.value(responses, missing)
	if v != math.MaxInt64 {
		us := clock.Microseconds(v)
		step.Value = &us
	}
	step.Held = s.search.Limit.held(v) && r.Verify() == nil
	return step
}

// report returns the report of the best step, with what the search says.
func (s *rateSearch) report() *Report {
	r := s.last
	if s.best != nil {
		r = s.best
	}
	r.Interrupted = s.interrupted
	r.Curve = s.curve
	r.Search = &Search{Limit: s.search.Limit.String(), RatePerS: s.held, StepS: s.search.Step.Seconds(), Precision: s.search.Precision}
	r.Search.Failed = s.gone
	if !math.IsInf(s.broken, 1) {
		r.Search.BrokenAt = s.broken
	}
	if s.held >= s.most {
		r.ClientLimited = true
		r.ClientLimits = append(r.ClientLimits, fmt.Sprintf("beyond %.0f/s: needs more clients or a shorter timeout", s.most))
	}
	if len(s.spoiled) > 0 {
		r.ClientLimited = true
		r.ClientLimits = append(r.ClientLimits, fmt.Sprintf("at %.0f/s: %s", s.broken, strings.Join(s.spoiled, "; ")))
	}
	return r
}

// A Limit bounds a latency of a run.
type Limit struct {
	name  string
	bound time.Duration
}

// LimitSyntax lists what ParseLimit understands.
const LimitSyntax = "p50|p90|p99|p999|mean|max < DURATION"

var errLimit = errors.New("write a latency and its bound, such as p99<2ms: " + LimitSyntax)

// ParseLimit reads a limit such as "p99<2ms".
func ParseLimit(spec string) (Limit, error) {
	name, bound, ok := strings.Cut(spec, "<")
	l := Limit{name: strings.TrimSpace(name)}
	if _, _, known := l.kind(); !ok || !known {
		return Limit{}, fmt.Errorf("limit %.40q: %w", spec, errLimit)
	}
	var err error
	if l.bound, err = time.ParseDuration(strings.TrimSpace(bound)); err != nil {
		return Limit{}, fmt.Errorf("limit %.40q: %w", spec, errLimit)
	}
	if l.bound <= 0 || l.bound > MaxTimeout {
		return Limit{}, fmt.Errorf("limit %.40q: the bound must be longer than nothing and at most %v", spec, MaxTimeout)
	}
	return l, nil
}

// String returns the limit as ParseLimit reads it.
func (l Limit) String() string { return l.name + "<" + l.bound.String() }

// kind returns the quantile that is bounded, 1 for the maximum, or that it is the mean.
func (l Limit) kind() (quantile float64, mean, known bool) {
	switch l.name {
	case "p50":
		return 0.5, false, true
	case "p90":
		return 0.9, false, true
	case "p99":
		return 0.99, false, true
	case "p999":
		return 0.999, false, true
	case "max":
		return 1, false, true
	case "mean":
		return 0, true, true
	}
	return 0, false, false
}

// value returns what is bounded, of the responses of a run in which a share of the
// messages was not answered in time. Such a message has taken longer than any other:
// the quantile that it belongs to, the maximum and the mean have no bound.
func (l Limit) value(responses *latency.Distribution, missing float64) time.Duration {
	quantile, mean, _ := l.kind()
	switch {
	case responses.Count() == 0 || (mean || quantile == 1) && missing > 0 || quantile > 1-missing:
		return math.MaxInt64
	case mean:
		return responses.Mean()
	case quantile == 1:
		return responses.Greatest()
	}
	return responses.Quantile(min(quantile/(1-missing), 1))
}

func (l Limit) held(v time.Duration) bool { return v < l.bound }
