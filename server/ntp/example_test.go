package ntp_test

import (
	"context"
	"fmt"
	"log"
	"net/netip"
	"time"

	client "wirelab/clock/ntp"
	"wirelab/server/ntp"
	"wirelab/server/udp"
)

// An NTP server that vouches for its clock, and a client that asks it once.
func ExampleListen() {
	responder, err := ntp.New(ntp.Config{})
	if err != nil {
		log.Fatal(err)
	}
	reference := ntp.LocalReference(8, time.Now())
	responder.SetReference(&reference)
	s, err := ntp.Listen(udp.Config{Addr: netip.MustParseAddrPort("127.0.0.1:0")}, responder)
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()

	answer, err := client.Query(ctx, s.Addr())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("stratum", answer.Facts.Stratum, answer.Facts.Reference)
	fmt.Println("a clock agrees with itself:", answer.Exchange.Offset().Abs() <= answer.Exchange.Bound())
	stop()
	fmt.Println(<-ended)
	// Output:
	// stratum 8 127.127.1.1
	// a clock agrees with itself: true
	// <nil>
}
