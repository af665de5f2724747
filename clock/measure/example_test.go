package measure_test

import (
	"context"
	"fmt"
	"log"
	"net/netip"
	"time"

	"wirelab/clock/measure"
	"wirelab/server/udp"
)

// A server's clock that is 350 ms ahead is found to be, whatever the ways took.
func ExampleMeasure() {
	s, err := udp.Listen(udp.Config{
		Addr: netip.MustParseAddrPort("127.0.0.1:0"), Handler: udp.TimeDiff{}, ClockOffset: 350 * time.Millisecond,
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()

	host, err := measure.Measure(ctx, measure.Config{
		Name: "lab", Host: s.Addr(), Protocol: measure.STAMP, Count: 5, Interval: time.Millisecond, Timeout: time.Second,
	})
	if err != nil {
		log.Fatal(err)
	}
	wrong := time.Duration(host.Offset) - 350*time.Millisecond
	fmt.Println(host.Taken, "samples; within the bound:", wrong.Abs() <= time.Duration(host.Bound))
	stop()
	fmt.Println(<-ended)
	// Output:
	// 5 samples; within the bound: true
	// <nil>
}
