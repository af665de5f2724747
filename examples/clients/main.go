// Command clients runs a hundred clients at once against a server with a thread for each,
// and verifies every byte that comes back.
package main

import (
	"context"
	"fmt"
	"log"
	"net/netip"

	"wirelab/load"
	"wirelab/load/payload"
	"wirelab/server/tcp"
)

// echo is the classic service of RFC 862.
type echo struct{}

func (echo) Open(*tcp.Conn) tcp.Session { return echo{} }

func (echo) Handle(in []byte, _ bool, out []byte) (int, []byte, tcp.Next) {
	return len(in), append(out, in...), tcp.Wait
}

func (echo) Close() {}

func main() {
	s, err := tcp.Listen(tcp.Config{Addr: netip.MustParseAddrPort("127.0.0.1:0"), Engine: "thread", Handler: echo{}})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()

	messages, err := payload.Parse("seq", 64) // each begins with its client and its number
	if err != nil {
		log.Fatal(err)
	}
	report, err := load.Run(ctx, load.Config{Network: "tcp", Target: s.Addr(), Clients: 100, Messages: 50, Payload: messages})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d of %d answers verified, at most %d connections at once\n", report.Verified(), report.Messages, s.Status().PeakActive)
	stop()
	fmt.Println(<-ended)
}
