// Command offset measures how far a server's clock is from this one's, with a bound that
// holds whatever the two ways took.
package main

import (
	"context"
	"fmt"
	"log"
	"net/netip"
	"time"

	"wirelab/clock/measure"
	"wirelab/server/udp"
)

func main() {
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
		Name: "lab", Host: s.Addr(), Protocol: measure.STAMP, Count: 10, Burst: 4, Interval: 10 * time.Millisecond, Timeout: time.Second,
	})
	if err != nil {
		log.Fatal(err)
	}
	offset, bound := time.Duration(host.Offset), time.Duration(host.Bound)
	fmt.Printf("%d samples, stamps of the %s\n", host.Taken, host.Source)
	fmt.Println("350 ms within the bound:", (offset-350*time.Millisecond).Abs() <= bound)
	log.Printf("the server's clock is %v ahead, within %v", offset, bound)
	stop()
	fmt.Println(<-ended)
}
