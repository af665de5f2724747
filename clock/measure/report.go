package measure

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"wirelab/clock/selection"
)

// Schema names the form of a Report in JSON.
const Schema = "wirelab.time/1"

// A Report is a measurement of one host, whose fields it then has, or of several.
type Report struct {
	Schema      string  `json:"schema"`
	Interrupted bool    `json:"interrupted"`
	Seconds     float64 `json:"elapsed_s"`
	*Host               // of one host
	Hosts       []*Host `json:"hosts,omitempty"` // of several
	// Agreement says what the hosts say together.
	Agreement *Agreement `json:"agreement,omitempty"`
}

// All returns the hosts, also the one.
func (r *Report) All() []*Host {
	if r.Host != nil {
		return []*Host{r.Host}
	}
	return r.Hosts
}

// An Agreement is what the most of several clocks have in common.
type Agreement struct {
	Majority bool  `json:"majority"` // more than half of the clocks agree
	Low      int64 `json:"low_ns"`   // the offsets that all of them allow
	High     int64 `json:"high_ns"`
}

// Verdicts on the hosts of a measurement of several.
const (
	Truechimer  = "agrees"
	Falseticker = "falseticker"
	NoMajority  = "no majority"
	NoAnswer    = "no answer"
)

// MeasureAll measures hosts at the same time. Of several it judges whose clocks agree. The error
// is that of the only host, or of all hosts where none gave a sample.
func MeasureAll(ctx context.Context, hosts []Config) (*Report, error) {
	began := time.Now()
	all, errs := make([]*Host, len(hosts)), make([]error, len(hosts))
	var group sync.WaitGroup
	for i, cfg := range hosts {
		group.Go(func() {
			all[i], errs[i] = Measure(ctx, cfg)
			if all[i] == nil {
				all[i] = newHost(&cfg)
				all[i].fail(errs[i])
			}
		})
	}
	group.Wait()
	r := &Report{Schema: Schema, Interrupted: ctx.Err() != nil, Seconds: time.Since(began).Seconds()}
	taken := 0
	for _, h := range all {
		taken += h.Taken
	}
	if taken == 0 && ctx.Err() == nil {
		return nil, errors.Join(errs...)
	}
	if len(all) == 1 {
		r.Host = all[0]
		return r, nil
	}
	r.Hosts = all
	r.judge()
	return r, nil
}

// judge lets the clocks vote: each says that the true time, less ours, is within the
// bound of its offset; to UTC, if all say how far they may be off that.
func (r *Report) judge() {
	var voters []*Host
	toUTC := true
	for _, h := range r.Hosts {
		h.Verdict = NoAnswer
		if h.Taken > 0 {
			voters = append(voters, h)
			toUTC = toUTC && h.UTCBound != nil
		}
	}
	intervals := make([]selection.Interval, len(voters))
	for i, h := range voters {
		bound := h.Bound
		if toUTC {
			bound = *h.UTCBound
		}
		intervals[i] = selection.Around(time.Duration(h.Offset), time.Duration(bound))
	}
	common, agree, majority := selection.Majority(intervals)
	r.Agreement = &Agreement{Majority: majority, Low: int64(common.Low), High: int64(common.High)}
	for i, h := range voters {
		switch {
		case !majority:
			h.Verdict = NoMajority
		case agree[i]:
			h.Verdict = Truechimer
		default:
			h.Verdict = Falseticker
		}
	}
}

// Check returns an error for a saved report with figures that no measurement has.
func Check(saved json.RawMessage) error {
	var r Report
	if err := json.Unmarshal(saved, &r); err != nil {
		return err
	}
	if len(r.All()) == 0 {
		return errors.New("it is of no host")
	}
	for _, h := range r.All() {
		if h == nil {
			return errors.New("a host is null")
		}
		if _, err := ParseProtocol(string(h.Protocol)); err != nil {
			return err
		}
		if h.Sent < 0 || h.Received < 0 || h.Taken < 0 || h.Bound < 0 || !(h.Loss >= 0 && h.Loss <= 1) {
			return fmt.Errorf("a count, a bound or the loss of %.40q is impossible", h.Name)
		}
		for _, s := range h.Samples {
			if s.Bound < 0 {
				return fmt.Errorf("a bound of %d ns is impossible", s.Bound)
			}
		}
	}
	return nil
}
