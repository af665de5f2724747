package connect_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"time"

	"wirelab/load/connect"
)

// A conversation with an echo server: three messages, and what comes back.
func ExampleRun() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err == nil {
			io.Copy(c, c)
			c.Close()
		}
	}()
	told, err := connect.Run(context.Background(), connect.Config{
		Network: "tcp", Address: l.Addr().String(), IdleTimeout: 5 * time.Second,
		Message: func(dst []byte, n uint64, _ time.Time) []byte { return fmt.Appendf(dst, "hello %d\n", n) },
		Count:   3,
		View:    connect.RawView(os.Stdout),
	})
	fmt.Println(told.BytesOut, "bytes there,", told.BytesIn, "back,", err)
	// Output:
	// hello 0
	// hello 1
	// hello 2
	// 24 bytes there, 24 back, <nil>
}
