package packet

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"net/netip"
	"slices"
	"strings"
	"time"

	"wirelab/cli/term"
	"wirelab/packet"
	"wirelab/wire/capfile"
	"wirelab/wire/filter"
)

// layerCount is more than there are layers and verdicts.
const (
	layerCount   = 64
	verdictCount = 8
)

// totals counts frames. Adding one allocates nothing.
type totals struct {
	packets   uint64
	bytes     uint64 // on the wire
	captured  uint64
	malformed uint64
	truncated uint64
	first     int64 // earliest and latest time, if timed
	last      int64
	timed     bool
	layers    [layerCount]uint64 // frames with the layer
	verdicts  [layerCount][verdictCount]uint64
}

func (t *totals) add(s *scanned) {
	f := s.frame
	t.packets++
	t.bytes += uint64(max(f.Length, len(f.Data)))
	t.captured += uint64(len(f.Data))
	if f.Timed {
		if !t.timed {
			t.timed, t.first, t.last = true, f.Time, f.Time
		}
		t.first, t.last = min(t.first, f.Time), max(t.last, f.Time)
	}
	for layers := s.headers.Layers(); layers != 0; layers &= layers - 1 {
		t.layers[bits.TrailingZeros64(layers)]++
	}
	for i := range s.checks {
		t.verdicts[s.checks[i].Layer%layerCount][s.checks[i].Verdict%verdictCount]++
	}
	if _, malformed := s.headers.Malformed(); malformed {
		t.malformed++
	}
	if s.headers.Truncated() {
		t.truncated++
	}
}

// merge adds what another has counted.
func (t *totals) merge(o *totals) {
	t.packets, t.bytes, t.captured = t.packets+o.packets, t.bytes+o.bytes, t.captured+o.captured
	t.malformed, t.truncated = t.malformed+o.malformed, t.truncated+o.truncated
	switch {
	case o.timed && t.timed:
		t.first, t.last = min(t.first, o.first), max(t.last, o.last)
	case o.timed:
		t.timed, t.first, t.last = true, o.first, o.last
	}
	for layer := range t.layers {
		t.layers[layer] += o.layers[layer]
		for verdict := range t.verdicts[layer] {
			t.verdicts[layer][verdict] += o.verdicts[layer][verdict]
		}
	}
}

// readReport is the result of reading a capture file: wirelab.packet.read/1.
type readReport struct {
	Schema        string                                     `json:"schema"`
	File          string                                     `json:"file"`
	Format        string                                     `json:"format"`
	Packets       uint64                                     `json:"packets"`
	Bytes         uint64                                     `json:"length_bytes"`
	Captured      uint64                                     `json:"captured_bytes"`
	FirstNs       *int64                                     `json:"first_time_ns"`
	LastNs        *int64                                     `json:"last_time_ns"`
	Protocols     map[packet.Layer]uint64                    `json:"protocols"`
	Checksums     map[packet.Layer]map[packet.Verdict]uint64 `json:"checksums"`
	Malformed     uint64                                     `json:"malformed"`
	Truncated     uint64                                     `json:"truncated"`
	Interfaces    []interfaceReport                          `json:"interfaces"`
	Conversations []conversationReport                       `json:"conversations,omitempty"`
	Others        uint64                                     `json:"conversations_not_kept,omitempty"`
	Damage        *damageReport                              `json:"damage"`
	Dropped       *uint64                                    `json:"dropped"`
}

type damageReport struct {
	Offset int64  `json:"offset"`
	Reason string `json:"reason"`
}

type interfaceReport struct {
	Name    string  `json:"name"`
	Link    string  `json:"link_type"`
	Number  uint16  `json:"link_type_number"`
	Filter  string  `json:"filter,omitempty"`
	Dropped *uint64 `json:"dropped"`
}

func (v *viewer) report(s *source, damage *capfile.DamageError) readReport {
	t := &v.totals
	r := readReport{
		Schema: "wirelab.packet.read/1", File: s.name, Format: s.reader.Format(),
		Packets: t.packets, Bytes: t.bytes, Captured: t.captured, Malformed: t.malformed, Truncated: t.truncated,
		Protocols: make(map[packet.Layer]uint64), Checksums: make(map[packet.Layer]map[packet.Verdict]uint64),
	}
	if t.timed {
		r.FirstNs, r.LastNs = &t.first, &t.last
	}
	for layer := range layerCount {
		if n := t.layers[layer]; n > 0 {
			r.Protocols[packet.Layer(layer)] = n
		}
		for verdict, n := range t.verdicts[layer] {
			if n == 0 {
				continue
			}
			if r.Checksums[packet.Layer(layer)] == nil {
				r.Checksums[packet.Layer(layer)] = make(map[packet.Verdict]uint64)
			}
			r.Checksums[packet.Layer(layer)][packet.Verdict(verdict)] = n
		}
	}
	if damage != nil {
		r.Damage = &damageReport{damage.Offset, damage.Reason}
	}
	if n, known := s.reader.Dropped(); known {
		r.Dropped = &n
	}
	for _, i := range s.reader.Interfaces() {
		one := interfaceReport{Name: i.Name, Link: i.Link.String(), Number: uint16(i.Link), Filter: i.Filter}
		if n, known := i.Dropped(); known {
			one.Dropped = &n
		}
		r.Interfaces = append(r.Interfaces, one)
	}
	if v.conversations != nil {
		r.Conversations, r.Others = v.conversations.report()
	}
	return r
}

