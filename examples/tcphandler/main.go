// Command tcphandler is a TCP server with a handler of its own, which answers each line
// with the words turned round. One handler serves any number of clients, on any engine.
package main

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"net"
	"net/netip"
	"slices"

	"wirelab/server/tcp"
)

// reverse answers lines. It keeps nothing of a connection, so one serves all.
type reverse struct{}

func (reverse) Open(*tcp.Conn) tcp.Session { return reverse{} }

func (reverse) Handle(in []byte, _ bool, out []byte) (consumed int, answer []byte, next tcp.Next) {
	for {
		line, rest, found := bytes.Cut(in[consumed:], []byte("\n"))
		if !found {
			return consumed, out, tcp.Wait // the rest of the line is still to come
		}
		words := bytes.Fields(line)
		slices.Reverse(words)
		out = append(append(out, bytes.Join(words, []byte(" "))...), '\n')
		consumed = len(in) - len(rest)
	}
}

func (reverse) Close() {}

func main() {
	s, err := tcp.Listen(tcp.Config{Addr: netip.MustParseAddrPort("127.0.0.1:0"), Engine: tcp.AutoEngine, Handler: reverse{}})
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
	fmt.Fprintln(c, "turn words my round")
	answer := make([]byte, 100)
	n, _ := c.Read(answer)
	fmt.Printf("%s", answer[:n])
	c.Close()
	stop()
	fmt.Println(<-ended)
}
