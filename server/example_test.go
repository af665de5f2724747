package server_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/netip"

	"wirelab/server"
)

// shout answers each byte with its capital. It has no state of its own, so that one
// Session serves all connections.
type shout struct{}

func (shout) Open(*server.Conn) server.Session { return shout{} }

func (shout) Handle(in []byte, _ bool, out []byte) (consumed int, answer []byte, next server.Next) {
	return len(in), append(out, bytes.ToUpper(in)...), server.Wait
}

func (shout) Close() {}

// A server with a handler of one's own, on the best engine of this machine.
func ExampleListenTCP() {
	s, err := server.ListenTCP(server.TCPConfig{
		Addr: netip.MustParseAddrPort("127.0.0.1:0"), Engine: server.AutoEngine, Handler: shout{},
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()

	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	io.WriteString(c, "hello")
	answer := make([]byte, 5)
	io.ReadFull(c, answer)
	fmt.Printf("%s\n", answer)
	c.Close()

	stop() // answers that have begun are finished
	fmt.Println(<-ended, s.Status().Accepted)
	// Output:
	// HELLO
	// <nil> 1
}

// count answers with the number of the peer's datagram.
type count struct{}

func (count) Respond(d *server.Datagram, out []byte) []byte {
	return fmt.Appendf(out, "%d", d.Number)
}

// A server that answers each datagram by itself.
func ExampleListenUDP() {
	s, err := server.ListenUDP(server.UDPConfig{Addr: netip.MustParseAddrPort("127.0.0.1:0"), Handler: count{}})
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
