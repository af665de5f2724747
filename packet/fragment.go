package packet

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrDontFragment reports a datagram that is too large and may not be cut.
var ErrDontFragment = errors.New("the datagram has the flag df: set flags=0 to cut it")

// Build completes and compiles a packet and returns its first frame.
func Build(s *Spec) ([]byte, *Template, error) {
	s.Complete(false)
	t, err := s.Compile()
	if err != nil {
		return nil, nil, err
	}
	return t.Append(nil, 0, 0), t, nil
}

// Fragments cuts the outermost datagram of a frame into fragments of at most mtu
// bytes, IP header included, and returns their frames, or the frame alone if it
// is no larger. A fragment is cut further: its offset is added, and its last
// piece keeps "more fragments" (RFC 791, section 3.2; RFC 8200, section 4.5).
// What is wrong with the header's checksum stays wrong.
func Fragments(link LinkType, frame []byte, mtu int) ([][]byte, error) {
	pieces, err := cut(link, frame, mtu)
	var frames [][]byte
	for _, p := range pieces {
		frames = append(frames, p.frame)
	}
	return frames, err
}

// Fragment returns the nth fragment, from 0, of a frame that the Template made, and how
// many there are. The Template beside it knows who set what in it, for [Explain].
func (t *Template) Fragment(frame []byte, mtu, n int) (fragment []byte, made *Template, count int, err error) {
	pieces, err := cut(t.link, frame, mtu)
	if err != nil || n >= len(pieces) {
		return nil, nil, len(pieces), err
	}
	return pieces[n].frame, pieces[n].made(t), len(pieces), nil
}

// A piece is a fragment, with what of it is where in the whole frame.
type piece struct {
	frame    []byte
	kept     int      // bytes at its beginning that are those of the whole, but for computed
	computed [][2]int // ranges of bytes
	from, to int      // content from a byte of the whole on stands here from another on
}

// made returns what explains the piece of a frame that t made.
func (p *piece) made(t *Template) *Template {
	own := &Template{link: t.link, parts: t.parts}
	for _, c := range p.computed {
		own.spans = append(own.spans, span{bit: c[0] * 8, bits: (c[1] - c[0]) * 8, origin: ByComputed})
	}
	for _, s := range t.spans {
		end := s.bit + s.bits
		if s.bit >= p.from*8 {
			s.bit += (p.to - p.from) * 8
		} else if s.bits = min(end, p.kept*8) - s.bit; end > p.from*8 { // begins before the content of this piece
			own.spans = append(own.spans, span{p.to * 8, end - p.from*8, s.origin, s.part, s.field})
		}
		own.spans = append(own.spans, s)
	}
	for _, h := range t.headers {
		if int(h.Offset) >= p.from {
			h.Offset += int32(p.to - p.from)
		} else if int(h.Offset) >= p.kept {
			h.Offset = -1 // in another piece
		}
		own.headers = append(own.headers, h)
	}
	return own
}

// cut makes the pieces that Fragments returns.
func cut(link LinkType, frame []byte, mtu int) ([]piece, error) {
	var h Headers
	Scan(link, frame, len(frame), &h)
	for i, one := range h.All() {
		if one.Layer != IPv4 && one.Layer != IPv6 {
			continue
		}
		if one.Fault != NoFault {
			return nil, fmt.Errorf("packet: %v %v: it cannot be cut", one.Layer, one.Fault)
		}
		if int(one.End-one.Offset) <= mtu {
			return []piece{{frame: frame, kept: len(frame), from: len(frame), to: len(frame)}}, nil
		}
		if one.Layer == IPv4 {
			return fragmentIPv4(frame, one, mtu)
		}
		return fragmentIPv6(frame, h.List[i:h.N], mtu)
	}
	return nil, errors.New("packet: there is no IP header, so nothing can be cut")
}

