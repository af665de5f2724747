package packet

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// workOut works the checksum of all[i] out, step by step; nil where it has none.
func workOut(frame []byte, all []Header, i int, known Offload) *ChecksumSteps {
	var check Check
	if !check.verify(frame, all, i, known) {
		return nil
	}
	h := &all[i]
	s := &ChecksumSteps{Verdict: check.Verdict, Offset: check.Offset, Found: hex16(check.Found), Why: why(frame, all, i, check)}
	var c coverage
	if !c.find(frame, all, i) || !verifiable(frame, h, &c) {
		return s
	}
	s.Right = hex16(check.Right)
	s.pseudo(frame, &c)
	total := uint64(0)
	for at := c.from; at < c.to; {
		end := min(c.to, int(h.Offset+h.Length))
		name := "header, the checksum as 0000"
		if at >= int(h.Offset+h.Length) {
			end, name = c.to, "content"
		}
		b := append([]byte{}, frame[at:end]...)
		if at <= c.at && c.at < end {
			b[c.at-at], b[c.at-at+1] = 0, 0
		}
		s.term(name, b)
		at = end
	}
	for _, t := range s.Terms {
		total += t.sum
	}
	s.Sum = fmt.Sprintf("%x", total)
	s.Folded = hex16(fold(total))
	s.Complement = hex16(^fold(total))
	return s
}

func hex16(v uint16) string { return fmt.Sprintf("%04x", v) }

// pseudo adds the terms of the pseudo header.
func (s *ChecksumSteps) pseudo(frame []byte, c *coverage) {
	if !c.pseudo {
		return
	}
	s.term("pseudo header: source address", frame[c.src:c.src+c.address])
	s.term("pseudo header: destination address", frame[c.dst:c.dst+c.address])
	s.term("pseudo header: protocol", []byte{0, c.protocol})
	if c.length > 0xffff {
		s.term("pseudo header: length", []byte{byte(c.length >> 24), byte(c.length >> 16), byte(c.length >> 8), byte(c.length)})
	} else {
		s.term("pseudo header: length", []byte{byte(c.length >> 8), byte(c.length)})
	}
}

// term adds the sum of b, not folded.
func (s *ChecksumSteps) term(name string, b []byte) {
	const shown = 32 // words
	var words strings.Builder
	var n uint64
	for i := 0; i < len(b); i += 2 {
		pair := [2]byte{b[i]}
		if i+1 < len(b) {
			pair[1] = b[i+1]
		}
		n += uint64(pair[0])<<8 | uint64(pair[1])
		if i/2 < shown {
			if i > 0 {
				words.WriteByte(' ')
			}
			words.WriteString(hex.EncodeToString(pair[:]))
		}
	}
	if len(b) > 2*shown {
		fmt.Fprintf(&words, " and %d more", (len(b)+1)/2-shown)
	}
	s.Terms = append(s.Terms, Term{name, words.String(), fmt.Sprintf("%x", n), n})
}

// why says what a verdict is based on, where the numbers do not say it.
func why(frame []byte, all []Header, i int, c Check) string {
	h := &all[i]
	switch c.Verdict {
	case Absent:
		return "0 says that there is no checksum (RFC 768)"
	case Partial:
		return "the sum of the pseudo header: a device computes the rest when the frame leaves"
	case Unverified:
		switch {
		case h.Partial:
			return "only a fragment of what it covers is here"
		case int(h.End) > len(frame):
			return "the capture cut what it covers"
		}
		return "the headers are not sound"
	case Bad:
		switch {
		case h.Fault == LongContent || h.Fault == ShortContent || h.Fault == LongHeader || h.Fault == ShortLength:
			return "it " + h.Fault.String()
		case h.Layer == UDP && c.Found == 0:
			return "over IPv6 a checksum is required (RFC 8200, section 8.1)"
		case h.Layer == UDP && c.Right == 0xffff:
			return "a checksum of 0 is sent as ffff"
		}
	case Good:
		if c.Found != c.Right {
			return "0 and ffff are the same number in ones' complement"
		}
	}
	return ""
}
