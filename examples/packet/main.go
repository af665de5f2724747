// Command packet builds a UDP packet byte by byte, sends it to a server on this host
// through a raw socket, and judges its checksums. Without CAP_NET_RAW it is not sent.
package main

import (
	"errors"
	"fmt"
	"log"
	"net/netip"

	"wirelab/internal/sys"
	"wirelab/packet"
	"wirelab/wire"
)

func main() {
	spec, err := packet.ParseLine("ip src=127.0.0.1 dst=127.0.0.1 ttl=3 / udp sport=40000 dport=9 csum=auto+1 / text hello")
	if err != nil {
		log.Fatal(err)
	}
	frame, template, err := packet.Build(spec)
	if err != nil {
		log.Fatal(err)
	}
	var headers packet.Headers
	packet.Scan(template.Link(), frame, len(frame), &headers)
	fmt.Printf("%s\n", packet.AppendSummary(nil, frame, &headers))
	for _, c := range packet.Verify(frame, &headers, packet.OffloadUnknown, nil) {
		fmt.Printf("%v checksum at %d: %v, %04x stands there, %04x is right\n", c.Layer, c.Offset, c.Verdict, c.Found, c.Right)
	}
	raw, err := wire.OpenRaw(false)
	if errors.Is(err, sys.ErrNotPermitted) {
		fmt.Println("not sent:", err)
		return
	}
	if err != nil {
		log.Fatal(err)
	}
	defer raw.Close()
	fmt.Println("sent:", raw.Send(frame, netip.MustParseAddr("127.0.0.1")) == nil)
}
