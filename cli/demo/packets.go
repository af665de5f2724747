package demo

import (
	"encoding/json"
	"fmt"
	"net"
	"strings"

	"wirelab/internal/human"
	"wirelab/lab"
)

// tellPackets makes packets by hand, sends and captures them, and has their checksums
// judged by several programs.
func tellPackets(s *story) error {
	if err := s.explained(); err != nil {
		return err
	}
	file, bad, err := s.exchanged()
	if err == nil && file == "" {
		file, bad, err = s.written()
	}
	if err != nil {
		return err
	}
	return s.judged(file, bad)
}

// explained builds a packet and has every byte of it explained.
func (s *story) explained() error {
	s.say("A packet is written as it is read, from layer to layer. What is not said, lengths and checksums among it, is filled in, and every byte can be explained.")
	args := strings.Fields("packet build ip src=192.0.2.1 dst=192.0.2.35 id=0 flags=0 / udp sport=40000 dport=9 / text hello")
	const right = "45000021000000004011f6a7c0000201c00002239c400009000d9b9368656c6c6f"
	text, _, err := s.wirelab(s.pair.Client, "", args...)
	if err != nil {
		return err
	}
	built := strings.TrimSpace(text)
	s.quote(built, 2)
	s.check(Step{Say: "a packet built by hand", Host: s.pair.Client.Name, Command: spell(args, ""), Expected: right, Found: fmt.Sprintf("%d bytes, the very ones of RFC 791 and 768", len(built)/2), Holds: built == right})

	args = strings.Fields("packet explain ip src=192.0.2.1 dst=192.0.2.35 / udp sport=40000 dport=9 csum=bad / text hello")
	if text, _, err = s.wirelab(s.pair.Client, "", args...); err != nil {
		return err
	}
	at := strings.Index(text, "udp  ")
	s.quote(text[max(at, 0):], 14)
	s.check(Step{Say: "a wrong checksum explained", Host: s.pair.Client.Name, Command: spell(args, ""), Expected: "a checksum named bad, and the right one",
		Found: "the checksum of UDP is named bad, that of IP good", Holds: at >= 0 && strings.Contains(text[at:], "bad") && strings.Contains(text[:at], "good")})
	return nil
}

// exchanged sends packets to servers while they are captured. It returns the capture
// file, "" where nothing could be sent, and how many bad checksums are in it.
func (s *story) exchanged() (file string, bad int, err error) {
	port := "12345"
	iface := lab.Link
	if !s.pair.Virtual() {
		port, iface = "12355", "lo"
	}
	server := s.pair.Server.Addr.String()
	s.say("Servers on one host; on the other, packets that no socket has made. All that passes is captured.")
	if _, err := s.start(s.pair.Server, "on udp", "up", "--bind", server, "--port", port); err != nil {
		return "", 0, fmt.Errorf("start the servers: %w", err)
	}
	const capture = "demo.pcapng"
	recorder, err := s.start(s.pair.Server, "", "packet", "capture", "--iface", iface, "-w", capture, "--duration", "20s", "port", port)
	if err != nil {
		return "", 0, err
	}
	ip := []string{"ip", "dst=" + server, "/"}
	sent := false
	for _, p := range []struct {
		say, expected string
		options       []string
		layers        string
		want          string // in what is printed
		found         string
		answered      bool
	}{
		{"a datagram", "the answer of the UDP server", nil, "udp dport=" + port + " / text hello", "answer", "answered by the UDP server", true},
		{"a SYN", "the SYN-ACK of the TCP server", nil, "tcp dport=" + port + " flags=syn opts=mss:1460,sackok", "syn,ack", "answered by a SYN-ACK", true},
		{"a connection by hand", "hello comes back, and the kernel resets nothing", []string{"--handshake"}, "tcp dport=" + port + " / text hello", "received 5 bytes", "opened, 5 bytes there and back, closed, and no reset by the kernel", true},
		{"a bad checksum", "no answer: the kernel throws it away", nil, "udp dport=" + port + " csum=bad / text hello", "answer", "sent, and answered by nobody", false},
	} {
		args := append(append([]string{"packet", "send"}, p.options...), append(ip[:3:3], strings.Fields(p.layers)...)...)
		if p.options == nil {
			args = append(args, "--quiet")
		}
		step := Step{Say: p.say, Host: s.pair.Client.Name, Command: spell(args, ""), Expected: p.expected, Found: p.found}
		text, status, err := s.wirelab(s.pair.Client, "", args...)
		if err != nil {
			return "", 0, err
		}
		if status == 3 {
			step.Skipped = strings.TrimPrefix(strings.TrimSpace(text), "wirelab: ")
			s.check(step)
			return "", 0, nil
		}
		s.quote(text, 12)
		sent = true
		step.Holds = strings.Contains(text, p.want) == p.answered
		if !step.Holds {
			step.Found = fmt.Sprintf("status %d, and no such thing", status)
		}
		s.check(step)
	}
	recorder.stop()
	if !sent {
		return "", 0, nil
	}
	return capture, 1, nil
}

