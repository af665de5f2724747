package term

import (
	"context"
	"fmt"
)

// screenLines is how many lines may wait for the terminal.
const screenLines = 1000

// A Screen shows lines of a running server to the people at it. A terminal that
// takes none, because somebody has stopped it with Ctrl-S, costs lines, and never
// holds up the server.
type Screen struct {
	console *Console
	lines   chan string
}

// NewScreen returns a screen that shows nothing until it runs.
func NewScreen(c *Console) *Screen { return &Screen{console: c, lines: make(chan string, screenLines)} }

// Show shows a line soon. It does not block and may be called from any goroutine.
func (s *Screen) Show(line string) {
	select {
	case s.lines <- line:
	default:
	}
}

// Run writes the lines to stdout until ctx ends, and then what is left.
func (s *Screen) Run(ctx context.Context) error {
	for {
		select {
		case line := <-s.lines:
			s.write(line)
		case <-ctx.Done():
			return s.flush()
		}
	}
}

func (s *Screen) flush() error {
	for {
		select {
		case line := <-s.lines:
			s.write(line)
		default:
			return nil
		}
	}
}

func (s *Screen) write(line string) {
	if !s.console.JSON {
		fmt.Fprintln(s.console.Stdout, line)
		return
	}
	// A reader who has gone away is no reason to end the server.
	_ = s.console.PrintEvent(struct {
		Event  string `json:"event"`
		Text   string `json:"text"`
		Schema string `json:"schema"`
	}{"chat", line, EventSchema})
}
