// Command netloop is the least that an echo server on Go's net package does: a
// goroutine and a buffer for each connection, Read, Write, and nothing else.
//
//	netloop IPV4:PORT
package main

import (
	"fmt"
	"net"
	"os"
)

// bufferSize is that of wirelab's server.
const bufferSize = 16 << 10

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: netloop IPV4:PORT")
		os.Exit(2)
	}
	fmt.Fprintln(os.Stderr, "netloop:", serve(os.Args[1]))
	os.Exit(1)
}

// serve echoes until accepting fails.
func serve(addr string) error {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go echo(conn)
	}
}

func echo(conn net.Conn) {
	defer conn.Close()
	buffer := make([]byte, bufferSize)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			return
		}
		if _, err := conn.Write(buffer[:n]); err != nil {
			return
		}
	}
}
