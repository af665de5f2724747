package udp_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/netip"

	"wirelab/server/udp"
)

// count answers with the number of the peer's datagram.
type count struct{}

func (count) Respond(d *udp.Datagram, out []byte) []byte {
	return fmt.Appendf(out, "%d", d.Number)
}

// A server that answers each datagram by itself.
func ExampleListen() {
	s, err := udp.Listen(udp.Config{Addr: netip.MustParseAddrPort("127.0.0.1:0"), Handler: count{}})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()

	c, err := net.Dial("udp", s.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	answer := make([]byte, 16)
	for range 2 {
		io.WriteString(c, "hello")
		n, _ := c.Read(answer)
		fmt.Printf("%s\n", answer[:n])
	}
	c.Close()

	stop()
	fmt.Println(<-ended, s.Status().Peers[0].Packets)
	// Output:
	// 1
	// 2
	// <nil> 2
}
