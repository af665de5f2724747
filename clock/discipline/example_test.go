package discipline_test

import (
	"fmt"
	"time"

	"wirelab/clock/discipline"
)

// A clock that is 350 ms behind and 80 ppm slow, measured every 16 seconds. Steps
// are allowed: the first order sets it, the later ones find its frequency.
func Example() {
	loop, err := discipline.New(discipline.Start{
		MaxFrequency: 500e3, MinPoll: 16 * time.Second, MaxPoll: 16 * time.Second, Step: true,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	clock := time.Duration(0) // what it has gained on raw time
	var order discipline.Order
	for raw := time.Duration(0); raw <= 64*time.Second; raw += 16 * time.Second {
		server := 350*time.Millisecond + 80*raw/1e6 // what the server has gained
		offset := server - clock
		order, err = loop.Sample(discipline.Sample{
			Source: "server", Reading: discipline.Reading{Raw: raw, Clock: raw + clock},
			Offset: offset, Delay: time.Millisecond, Stratum: 1,
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("off by %v: step %v, slew %v, run %+.0f ppm from now on\n",
			offset.Round(100*time.Microsecond), order.Step, order.Slew.Round(100*time.Microsecond), order.Frequency/1e3)
		clock += order.Step + order.Slew + time.Duration(16*order.Frequency)
	}
	fmt.Println(order.State)
	// Output:
	// off by 350ms: step 350ms, slew 0s, run +0 ppm from now on
	// off by 1.3ms: step 0s, slew 1.3ms, run +80 ppm from now on
	// off by 0s: step 0s, slew 0s, run +80 ppm from now on
	// off by 0s: step 0s, slew 0s, run +80 ppm from now on
	// off by 0s: step 0s, slew 0s, run +80 ppm from now on
	// locked
}
