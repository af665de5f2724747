package udp

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"wirelab/internal/human"
	"wirelab/observe"
	"wirelab/server/internal/counts"
)

// View implements observe.Body.
func (st Status) View(name string, now time.Time) observe.View {
	v := observe.View{
		Columns: counts.Columns(st.Handler, "-", st.Active, st.PeakActive, st.Traffic),
		Details: counts.Phrases(counts.Of("refused", st.Refused), counts.Of("events", st.Events)),
		Lists:   []observe.List{{What: "peer", Grids: []observe.Grid{st.trafficGrid(now), st.differenceGrid()}}},
		Summary: st.summary(name),
	}
	if st.StampSource != "" {
		v.Details = append(v.Details, "stamps from "+st.StampSource)
	}
	if text := st.Batches.String(); text != "" {
		v.Details = append(v.Details, text)
	}
	return v
}

func (st Status) summary(name string) string {
	said := []string{
		name + " stopped: " + human.Counted(uint64(max(st.PeakActive, 0)), "peer") + ", " + human.Counted(st.Traffic.MessagesIn, "datagram") + ", " +
			human.Bytes(st.Traffic.BytesIn) + " in, " + human.Bytes(st.Traffic.BytesOut) + " out",
	}
	said = append(said, counts.Phrases(counts.Of("refused", st.Refused), counts.Of("also", st.Events))...)
	if text := st.Batches.String(); text != "" {
		said = append(said, text)
	}
	return strings.Join(said, "; ")
}

// String says how many datagrams were moved at a time, or nothing if none were.
func (b *Batches) String() string {
	if b == nil || b.Reads == 0 {
		return ""
	}
	text := fmt.Sprintf("%.1f datagrams a read", b.DatagramsPerRead)
	if b.GRO {
		text += fmt.Sprintf(", %.1f segments a message", b.SegmentsPerMessage)
	}
	if b.Writes > 0 {
		text += fmt.Sprintf(", %.1f a write", b.DatagramsPerWrite)
	}
	return text
}

// trafficGrid shows what came from peers. Without any that sends timestamps there is
// no jitter, and its room is left to the figures that there are.
func (st Status) trafficGrid(now time.Time) observe.Grid {
	const jitterAt = 6
	g := observe.Grid{Headings: []string{"PEER", ">PACKETS", ">BYTES", ">LOST", ">REORD", ">DUP", ">FIRST", ">LAST SEEN"}}
	stamped := slices.ContainsFunc(st.Peers, func(p Peer) bool { return p.Diff != nil })
	if stamped {
		g.Headings = slices.Insert(g.Headings, jitterAt, ">JITTER")
	}
	for _, p := range st.Peers {
		row := []string{
			p.Peer, human.Count(p.Packets), human.Bytes(p.Bytes), human.Count(p.Lost), human.Count(p.Reordered), human.Count(p.Duplicate),
			counts.Ago(p.FirstSeen, now), counts.Ago(p.LastSeen, now),
		}
		if stamped {
			row = slices.Insert(row, jitterAt, p.jitter())
		}
		g.Rows = append(g.Rows, row)
	}
	return g
}

func (p Peer) jitter() string {
	if p.Diff == nil {
		return "-"
	}
	return human.Micros(p.JitterUS)
}

// differenceGrid is beside the other, because one would be too wide for a terminal.
func (st Status) differenceGrid() observe.Grid {
	g := observe.Grid{Headings: []string{"PEER", ">DIFFERENCE MIN", ">MEDIAN", ">P99", ">LAST", ">OF"}}
	for _, p := range st.Peers {
		var row []string
		if d := p.Diff; d != nil {
			row = []string{p.Peer, human.Micros(d.Min), human.Micros(d.Median), human.Micros(d.P99), human.Micros(d.Last), human.Count(uint64(max(d.Window, 0)))}
		}
		g.Rows = append(g.Rows, row)
	}
	return g
}