// written puts packets into a capture file without sending them, which takes no privilege.
func (s *story) written() (file string, bad int, err error) {
	s.say("What may not be sent can be written into a capture file all the same: here a packet with a wrong checksum.")
	args := strings.Fields("packet build --ethernet ip src=192.0.2.1 dst=192.0.2.35 / udp sport=40000 dport=9 csum=bad / text hello -w demo.pcapng")
	text, status, err := s.wirelab(s.pair.Client, "", args...)
	if err == nil && status != 0 {
		err = fmt.Errorf("packet build ended with status %d: %s", status, text)
	}
	return "demo.pcapng", 1, err
}

// judged has the checksums of the capture judged, by us and by others.
func (s *story) judged(file string, bad int) error {
	s.say("The capture is read back. Checksums that the kernel had left to the device are partial, not bad; the one that was made bad is.")
	args := []string{"packet", "read", file, "--verify"}
	text, _, err := s.wirelab(s.pair.Server, "", args...)
	if err != nil {
		return err
	}
	s.quote(text, 8)
	text, _, err = s.quietly(s.pair.Server, "", s.program, append(args, "-o", "json")...)
	if err != nil {
		return err
	}
	var r struct {
		Packets   uint64                    `json:"packets"`
		Checksums map[string]map[string]int `json:"checksums"`
	}
	step := Step{Say: "verified by us", Host: s.pair.Server.Name, Command: spell(args, ""), Expected: fmt.Sprintf("%d bad checksum, of UDP", bad)}
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		s.failed(step, err)
		return nil
	}
	step.Holds = r.Packets > 0 && r.Checksums["udp"]["bad"] == bad && r.Checksums["tcp"]["bad"] == 0 && r.Checksums["ip"]["bad"] == 0
	step.Found = fmt.Sprintf("%s, %d bad checksum of UDP, %d of TCP, %d of IP", human.Counted(r.Packets, "frame"), r.Checksums["udp"]["bad"], r.Checksums["tcp"]["bad"], r.Checksums["ip"]["bad"])
	s.check(step)
	for _, other := range []struct {
		name string
		args []string
		word string
	}{
		{"tcpdump", []string{"-nvv", "-r", file, "udp"}, "bad udp cksum"},
		{"tshark", []string{"-r", file, "-o", "udp.check_checksum:TRUE", "-Y", "udp.checksum.status == 0"}, "UDP"},
	} {
		if err := s.judgedBy(other.name, other.args, other.word, bad); err != nil {
			return err
		}
	}
	return nil
}

// judgedBy counts the bad checksums that another program finds. It takes one that the
// kernel has left to the device for bad, so that it may find more.
func (s *story) judgedBy(name string, args []string, word string, bad int) error {
	command := name + " " + strings.Join(args, " ")
	step := Step{Say: "verified by " + name, Host: s.pair.Server.Name, Command: command, Expected: "the one bad checksum, and those that are partial, which it does not know"}
	program := installed(name)
	if program == "" {
		step.Skipped = name + " is not installed"
		s.check(step)
		return nil
	}
	s.showCommand(s.pair.Server, command)
	text, status, err := s.quietly(s.pair.Server, "", program, args...)
	if err != nil {
		return err
	}
	if status != 0 && strings.Contains(text, "not permitted") { // as the root of a namespace it cannot become another user
		complaint := strings.TrimSpace(text)
		step.Skipped = fmt.Sprintf("%s does not run here: %s", name, complaint[strings.LastIndexByte(complaint, '\n')+1:])
		s.check(step)
		return nil
	}
	n := strings.Count(text, word)
	step.Holds = n >= bad
	step.Found = fmt.Sprintf("%s calls %d of UDP bad: that one, and those left to the device", name, n)
	if n == bad {
		step.Found = fmt.Sprintf("%s finds the same one", name)
	}
	s.check(step)
	return nil
}

// reachable reports whether a TCP server answers a client.
func (s *story) reachable(port string) (bool, error) {
	target := net.JoinHostPort(s.pair.Server.Addr.String(), port)
	text, _, err := s.wirelab(s.pair.Client, "hello\n", "connect", "tcp", target, "--timeout", "1s")
	if err != nil {
		return false, err
	}
	s.quote(text, 1)
	return strings.HasPrefix(text, "hello"), nil
}
