package load

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

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
func (l Limit) value(responses *distribution, missing float64) time.Duration {
	quantile, mean, _ := l.kind()
	switch {
	case responses.count() == 0 || (mean || quantile == 1) && missing > 0 || quantile > 1-missing:
		return math.MaxInt64
	case mean:
		return time.Duration(responses.sum / float64(responses.count()))
	case quantile == 1:
		return responses.greatest
	}
	return responses.quantile(min(quantile/(1-missing), 1))
}

func (l Limit) held(v time.Duration) bool { return v < l.bound }
