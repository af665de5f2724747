package serve

import (
	"fmt"
	"strings"

	"wirelab/cli/look"
	"wirelab/cli/term"
	"wirelab/observe"
)

// stopped is the last line of a service with -o json.
type stopped struct {
	Event          string `json:"event"`  // "stopped"
	Schema         string `json:"schema"` // term.EventSchema, in place of that of the status
	observe.Status        // at the end
}

// summaryPeers is how many UDP peers a summary shows; ps and the logs show all.
const summaryPeers = 10

// summarize says what the servers have done.
func (s *service) summarize() error {
	st := s.status()
	if s.app.JSON {
		return term.UnlessGone(s.app.PrintEvent(stopped{Event: "stopped", Schema: term.EventSchema, Status: st}))
	}
	t := look.NewText(s.app.Console, summaryPeers, "the logs have all")
	for _, sv := range st.Servers {
		t.Line("%s", serverSummary(sv))
		t.Peers(st, sv)
	}
	if lost := st.Logs.LostLines; lost > 0 {
		s.app.Complain(fmt.Sprintf("%d log lines were lost", lost))
	}
	return term.UnlessGone(t.Err())
}

// serverSummary sums up a server that has stopped.
func serverSummary(sv observe.Server) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s stopped: ", sv.Network, sv.Addr)
	if sv.Network == "tcp" {
		fmt.Fprintf(&b, "%s, at most %s at once", term.Counted(sv.Accepted, "connection"), term.Count(uint64(sv.PeakActive)))
	} else {
		fmt.Fprintf(&b, "%s, %s", term.Counted(uint64(sv.Active), "peer"), term.Counted(sv.Traffic.MessagesIn, "datagram"))
	}
	fmt.Fprintf(&b, ", %s in, %s out", term.Bytes(sv.Traffic.BytesIn), term.Bytes(sv.Traffic.BytesOut))
	for _, c := range []struct {
		what   string
		counts map[string]uint64
	}{{"refused", sv.Refused}, {"ended", sv.Closed}, {"also", sv.Events}} {
		if text := look.CountsText(c.counts); text != "" {
			fmt.Fprintf(&b, "; %s %s", c.what, text)
		}
	}
	if text := look.BatchesText(sv.Batches); text != "" {
		b.WriteString("; " + text)
	}
	return b.String()
}
