package observe

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A section is one JSON object, whoever its owner is, and stays the same when it is
// passed on by who does not know its kind.
func TestSectionInJSON(t *testing.T) {
	for want, body := range map[string]Body{
		`{"name":"lamp east","kind":"lamp","lit":true,"hours":5}`: lamp{true, 5},
		`{"name":"lamp east","kind":"lamp"}`:                      empty{},
	} {
		text, err := json.Marshal(Section{Name: "lamp east", Kind: "lamp", Body: body})
		if err != nil || string(text) != want {
			t.Errorf("%s, %v", text, err)
		}
		var passedOn Section
		if err := json.Unmarshal(text, &passedOn); err != nil {
			t.Fatal(err)
		}
		again, err := json.Marshal(passedOn)
		if err != nil || len(again) != len(want) || !strings.HasPrefix(string(again), `{"name":"lamp east","kind":"lamp"`) {
			t.Errorf("passed on: %s, %v", again, err)
		}
	}
	if text, err := json.Marshal(Section{Name: "x", Kind: "x", Body: number(7)}); err == nil {
		t.Errorf("a body that is no object: %s", text)
	}
}

type empty struct{}

func (empty) View(string, time.Time) View { return View{} }

type number int

func (number) View(string, time.Time) View { return View{} }

// What is of no known kind is shown all the same.
func TestViewOfAnUnknownKind(t *testing.T) {
	text := `{"name":"lamp east","kind":"lamp","lit":true,"hours_lit":5,"bulbs":[1,2]}`
	want := View{Details: []string{"hours lit 5", "lit true"}, Summary: "lamp east stopped: hours lit 5, lit true"}
	if diff := cmp.Diff(want, Raw(text).View("lamp east", time.Now())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDecodeNamesTheSection(t *testing.T) {
	s := Status{Sections: []Section{{Name: "lamp east", Kind: "lamp", Body: Raw(`{"hours":"many"}`)}, {Name: "other", Kind: "other", Body: Raw(`{}`)}}}
	if err := s.Decode([]Kind{KindOf[lamp]("lamp")}); err == nil || !strings.Contains(err.Error(), "section lamp east: ") {
		t.Error(err)
	}
}
