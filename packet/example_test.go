package packet_test

import (
	"fmt"

	"wirelab/packet"
)

// A packet is described, built, and read again.
func Example() {
	s, err := packet.ParseLine("ip src=192.0.2.1 dst=192.0.2.35 / udp dport=9 csum=bad / text hello")
	if err != nil {
		fmt.Println(err)
		return
	}
	frame, template, err := packet.Build(s)
	if err != nil {
		fmt.Println(err)
		return
	}
	var h packet.Headers
	packet.Scan(template.Link(), frame, len(frame), &h)
	fmt.Println(string(packet.AppendSummary(nil, frame, &h)))
	for _, c := range packet.Verify(frame, &h, packet.OffloadUnknown, nil) {
		fmt.Printf("%v at %d: %v, found %04x, right %04x\n", c.Layer, c.Offset, c.Verdict, c.Found, c.Right)
	}
	// Output:
	// 192.0.2.1:40000 > 192.0.2.35:9 UDP 5 bytes
	// ip at 10: good, found f6a6, right f6a6
	// udp at 26: bad, found 9b94, right 9b93
}

// A template makes frame after frame; only what varies is written anew.
func ExampleFiller() {
	s, err := packet.ParseLine("ip src=inc:10.64.37.1-10.64.37.254 dst=10.64.37.35 / udp sport=list:1000,2000 dport=9")
	if err != nil {
		fmt.Println(err)
		return
	}
	_, template, err := packet.Build(s)
	if err != nil {
		fmt.Println(err)
		return
	}
	const frames = 3
	size := template.Len()
	memory := make([]byte, frames*size)
	template.Filler().Fill(memory, size, 0, frames, 0)
	var h packet.Headers
	for n := range frames {
		frame := memory[n*size:][:size]
		packet.Scan(template.Link(), frame, len(frame), &h)
		fmt.Println(string(packet.AppendSummary(nil, frame, &h)))
	}
	// Output:
	// 10.64.37.1:1000 > 10.64.37.35:9 UDP 0 bytes
	// 10.64.37.2:2000 > 10.64.37.35:9 UDP 0 bytes
	// 10.64.37.3:1000 > 10.64.37.35:9 UDP 0 bytes
}

// A captured frame is described so that it can be made again.
func ExampleSpecOf() {
	frame := []byte("\x45\x00\x00\x21\x00\x00\x00\x00\x40\x11\xf6\xa7\xc0\x00\x02\x01\xc0\x00\x02\x23\x9c\x40\x00\x09\x00\x0d\x9b\x93hello")
	var h packet.Headers
	packet.Scan(packet.LinkRaw, frame, len(frame), &h)
	s := packet.SpecOf(frame, &h)
	fmt.Println(s.CLI())
	fmt.Print(s.YAML())
	// Output:
	// ip id=0 src=192.0.2.1 dst=192.0.2.35 / udp / text hello
	// layers:
	//   - ip: {"id": "0", "src": "192.0.2.1", "dst": "192.0.2.35"}
	//   - udp
	//   - text: "hello"
}
