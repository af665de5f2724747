package packet

import (
	"errors"
	"fmt"
	"strings"

	"wirelab/internal/setting"
	"wirelab/internal/spell"
)

// A mistake is wrong at an offset of the text that was being read.
type mistake struct {
	at, width int
	problem   string
}

func (m *mistake) Error() string { return m.problem }

// mistakeAt moves a mistake to where the text begins that it was found in.
func mistakeAt(err error, at int) error {
	var m *mistake
	if !errors.As(err, &m) {
		return err
	}
	return &mistake{m.at + at, m.width, m.problem}
}

// wrongIf returns a mistake about text if there is an err.
func wrongIf(err error, at int, text, problem string) error {
	if err == nil {
		return nil
	}
	return &mistake{at, len(text), problem}
}

// unknown says that a name is none of those known, and which is nearest.
func unknown(name, what string, known []string) error {
	problem := fmt.Sprintf("there is no %s %s", what, setting.Quote(name))
	if near := spell.Nearest(name, known); near != "" {
		return &mistake{0, len(name), fmt.Sprintf("%s; did you mean %s?", problem, near)}
	}
	return &mistake{0, len(name), problem + "; expected is one of " + strings.Join(known, ", ")}
}
