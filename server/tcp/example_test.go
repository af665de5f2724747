package tcp_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/netip"

	"wirelab/server/tcp"
)

// shout answers each byte with its capital. It has no state of its own, so that one
// Session serves all connections.
type shout struct{}

func (shout) Open(*tcp.Conn) tcp.Session { return shout{} }

func (shout) Handle(in []byte, _ bool, out []byte) (consumed int, answer []byte, next tcp.Next) {
	return len(in), append(out, bytes.ToUpper(in)...), tcp.Wait
}

func (shout) Close() {}

// A server with a handler of one's own, on the best engine of this machine.
func ExampleListen() {
	s, err := tcp.Listen(tcp.Config{
		Addr: netip.MustParseAddrPort("127.0.0.1:0"), Engine: tcp.AutoEngine, Handler: shout{},
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
