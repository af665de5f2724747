package foreign

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"wirelab/firewall"
)

func (o *options) logLevel(v string) error {
	names := []string{"emerg", "alert", "crit", "error", "warning", "notice", "info", "debug"}
	for i, name := range names {
		if v == name || v == strconv.Itoa(i) || v == "warn" && i == 4 || v == "err" && i == 3 {
			o.log.Level = uint8(i)
			return nil
		}
	}
	return fmt.Errorf("%q is no level of a log", v)
}

func (o *options) logGroup(v string) error {
	n, err := strconv.ParseUint(v, 10, 16)
	o.log.Group = uint16(n)
	return err
}

func (o *options) setTarget(v string) error { o.target, o.jump = v, firewall.Jump; return o.noNot() }
func (o *options) setGoto(v string) error   { o.target, o.jump = v, firewall.Goto; return o.noNot() }

func (o *options) noNot() error {
	if o.not {
		return errors.New("\"!\" before a target")
	}
	return nil
}

// rate reads "5/min" as iptables has it.
func rate(text, burst string, over bool) (*firewall.Limit, error) {
	count, unit, _ := strings.Cut(text, "/")
	l := &firewall.Limit{Burst: 5, Over: over, Per: time.Second}
	n, err := strconv.ParseUint(count, 10, 32)
	if l.Rate = n; err != nil || n == 0 {
		return nil, fmt.Errorf("%q is no rate that is known here", text)
	}
	for name, per := range map[string]time.Duration{"second": time.Second, "minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour} {
		if unit != "" && strings.HasPrefix(name, unit) {
			l.Per, unit = per, ""
		}
	}
	if unit != "" {
		return nil, fmt.Errorf("%q is no rate that is known here", text)
	}
	if burst != "" {
		b, err := strconv.ParseUint(burst, 10, 32)
		if l.Burst = uint32(b); err != nil || b == 0 {
			return nil, fmt.Errorf("%q is no burst", burst)
		}
	}
	return l, nil
}
