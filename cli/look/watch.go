package look

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"wirelab/cli/term"
	"wirelab/internal/human"
	"wirelab/observe"
)

// A sighting is what the servers had moved at one time, by process and name.
type sighting struct {
	at     time.Time
	counts map[watched]observe.Counts
	order  []watched
}

// watched names a section of a process.
type watched struct {
	pid  int
	name string
}

// rates is a line of ps --watch -o json.
type rates struct {
	Schema   string        `json:"schema"` // "wirelab.rates/1"
	Time     time.Time     `json:"time"`
	Interval float64       `json:"interval_s"`
	Servers  []serverRates `json:"servers"`
	Silent   []silent      `json:"silent,omitempty"`
}

type serverRates struct {
	PID         int     `json:"pid"`
	Name        string  `json:"name"`
	Active      int     `json:"active"`
	Connections float64 `json:"connections_per_s"`
	MessagesIn  float64 `json:"messages_in_per_s"`
	MessagesOut float64 `json:"messages_out_per_s"`
	BytesIn     float64 `json:"bytes_in_per_s"`
	BytesOut    float64 `json:"bytes_out_per_s"`
}

// watch shows the rates of all servers, again and again until ctx ends.
func (a *app) watch(ctx context.Context, flags psFlags) error {
	ticker := time.NewTicker(flags.interval)
	defer ticker.Stop()
	w := a.newWatchScreen()
	defer w.close()
	var before sighting
	for {
		processes, quiet, err := a.findProcesses(ctx, flags)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		now := sightingOf(processes, time.Now())
		r := now.since(before)
		r.Silent = quiet
		switch {
		case !a.JSON:
			err = w.show(r, before.at.IsZero())
		case !before.at.IsZero():
			err = a.PrintEvent(r)
		}
		if err != nil {
			return err
		}
		before = now
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
}

func sightingOf(processes []process, at time.Time) sighting {
	s := sighting{at: at, counts: map[watched]observe.Counts{}}
	for _, p := range processes {
		for _, section := range p.status.Sections {
			if c, ok := section.Body.(observe.Counter); ok {
				key := watched{p.status.PID, section.Name}
				s.counts[key] = c.Counts()
				s.order = append(s.order, key)
			}
		}
	}
	return s
}

// since returns the rates between two sightings. Of a server that was not there before, all
// that it has done is of this interval.
func (s sighting) since(before sighting) rates {
	seconds := s.at.Sub(before.at).Seconds()
	r := rates{Schema: "wirelab.rates/1", Time: s.at.UTC(), Interval: seconds, Servers: []serverRates{}}
	for _, key := range s.order {
		now, then := s.counts[key], before.counts[key]
		per := func(now, then uint64) float64 { return float64(now-min(then, now)) / seconds }
		r.Servers = append(r.Servers, serverRates{
			PID: key.pid, Name: key.name, Active: now.Active, Connections: per(now.Connections, then.Connections),
			MessagesIn: per(now.MessagesIn, then.MessagesIn), MessagesOut: per(now.MessagesOut, then.MessagesOut),
			BytesIn: per(now.BytesIn, then.BytesIn), BytesOut: per(now.BytesOut, then.BytesOut),
		})
	}
	return r
}

// A watchScreen draws on the terminal's other screen, and leaves the last picture on the
// first; where there is no terminal it prints one picture after the other.
type watchScreen struct {
	app   *app
	other bool // the terminal has two screens
	last  []byte
}

const (
	otherScreen = "\x1b[?1049h\x1b[?25l"
	firstScreen = "\x1b[?25h\x1b[?1049l"
)

func (a *app) newWatchScreen() *watchScreen {
	w := &watchScreen{app: a, other: !a.JSON && term.IsTerminal(a.Stdout) && a.Getenv("TERM") != "dumb"}
	if w.other {
		_, _ = io.WriteString(a.Stdout, otherScreen) // a terminal that is gone shows at the first picture
	}
	return w
}

func (w *watchScreen) close() {
	if w.other {
		_, _ = w.app.Stdout.Write(append([]byte(firstScreen), w.last...))
	}
}

// show draws the rates; first: there are none yet.
func (w *watchScreen) show(r rates, first bool) error {
	var b bytes.Buffer
	if err := w.draw(&b, r, first); err != nil {
		return err
	}
	w.last = b.Bytes()
	picture := b.String()
	if w.other {
		picture = "\x1b[H" + strings.ReplaceAll(picture, "\n", "\x1b[K\n") + "\x1b[J"
	} else {
		picture += "\n"
	}
	_, err := io.WriteString(w.app.Stdout, picture)
	return err
}

func (w *watchScreen) draw(b *bytes.Buffer, r rates, first bool) error {
	fmt.Fprintf(b, "%s  %s\n\n", r.Time.Local().Format("15:04:05"), term.Counted(uint64(len(r.Servers)), "server"))
	tab := term.NewTable(">PID", "SERVER", ">OPEN", ">CONN/s", ">MSG/s IN/OUT", ">BYTES/s IN/OUT")
	tab.Keys = 2
	shown := r.Servers
	room := term.Height(w.app.Stdout) - 5 - len(r.Silent) // head, a line of what is left out, the prompt
	if room > 0 && len(shown) > room {
		shown = shown[:room]
	}
	for _, s := range shown {
		cells := []any{s.PID, s.Name, s.Active, "-", "-", "-"}
		if !first {
			cells = append(cells[:3], human.Rate(s.Connections), scaled(s.MessagesIn)+"/"+scaled(s.MessagesOut),
				term.Bytes(uint64(s.BytesIn))+"/"+term.Bytes(uint64(s.BytesOut)))
		}
		tab.Row(cells...)
	}
	for _, s := range r.Silent {
		tab.Row(s.pid(), strings.TrimSpace("does not answer "+s.State), "-", "-", "-", "-")
	}
	if tab.Empty() {
		b.WriteString("No wirelab is running. Start one: wirelab up\n")
		return nil
	}
	if err := tab.Write(b, term.Room(w.app.Stdout), w.app.Colors(w.app.Stdout)); err != nil {
		return err
	}
	if rest := len(r.Servers) - len(shown); rest > 0 {
		fmt.Fprintf(b, "%s not shown (wirelab ps -o json has all)\n", term.Count(uint64(rest)))
	}
	return nil
}

// scaled writes a rate with three digits: 999, 12.3k, 1.20M.
func scaled(perSecond float64) string {
	if perSecond < 1000 {
		return human.Rate(perSecond)
	}
	return strings.ReplaceAll(human.Scaled(perSecond, []string{"", "k", "M", "G"}), " ", "")
}
