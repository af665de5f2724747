package packet

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"wirelab/packet"
)

// maxConversations bounds the memory that a file can cost.
const maxConversations = 20_000

// endpoints is who talks to whom: the outermost IP addresses and ports.
type endpoints struct {
	protocol packet.Layer // TCP, UDP, or the IP version for others
	from, to netip.AddrPort
}

// endpointsOf returns who a frame is from and to, and the index of its transport
// header, -1 if there is none.
func endpointsOf(data []byte, h *packet.Headers) (e endpoints, transport int, ok bool) {
	all := h.All()
	for i := range all {
		one := &all[i]
		b := data[one.Offset : one.Offset+one.Length]
		switch one.Layer {
		case packet.IPv4:
			if ok || len(b) < 20 {
				return e, -1, ok
			}
			e.from = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[12:])), 0)
			e.to = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[16:])), 0)
			e.protocol, ok = one.Layer, true
		case packet.IPv6:
			if ok || len(b) < 40 {
				return e, -1, ok
			}
			e.from = netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[8:])), 0)
			e.to = netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[24:])), 0)
			e.protocol, ok = one.Layer, true
		case packet.TCP, packet.UDP:
			if !ok || one.Quoted || len(b) < 4 {
				return e, -1, ok
			}
			e.protocol = one.Layer
			e.from = netip.AddrPortFrom(e.from.Addr(), binary.BigEndian.Uint16(b))
			e.to = netip.AddrPortFrom(e.to.Addr(), binary.BigEndian.Uint16(b[2:]))
			return e, i, true
		}
	}
	return e, -1, ok
}

// conversation counts both directions; the first frame went from A to B.
type conversation struct {
	endpoints
	number uint64 // of TCP conversations, from 1
	frames [2]uint64
	bytes  [2]uint64
}

type conversations struct {
	index  map[endpoints]int
	list   []conversation
	tcp    uint64
	others uint64 // frames of conversations that were not kept
}

func newConversations() *conversations { return &conversations{index: make(map[endpoints]int)} }

func (c *conversations) add(s *scanned) {
	e, _, ok := endpointsOf(s.frame.Data, &s.headers)
	if !ok {
		return
	}
	at, back := c.find(e)
	if at < 0 {
		c.others++
		return
	}
	c.list[at].frames[back]++
	c.list[at].bytes[back] += uint64(s.frame.Length)
}

// find returns the conversation, new or known, and 1 if e is its way back.
func (c *conversations) find(e endpoints) (at, back int) {
	if at, ok := c.index[e]; ok {
		return at, 0
	}
	if at, ok := c.index[endpoints{e.protocol, e.to, e.from}]; ok {
		return at, 1
	}
	if e.protocol == packet.TCP {
		c.tcp++
	}
	if len(c.list) >= maxConversations {
		return -1, 0
	}
	one := conversation{endpoints: e}
	if e.protocol == packet.TCP {
		one.number = c.tcp
	}
	c.index[e] = len(c.list)
	c.list = append(c.list, one)
	return len(c.list) - 1, 0
}

type conversationReport struct {
	Number   uint64 `json:"tcp_number,omitempty"`
	Protocol string `json:"protocol"`
	A        string `json:"a"`
	B        string `json:"b"`
	FramesAB uint64 `json:"frames_ab"`
	BytesAB  uint64 `json:"bytes_ab"`
	FramesBA uint64 `json:"frames_ba"`
	BytesBA  uint64 `json:"bytes_ba"`
}

// report lists the conversations, those with most bytes first.
func (c *conversations) report() ([]conversationReport, uint64) {
	list := slices.Clone(c.list)
	slices.SortStableFunc(list, func(a, b conversation) int {
		return int(int64(b.bytes[0]+b.bytes[1]) - int64(a.bytes[0]+a.bytes[1]))
	})
	reports := make([]conversationReport, len(list))
	for i, one := range list {
		reports[i] = conversationReport{
			one.number, one.protocol.String(), endText(one.from), endText(one.to),
			one.frames[0], one.bytes[0], one.frames[1], one.bytes[1],
		}
	}
	return reports, c.others
}

func endText(e netip.AddrPort) string {
	if e.Port() == 0 {
		return e.Addr().String()
	}
	return e.String()
}
