package packet

import (
	"bytes"
	"encoding/binary"
)

// Answers says whether a frame answers another one, and how: "SYN-ACK", "RST", "ICMP
// error" and so on; "" if it does not. Both were scanned. An ICMP error answers what
// it quotes; other answers go back between the same addresses and ports.
func Answers(sent []byte, s *Headers, got []byte, g *Headers) string {
	question, answer := transportOf(sent, s), transportOf(got, g)
	switch {
	case question.kind == ARP && answer.kind == ARP:
		return arpAnswer(question.header, answer.header)
	case question.kind == NoLayer || answer.kind == NoLayer:
		return ""
	case answer.kind == ICMP || answer.kind == ICMPv6:
		return icmpAnswer(question, answer, got, g)
	case question.kind != answer.kind || !question.answeredFrom(answer):
		return ""
	case len(answer.header) < 4 || len(question.header) < 4 || !swapped(question.header, answer.header, 2):
		return ""
	case answer.kind == TCP && len(answer.header) >= 14:
		return segmentName(answer.header[13])
	}
	return "UDP"
}

// transport is the outermost header above IP, or an ARP message.
type transport struct {
	kind     Layer
	header   []byte // and what is behind it
	src, dst []byte // addresses of IP
}

func transportOf(frame []byte, h *Headers) (t transport) {
	for _, one := range h.All() {
		b := frame[one.Offset:min(int(one.End), len(frame))]
		switch one.Layer {
		case IPv4:
			if t.src != nil || len(b) < 20 {
				return t
			}
			t.src, t.dst = b[12:16], b[16:20]
		case IPv6:
			if t.src != nil || len(b) < 40 {
				return t
			}
			t.src, t.dst = b[8:24], b[24:40]
		case ARP, TCP, UDP, ICMP, ICMPv6:
			t.kind, t.header = one.Layer, b
			return t
		}
	}
	return t
}

// answeredFrom reports whether an answer goes back between the same addresses. What
// was sent to a group or to all is answered from elsewhere.
func (t transport) answeredFrom(answer transport) bool {
	if len(t.src) != len(answer.src) || !bytes.Equal(t.src, answer.dst) {
		return false
	}
	group := len(t.dst) == 4 && (t.dst[0] >= 224 || t.dst[3] == 255) || len(t.dst) == 16 && t.dst[0] == 0xff
	return group || bytes.Equal(t.dst, answer.src)
}

// swapped reports whether two fields of that size at the beginning are the other way
// round.
func swapped(a, b []byte, size int) bool {
	return bytes.Equal(a[:size], b[size:2*size]) && bytes.Equal(a[size:2*size], b[:size])
}

func segmentName(flags byte) string {
	switch {
	case flags&0x04 != 0:
		return "RST"
	case flags&0x12 == 0x12:
		return "SYN-ACK"
	case flags&0x01 != 0:
		return "FIN"
	}
	return "ACK"
}

// arpAnswer compares the protocol addresses of Ethernet and IPv4.
func arpAnswer(question, answer []byte) string {
	if len(question) < 28 || len(answer) < 28 || answer[7] != 2 {
		return ""
	}
	if !bytes.Equal(question[24:28], answer[14:18]) {
		return ""
	}
	return "ARP reply"
}

// icmpAnswer recognizes replies by their identifier, and errors by what they quote.
func icmpAnswer(question, answer transport, got []byte, g *Headers) string {
	if len(answer.header) < 8 || len(answer.header) == 0 {
		return ""
	}
	kind := answer.header[0]
	if answer.kind == question.kind && len(question.header) >= 8 && question.answeredFrom(answer) {
		same := bytes.Equal(question.header[4:8], answer.header[4:8])
		switch asked := question.header[0]; {
		case answer.kind == ICMP && asked == 8 && kind == 0 && same, answer.kind == ICMPv6 && asked == 128 && kind == 129 && same:
			return "echo reply"
		case answer.kind == ICMP && asked == 13 && kind == 14 && same:
			return "timestamp reply"
		case answer.kind == ICMPv6 && asked == 133 && kind == 134:
			return "router advertisement"
		}
	}
	if answer.kind == ICMPv6 && question.kind == ICMPv6 && neighbourAnswer(question.header, answer.header) {
		return "neighbour advertisement"
	}
	if quotedBy(question, got, g) {
		return "ICMP error"
	}
	return ""
}

// neighbourAnswer compares the target of a solicitation and an advertisement.
func neighbourAnswer(question, answer []byte) bool {
	return len(question) >= 24 && len(answer) >= 24 && question[0] == 135 && answer[0] == 136 && bytes.Equal(question[8:24], answer[8:24])
}

// quotedBy reports whether an error quotes the question: its addresses, and the first
// eight bytes of what they carried as far as routers leave them alone.
func quotedBy(question transport, got []byte, g *Headers) bool {
	quoted := Headers{Link: g.Link, Captured: g.Captured, Original: g.Original}
	for _, one := range g.All() {
		if one.Quoted && quoted.N < MaxHeaders {
			quoted.List[quoted.N] = one
			quoted.N++
		}
	}
	t := transportOf(got, &quoted)
	if t.kind == NoLayer && t.src == nil || !bytes.Equal(t.src, question.src) || !bytes.Equal(t.dst, question.dst) {
		return false
	}
	if t.kind == NoLayer {
		return true // so little is quoted that more cannot be asked
	}
	if t.kind != question.kind || len(t.header) < 4 || len(question.header) < 4 {
		return false
	}
	if t.kind == ICMP || t.kind == ICMPv6 { // type and code; the checksum may have been computed since
		return binary.BigEndian.Uint16(t.header) == binary.BigEndian.Uint16(question.header)
	}
	return bytes.Equal(t.header[:4], question.header[:4])
}
