package relay_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"time"

	"wirelab/lab/impair"
	"wirelab/lab/relay"
)

// A server that is ten milliseconds further away, in each direction.
func ExampleListen() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	go func() {
		if c, err := l.Accept(); err == nil {
			io.Copy(c, c)
			c.Close()
		}
	}()

	ctx, stop := context.WithCancel(context.Background())
	far := impair.Config{Delay: 10 * time.Millisecond}
	r, err := relay.Listen(ctx, relay.Config{Network: "tcp", Listen: "127.0.0.1:0", Target: l.Addr().String(), To: far, From: far})
	if err != nil {
		log.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- r.Run(ctx) }()

	c, err := net.Dial("tcp", r.Addr())
	if err != nil {
		log.Fatal(err)
	}
	begin := time.Now()
	io.WriteString(c, "hello")
	answer := make([]byte, 5)
	io.ReadFull(c, answer)
	fmt.Printf("%s, after 20 ms: %t\n", answer, time.Since(begin) >= 20*time.Millisecond)
	c.Close()
	stop()
	fmt.Println(<-ended)
	// Output:
	// hello, after 20 ms: true
	// <nil>
}
