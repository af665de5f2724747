package observe

import (
	"encoding/json"
	"fmt"
	"time"
)

// StatusSchema names the form of a Status in JSON.
const StatusSchema = "wirelab.status/1"

// Status is the state of one wirelab process, as `wirelab ps -o json` shows
// it. It is a snapshot: counters of one section agree with each other only as far
// as what is running allows.
type Status struct {
	Schema   string    `json:"schema"` // StatusSchema
	PID      int       `json:"pid"`
	Command  string    `json:"command"`
	Since    time.Time `json:"since"`
	Logs     LogStatus `json:"logs"`
	Sections []Section `json:"servers"`
}

// LogStatus says what became of the log lines of a process.
type LogStatus struct {
	Dir       string `json:"dir,omitempty"` // empty: no log files
	Lines     uint64 `json:"lines"`
	LostLines uint64 `json:"lost_lines"`
}

// A Section is what one part of a process, such as a server, says of itself. In JSON it
// is its owner's object with name and kind in front.
type Section struct {
	Name string // as people know the part: "udp 127.0.0.1:12345"
	Kind string // names the type of Body
	Body Body
}

// A Body is what a section holds: a value of its owner that marshals to a JSON
// object without the keys "name" and "kind".
type Body interface {
	// View is what people see of it at that time.
	View(name string, now time.Time) View
}

// A Kicker is a Body with connections that a person may want to end.
type Kicker interface {
	// Connection returns who is at the other end of the open connection with that id.
	Connection(id uint64) (peer string, open bool)
}

// A Counter is a Body that counts what its part has moved so far. Who looks at it twice has
// rates.
type Counter interface{ Counts() Counts }

// Counts are what a part has moved since it began.
type Counts struct {
	Connections uint64 // accepted; of datagrams none
	Active      int    // connections or peers now
	MessagesIn, MessagesOut,
	BytesIn, BytesOut uint64
}

// MarshalJSON puts name and kind in front of the body's keys.
func (s Section) MarshalJSON() ([]byte, error) {
	head, err := json.Marshal(sectionHead{s.Name, s.Kind})
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(s.Body)
	switch {
	case err != nil:
		return nil, err
	case len(body) < 2 || body[0] != '{':
		return nil, fmt.Errorf("section %s: its body is no JSON object", s.Name)
	case string(body) == "{}":
		return head, nil
	}
	return append(append(head[:len(head)-1], ','), body[1:]...), nil
}

// UnmarshalJSON leaves the body as it came, a Raw, until Decode is told its type.
func (s *Section) UnmarshalJSON(text []byte) error {
	var head sectionHead
	if err := json.Unmarshal(text, &head); err != nil {
		return err
	}
	s.Name, s.Kind, s.Body = head.Name, head.Kind, Raw(append([]byte(nil), text...))
	return nil
}

type sectionHead struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
}

// A Kind is a type of bodies. Each owner lists its own.
type Kind struct {
	Name   string
	Decode func(text []byte) (Body, error)
}

// KindOf returns the kind of that name whose bodies are of type B.
func KindOf[B Body](name string) Kind {
	return Kind{Name: name, Decode: func(text []byte) (Body, error) {
		var b B
		err := json.Unmarshal(text, &b)
		return b, err
	}}
}

// Decode gives the sections that came as JSON their types. Those of other kinds
// stay Raw.
func (s *Status) Decode(kinds []Kind) error {
	for i := range s.Sections {
		section := &s.Sections[i]
		raw, ok := section.Body.(Raw)
		for _, kind := range kinds {
			if !ok || kind.Name != section.Kind {
				continue
			}
			body, err := kind.Decode(raw)
			if err != nil {
				return fmt.Errorf("section %s: %w: %w", section.Name, ErrControlReply, err)
			}
			section.Body = body
		}
	}
	return nil
}

// A Source is a part that can be looked at while it runs, from any goroutine.
type Source interface {
	// Section returns a snapshot, which belongs to the caller.
	Section() Section
}

// A KickSource is a Source whose connections can be ended.
type KickSource interface {
	// Kick ends the connection with that id and reports whether there was one.
	Kick(id uint64) bool
}
