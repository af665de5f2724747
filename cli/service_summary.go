package cli

import (
	"fmt"
	"strings"
	"time"

	"wirelab/observe"
)

// stopped is the last line of a service with -o json.
type stopped struct {
	Event          string `json:"event"`  // "stopped"
	Schema         string `json:"schema"` // eventSchema, in place of that of the status
	observe.Status        // at the end
}

// summaryPeers is how many UDP peers a summary shows; ps and the logs show all.
const summaryPeers = 10

// summarize says what the servers have done.
func (s *service) summarize() error {
	st := s.status()
	if s.app.json() {
		return unlessGone(s.app.printEvent(stopped{Event: "stopped", Schema: eventSchema, Status: st}))
	}
	t := psText{out: s.app.stdout, width: room(s.app.stdout), palette: s.app.colors(s.app.stdout), now: time.Now(), peers: summaryPeers, rest: "the logs have all"}
	for _, sv := range st.Servers {
		t.line("%s", serverSummary(sv))
		t.peerTables(st, sv)
	}
	if lost := st.Logs.LostLines; lost > 0 {
		s.app.complain(fmt.Sprintf("%d log lines were lost", lost))
	}
	return unlessGone(t.err)
}

// serverSummary sums up a server that has stopped.
func serverSummary(sv observe.Server) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s stopped: ", sv.Network, sv.Addr)
	if sv.Network == "tcp" {
		fmt.Fprintf(&b, "%s, at most %s at once", counted(sv.Accepted, "connection"), formatCount(uint64(sv.PeakActive)))
	} else {
		fmt.Fprintf(&b, "%s, %s", counted(uint64(sv.Active), "peer"), counted(sv.Traffic.MessagesIn, "datagram"))
	}
	fmt.Fprintf(&b, ", %s in, %s out", formatBytes(sv.Traffic.BytesIn), formatBytes(sv.Traffic.BytesOut))
	for _, c := range []struct {
		what   string
		counts map[string]uint64
	}{{"refused", sv.Refused}, {"ended", sv.Closed}, {"also", sv.Events}} {
		if text := countsText(c.counts); text != "" {
			fmt.Fprintf(&b, "; %s %s", c.what, text)
		}
	}
	if text := batchesText(sv.Batches); text != "" {
		b.WriteString("; " + text)
	}
	return b.String()
}

// counted writes n and what it counts: 1 peer, 2 peers.
func counted(n uint64, what string) string {
	if n != 1 {
		what += "s"
	}
	return formatCount(n) + " " + what
}
