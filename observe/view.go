package observe

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// A View is what people see of a section. It knows nothing of a terminal: who shows
// it lays it out, replaces what is not fit to be shown, and cuts what is too long.
type View struct {
	Columns []Column // the section's row in a table of all; columns of the same name are one
	Details []string // what else was counted, each a short phrase
	Lists   []List   // what the section has many of
	Summary string   // what it has done, once it has stopped
}

// A Column is one cell of a section's row.
type Column struct {
	Name   string
	Text   string
	Number bool // flush right
}

// A List is what a section has many of, such as connections, side by side in one or
// several grids.
type List struct {
	What  string // one of them: "connection"
	Grids []Grid
}

// Len returns how many there are.
func (l List) Len() int {
	if len(l.Grids) == 0 {
		return 0
	}
	return len(l.Grids[0].Rows)
}

// A Grid shows each item of a list in a row. Where an item has nothing to show in a
// grid, its row is nil.
type Grid struct {
	Headings []string // of the columns; with ">" in front, of numbers
	Rows     [][]string
}

// A Raw is the body of a section of a kind that is not known here.
type Raw []byte

// MarshalJSON returns the body without the keys that a Section has in front.
func (r Raw) MarshalJSON() ([]byte, error) {
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(r, &keys); err != nil {
		return nil, err
	}
	delete(keys, "name")
	delete(keys, "kind")
	return json.Marshal(keys)
}

// View shows the plain values.
func (r Raw) View(name string, _ time.Time) View {
	var keys map[string]any
	if err := json.Unmarshal(r, &keys); err != nil {
		return View{Summary: name + " stopped"}
	}
	var said []string
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		switch value := keys[key].(type) {
		case string, float64, bool:
			if key != "name" && key != "kind" {
				said = append(said, fmt.Sprintf("%s %v", strings.ReplaceAll(key, "_", " "), value))
			}
		}
	}
	return View{Details: said, Summary: name + " stopped: " + strings.Join(said, ", ")}
}
