package load

import (
	"encoding/json"
	"fmt"

	"wirelab/cli/term"
)

// printInterval shows what came of an interval as soon as it is over: text for people, and
// as JSON an event in one line.
func (a *app) printInterval(interval any, from, to float64, text string) {
	if !a.JSON {
		fmt.Fprintf(a.Stdout, "%6.2f-%-6.2f s  %s\n", from, to, text)
		return
	}
	fields, err := json.Marshal(interval)
	if err != nil {
		return // figures that are no numbers, of which there are none
	}
	head := fmt.Appendf(nil, `{"schema":%q,"event":"interval",`, term.EventSchema)
	_ = a.PrintEvent(json.RawMessage(append(head, fields[1:]...))) // a reader that has gone is noticed at the report
}