// verdict is the error that ends the command: a damaged file, or with --verify a bad
// checksum.
func (r *readReport) verdict(name string, verify bool) error {
	if r.Damage != nil {
		return term.FailedCheck(fmt.Errorf("%s: damaged at byte %d: %s; what came before was read", name, r.Damage.Offset, r.Damage.Reason))
	}
	for _, verdicts := range r.Checksums {
		if verify && verdicts[packet.Bad] > 0 {
			return term.ErrCheckFailed
		}
	}
	return nil
}

// usageOf makes a mistake in a filter a mistake of usage.
func usageOf(err error) error {
	var mistake *filter.Error
	if errors.As(err, &mistake) {
		return term.Usagef("%w", err)
	}
	return err
}

// printReport prints the statistics for people: all of them, or the verdicts alone.
func (a *app) printReport(out *bufio.Writer, r readReport, flags readFlags) {
	if !flags.statistics && !flags.verify {
		return
	}
	p := a.Colors(a.Stdout)
	lines := [][2]string{{"frames", fmt.Sprintf("%s, %s on the wire, %s captured", term.Count(r.Packets), term.Bytes(r.Bytes), term.Bytes(r.Captured))}}
	if r.FirstNs != nil {
		span := time.Duration(*r.LastNs - *r.FirstNs)
		lines = append(lines, [2]string{"time", fmt.Sprintf("%s, %s", time.Unix(0, *r.FirstNs).Format("2006-01-02 15:04:05.000000000"), term.Duration(span))})
	}
	bad := r.Malformed > 0
	if r.Malformed > 0 || r.Truncated > 0 {
		lines = append(lines, [2]string{"wrong", fmt.Sprintf("%s malformed, %s cut by the capture", term.Count(r.Malformed), term.Count(r.Truncated))})
	}
	if r.Dropped != nil {
		lines = append(lines, [2]string{"dropped", term.Count(*r.Dropped) + " by the capture"})
	}
	for layer := range packet.Layer(layerCount - 1) {
		if verdicts, ok := r.Checksums[layer]; ok {
			lines = append(lines, [2]string{layer.String(), verdictText(verdicts)})
			bad = bad || verdicts[packet.Bad] > 0
		}
	}
	var b strings.Builder
	term.WriteReport(&b, p, term.OneLine(r.File), !bad && r.Damage == nil, lines)
	out.WriteString(b.String())
	if flags.statistics {
		a.printTables(out, r)
	}
}

func verdictText(verdicts map[packet.Verdict]uint64) string {
	var parts []string
	for _, v := range []packet.Verdict{packet.Good, packet.Bad, packet.Partial, packet.Absent, packet.Unverified} {
		if n := verdicts[v]; n > 0 {
			parts = append(parts, term.Count(n)+" "+v.String())
		}
	}
	return strings.Join(parts, ", ")
}

// printTables prints protocols and conversations.
func (a *app) printTables(out *bufio.Writer, r readReport) {
	p, width := a.Colors(a.Stdout), term.Room(a.Stdout)
	protocols := term.NewTable("protocol", ">frames", ">share")
	for layer := range packet.Layer(layerCount - 1) {
		if n := r.Protocols[layer]; n > 0 {
			protocols.Row(layer, n, term.Percent(float64(n)/float64(r.Packets)))
		}
	}
	out.WriteByte('\n')
	_ = protocols.Write(out, width, p) // out keeps its error for Flush
	if len(r.Conversations) == 0 {
		return
	}
	out.WriteByte('\n')
	table := term.NewTable("conversation", ">tcp", ">frames", ">bytes", ">back", ">bytes back")
	for _, c := range r.Conversations {
		number := ""
		if c.Number > 0 {
			number = fmt.Sprint(c.Number)
		}
		table.Row(c.Protocol+" "+c.A+" > "+c.B, number, c.FramesAB, c.BytesAB, c.FramesBA, c.BytesBA)
	}
	_ = table.Write(out, width, p)
	if r.Others > 0 {
		fmt.Fprintf(out, "and %s in more conversations than are kept\n", term.Counted(r.Others, "frame"))
	}
}

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
