package latency_test

import (
	"fmt"
	"time"

	"wirelab/load/latency"
)

func ExampleDistribution() {
	d := latency.NewDistribution(latency.Max)
	for i := 1; i <= 1000; i++ {
		d.Add(time.Duration(i) * time.Microsecond)
	}
	fmt.Println(d.Count(), d.Mean(), d.Greatest())
	fmt.Println("p99 within a thousandth:", (d.Quantile(0.99)-990*time.Microsecond).Abs() <= time.Microsecond)
	// Output:
	// 1000 500.5µs 1ms
	// p99 within a thousandth: true
}
