package throughput_test

import (
	"context"
	"fmt"
	"log"
	"net/netip"
	"time"

	"wirelab/load/throughput"
	"wirelab/server/tcp"
	"wirelab/server/tcp/handlers"
)

func ExampleRun() {
	var handler tcp.Handler
	for _, kind := range handlers.All() {
		if kind.Name == "throughput" {
			handler = kind.New(0, nil)
		}
	}
	s, err := tcp.Listen(tcp.Config{Addr: netip.MustParseAddrPort("127.0.0.1:0"), Handler: handler})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()

	report, err := throughput.Run(ctx, throughput.Config{Target: s.Addr(), Direction: throughput.Both, Duration: 100 * time.Millisecond})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("both ends count alike:", report.Verify() == nil)
	stop()
	fmt.Println(<-ended)
	// Output:
	// both ends count alike: true
	// <nil>
}
