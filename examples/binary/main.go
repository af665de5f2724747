// Command binary packs a structure of named fields of given widths into a packet, and
// unpacks it again, each field with its place.
package main

import (
	"encoding/binary"
	"fmt"
	"log"

	"wirelab/packet"
)

func main() {
	spec, err := packet.ParseLine("ip src=192.0.2.1 dst=192.0.2.35 / udp sport=40000 dport=9 / struct version:8=1 kind:8=7 length:16=12 value:32=305419896")
	if err != nil {
		log.Fatal(err)
	}
	frame, template, err := packet.Build(spec)
	if err != nil {
		log.Fatal(err)
	}
	var headers packet.Headers
	packet.Scan(template.Link(), frame, len(frame), &headers)
	body := frame[28:] // behind 20 bytes of IP and 8 of UDP
	fmt.Printf("%d bytes: %x\n", len(body), body)
	fmt.Println("version", body[0], "kind", body[1], "length", binary.BigEndian.Uint16(body[2:]), "value", binary.BigEndian.Uint32(body[4:]))
}
