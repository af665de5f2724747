package load_test

import (
	"context"
	"fmt"
	"log"
	"net/netip"

	"wirelab/load"
	"wirelab/load/payload"
	"wirelab/server/udp"
)

// Ten clients of a UDP server, each of which verifies every byte that comes back.
func ExampleRun() {
	s, err := udp.Listen(udp.Config{Addr: netip.MustParseAddrPort("127.0.0.1:0"), Handler: udp.TimeDiff{}})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()

	messages, err := payload.Parse("seq", 64)
	if err != nil {
		log.Fatal(err)
	}
	report, err := load.Run(ctx, load.Config{Network: "udp", Target: s.Addr(), Clients: 10, Messages: 20, Payload: messages})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(report.Messages, "messages,", report.Verified(), "answers verified,", report.Lost, "lost")
	fmt.Println("latencies were measured:", report.LatencyUS != nil)
	stop()
	fmt.Println(<-ended)
	// Output:
	// 200 messages, 200 answers verified, 0 lost
	// latencies were measured: true
	// <nil>
}
