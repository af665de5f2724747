package scan_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/netip"
	"time"

	"wirelab/load/scan"
)

func ExampleRun() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	open := l.Addr().(*net.TCPAddr).AddrPort()
	found, err := scan.Run(context.Background(), scan.Config{
		Host: netip.MustParseAddr("127.0.0.1"), Ports: []uint16{open.Port()}, Timeout: time.Second, AtOnce: 10,
	})
	for _, port := range found {
		fmt.Println(port.State, err)
	}
	// Output: open <nil>
}
