package cli

import (
	"context"
	"fmt"
)

// screenLines is how many lines may wait for the terminal.
const screenLines = 1000

// A screen shows lines of a running server to the people at it. A terminal that
// takes none, because somebody has stopped it with Ctrl-S, costs lines, and never
// holds up the server.
type screen struct {
	app   *app
	lines chan string
}

func newScreen(a *app) *screen { return &screen{app: a, lines: make(chan string, screenLines)} }

// show shows a line soon. It does not block and may be called from any goroutine.
func (s *screen) show(line string) {
	select {
	case s.lines <- line:
	default:
	}
}

// run writes the lines to stdout until ctx ends, and then what is left.
func (s *screen) run(ctx context.Context) error {
	for {
		select {
		case line := <-s.lines:
			s.write(line)
		case <-ctx.Done():
			return s.flush()
		}
	}
}

func (s *screen) flush() error {
	for {
		select {
		case line := <-s.lines:
			s.write(line)
		default:
			return nil
		}
	}
}

func (s *screen) write(line string) {
	if !s.app.json() {
		fmt.Fprintln(s.app.stdout, line)
		return
	}
	// A reader who has gone away is no reason to end the server.
	_ = s.app.printEvent(struct {
		Event  string `json:"event"`
		Text   string `json:"text"`
		Schema string `json:"schema"`
	}{"chat", line, eventSchema})
}
