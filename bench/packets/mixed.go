package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// mix is what a router between an office and the internet sees: lengths near those of the
// simple Internet mix (58 % small, 33 % of 594 bytes, 8 % full; 371 bytes on average), 82 %
// TCP, nearly all with timestamps, 15 % UDP, a quarter IPv6, and a little of all else.
var mix = []struct {
	perMille int
	spec     string
}{
	{135, client4 + "flags=ack " + stamps},
	{135, "eth / ip src=192.0.2.35 dst=" + clients4 + " id=inc:1 flags=df / tcp sport=443 dport=rand:50000-50003 seq=inc:2000000000 ack=inc:1000000000 win=rand:100-65535 flags=ack " + stamps},
	{130, client6 + "flags=ack " + stamps},
	{30, client4 + "flags=syn opts=mss:1460,sackok,ts:3856219041/0,nop,wscale:7"},
	{10, client4 + "flags=fin,ack " + stamps},
	{30, "eth / vlan id=5 / " + inner4 + "flags=ack " + stamps},
	{180, client4 + "flags=ack,psh " + stamps + " / random 528"},
	{80, client6 + "flags=ack,psh " + stamps + " / random 508"},
	{30, "eth / vlan id=5 / " + inner4 + "flags=ack,psh " + stamps + " / random 524"},
	{40, client4 + "flags=ack " + stamps + " / random 1448"},
	{20, client6 + "flags=ack " + stamps + " / random 1428"},
	{40, "eth / ip src=192.0.2.9 dst=" + clients4 + " id=inc:1 flags=df / udp sport=443 dport=rand:50000-50003 / random 1200"},
	{35, "eth / ip src=" + clients4 + " dst=10.64.37.53 id=inc:1 / udp sport=rand:1024-65535 / dns id=rand:0-65535 q=www.example.com"},
	{35, "eth / ip src=10.64.37.53 dst=" + clients4 + " id=inc:1 / udp sport=53 dport=rand:1024-65535 / dns id=rand:0-65535 qr=answer q=www.example.com an=www.example.com/A/300/192.0.2.1"},
	{20, "eth / ip src=" + clients4 + " dst=192.0.2.77 id=inc:1 tos=184 / udp sport=rand:16384-32767 dport=rand:16384-32767 / random 172"},
	{10, "eth / ip src=" + clients4 + " dst=192.0.2.123 / udp sport=rand:1024-65535 dport=123 / ntp"},
	{10, "eth / ip src=" + clients4 + " dst=192.0.2.1 id=inc:1 / icmp type=echo seq=inc:0-65535 / zero 56"},
	{10, "eth / ip6 src=fe80::1 dst=ff02::1:ff00:7334 hlim=255 / icmp6 type=ns target=2001:db8:85a3:8d3:1319:8a2e:370:7334 opts=slla:02:00:00:00:00:01"},
	{5, "eth / ip src=192.0.2.35 dst=" + clients4 + " / icmp type=unreachable code=3 / ip src=10.64.37.1 dst=192.0.2.35 / udp sport=40000 dport=33434 / zero 32"},
	{5, "eth dst=broadcast / arp spa=10.64.37.1 tpa=" + clients4},
	{5, "eth / ip src=192.0.2.77 dst=" + clients4 + " id=inc:1 flags=mf / udp sport=5000 dport=5001 / random 1472"},
	{5, "eth / ip src=192.0.2.77 dst=" + clients4 + " id=inc:1 frag=185 proto=udp / random 520"},
}

const (
	clients4 = "inc:10.64.37.1-10.64.37.254"
	inner4   = "ip src=" + clients4 + " dst=192.0.2.35 id=inc:1 flags=df / " + segment
	client4  = "eth / " + inner4
	client6  = "eth / ip6 src=inc:2001:db8:85a3:8d3:1319:8a2e:370:1-2001:db8:85a3:8d3:1319:8a2e:370:fe dst=2001:db8::35 / " + segment
	segment  = "tcp sport=rand:50000-50003 dport=443 seq=inc:1000000000 ack=inc:2000000000 win=rand:100-65535 "
	stamps   = "opts=nop,nop,ts:3856219041/2946173530"
)

// makeMixed writes the frames of mix in random order, 10 us apart: 500 times 1,000.
func (b *bench) makeMixed(name string) error {
	const thousands = 500
	kinds := make([]*bufio.Reader, len(mix))
	var order []int
	for i, m := range mix {
		part := filepath.Join(b.dir, fmt.Sprintf("part%d.pcap", i))
		args := []string{"packet", "build", "-w", part, "--seed", fmt.Sprint(i + 1), "--count", fmt.Sprint(m.perMille * thousands)}
		if _, err := b.time(b.wirelab, append(args, strings.Fields(m.spec)...)...); err != nil {
			return err
		}
		file, err := os.Open(part)
		if err != nil {
			return err
		}
		defer file.Close()
		kinds[i] = bufio.NewReader(file)
		for range m.perMille * thousands {
			order = append(order, i)
		}
	}
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	return interleave(name, kinds, order)
}

// interleave writes a pcap file that takes its records from several, in the order given.
func interleave(name string, files []*bufio.Reader, order []int) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	defer file.Close()
	out := bufio.NewWriter(file)
	var header [24]byte
	for _, f := range files {
		if _, err := io.ReadFull(f, header[:]); err != nil {
			return err
		}
	}
	out.Write(header[:])
	for n, i := range order {
		record := header[:16]
		if _, err := io.ReadFull(files[i], record); err != nil {
			return err
		}
		binary.LittleEndian.PutUint32(record, uint32(1_700_000_000+n/100_000))
		binary.LittleEndian.PutUint32(record[4:], uint32(n%100_000*10_000))
		out.Write(record)
		if _, err := io.CopyN(out, files[i], int64(binary.LittleEndian.Uint32(record[8:]))); err != nil {
			return err
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	return file.Close()
}
