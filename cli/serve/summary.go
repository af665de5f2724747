package serve

import (
	"fmt"
	"time"

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

// summaryRows is how many UDP peers a summary shows; ps and the logs show all.
const summaryRows = 10

// summarize says what the servers have done.
func (s *service) summarize() error {
	st := s.status()
	if s.app.JSON {
		return term.UnlessGone(s.app.PrintEvent(stopped{Event: "stopped", Schema: term.EventSchema, Status: st}))
	}
	t := look.NewText(s.app.Console, summaryRows, "the logs have all")
	for _, section := range st.Sections {
		v := section.Body.View(section.Name, time.Now())
		t.Line("%s", v.Summary)
		for _, l := range v.Lists {
			t.List(fmt.Sprintf("%s of %d", section.Name, st.PID), l)
		}
	}
	if lost := st.Logs.LostLines; lost > 0 {
		s.app.Complain(fmt.Sprintf("%d log lines were lost", lost))
	}
	return term.UnlessGone(t.Err())
}