func fragmentIPv4(frame []byte, ip Header, mtu int) ([]piece, error) {
	start, content := int(ip.Offset), frame[ip.Offset+ip.Length:ip.End]
	header := frame[start : start+int(ip.Length)]
	flagsAndOffset := word(header, 6)
	if flagsAndOffset&0x4000 != 0 {
		return nil, ErrDontFragment
	}
	var all []piece
	for at := 0; at < len(content); {
		own := append([]byte{}, header...)
		if at > 0 {
			own = append(own[:20], copied(header[20:])...)
		}
		room := (mtu - len(own)) &^ 7
		if room <= 0 {
			return nil, fmt.Errorf("packet: an MTU of %d leaves no room behind the IP header", mtu)
		}
		end := min(at+room, len(content))
		bits := flagsAndOffset&^0x1fff | (flagsAndOffset+uint16(at/8))&0x1fff
		if end < len(content) {
			bits |= 0x2000
		}
		right := complement(sumAround(header, 10), false)
		wrong := word(header, 10) - right
		own[0] = own[0]&0xf0 | byte(len(own)/4)
		binary.BigEndian.PutUint16(own[2:], uint16(len(own)+end-at))
		binary.BigEndian.PutUint16(own[6:], bits)
		binary.BigEndian.PutUint16(own[10:], complement(sumAround(own, 10), false)+wrong)
		all = append(all, piece{
			frame: join(frame[:start], own, content[at:end]), kept: start + 20,
			computed: [][2]int{{start, start + 1}, {start + 2, start + 4}, {start + 6, start + 8}, {start + 10, start + 12}, {start + 20, start + len(own)}},
			from:     start + len(header) + at, to: start + len(own),
		})
		at = end
	}
	return all, nil
}

// sumAround sums b up without the 16 bits at an offset.
func sumAround(b []byte, at int) uint16 {
	return fold(uint64(sum(b[:at])) + uint64(sum(b[at+2:])))
}

func join(parts ...[]byte) []byte {
	var all []byte
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// copied returns the options that every fragment repeats (RFC 791, section 3.1).
func copied(options []byte) []byte {
	var kept []byte
	for len(options) > 0 {
		o, whole, _ := ipOptions.next(options)
		if whole == nil || o.kind == 0 {
			break
		}
		if o.kind&0x80 != 0 {
			kept = append(kept, whole...)
		}
		options = options[len(whole):]
	}
	return ipOptions.pad(kept, 20)
}

// fragmentIPv6 cuts behind the headers that routers look at. headers begins with
// the IPv6 header.
func fragmentIPv6(frame []byte, headers []Header, mtu int) ([]piece, error) {
	ip := headers[0]
	nextAt, cut := int(ip.Offset)+6, int(ip.Offset+ip.Length)
	var old []byte // the fragment header that is there already
	for i := 1; i < len(headers); i++ {
		h := headers[i]
		before := h.Layer == HopByHop || h.Layer == Routing || h.Layer == Destination && i+1 < len(headers) && headers[i+1].Layer == Routing
		if h.Layer == Fragment {
			old = frame[h.Offset : h.Offset+h.Length]
		}
		if !before || h.Fault != NoFault {
			break
		}
		nextAt, cut = int(h.Offset), int(h.Offset+h.Length)
	}
	fragment := []byte{frame[nextAt], 0, 0, 0, 0, 0, 0, 1}
	from := cut
	if old != nil {
		copy(fragment, old)
		from += 8
	}
	content := frame[from:ip.End]
	room := (mtu - (cut - int(ip.Offset)) - 8) &^ 7
	if room <= 0 {
		return nil, fmt.Errorf("packet: an MTU of %d leaves no room behind the IPv6 headers", mtu)
	}
	var all []piece
	for at := 0; at < len(content); at += room {
		end := min(at+room, len(content))
		one := join(frame[:cut], fragment, content[at:end])
		bits := word(fragment, 2) + uint16(at)
		if end < len(content) {
			bits |= 1
		}
		binary.BigEndian.PutUint16(one[cut+2:], bits)
		one[nextAt] = 44
		binary.BigEndian.PutUint16(one[ip.Offset+4:], uint16(len(one)-int(ip.Offset)-40))
		all = append(all, piece{
			frame: one, kept: cut, from: from + at, to: cut + 8,
			computed: [][2]int{{int(ip.Offset) + 4, int(ip.Offset) + 6}, {nextAt, nextAt + 1}, {cut, cut + 8}},
		})
	}
	return all, nil
}
