package latency

import (
	"time"

	"wirelab/clock"
)

// Quantiles sum up durations in microseconds. P999 is the 99.9th percentile.
type Quantiles struct {
	Min  float64 `json:"min"`
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
	Max  float64 `json:"max"`
}

// Quantiles returns nil when nothing was added.
func (d *Distribution) Quantiles() *Quantiles {
	if d.Count() == 0 {
		return nil
	}
	return newQuantiles(d.least, float64(d.Mean()), d.Quantile, d.greatest)
}

// Quantiles returns the sum of one duration at least.
func (d *Signed) Quantiles() *Quantiles {
	return newQuantiles(d.Min(), d.Mean(), d.Quantile, d.Max())
}

func newQuantiles(least time.Duration, mean float64, quantile func(float64) time.Duration, greatest time.Duration) *Quantiles {
	return &Quantiles{
		Min:  clock.Microseconds(least),
		Mean: clock.Microseconds(time.Duration(mean)),
		P50:  clock.Microseconds(quantile(0.50)),
		P90:  clock.Microseconds(quantile(0.90)),
		P99:  clock.Microseconds(quantile(0.99)),
		P999: clock.Microseconds(quantile(0.999)),
		Max:  clock.Microseconds(greatest),
	}
}
