package term

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Progress begins to show after work has taken progressAfter, and is drawn
// anew at most once in progressEvery.
const (
	progressAfter = time.Second
	progressEvery = 200 * time.Millisecond
)

// A Plan says what a progress line is about.
type Plan struct {
	Label string        // what is being done: "load tcp"
	Unit  string        // what is counted: "messages"
	Total uint64        // how many there will be; 0: unknown
	Until time.Duration // how long the work takes at most; 0: until all are done
}

// A Progress is a line on the terminal about work that goes on. It is used by one
// goroutine. Where there is no terminal it draws nothing.
type Progress struct {
	plan  Plan
	w     io.Writer // nil: draws nothing
	begun time.Time
	drawn time.Time // zero: not drawn
}

// Progress returns a progress line on stderr, if that is a terminal.
func (c *Console) Progress(plan Plan) *Progress {
	p := &Progress{plan: plan, begun: time.Now()}
	if IsTerminal(c.Stderr) && c.Getenv("TERM") != "dumb" {
		p.w = c.Stderr
	}
	return p
}

// Update says how many are done now. It may be called as often as one likes.
func (p *Progress) Update(done uint64) { p.UpdateIn(done, time.Since(p.begun)) }

// UpdateIn is Update where it took elapsed to do so many: what came before that,
// such as connecting, or the earlier steps of a search, is not in it. 0: none can be
// done yet.
func (p *Progress) UpdateIn(done uint64, elapsed time.Duration) {
	now := time.Now()
	if p.w == nil || now.Sub(p.begun) < progressAfter || now.Sub(p.drawn) < progressEvery {
		return
	}
	p.drawn = now
	line := Cut(p.line(done, elapsed), Width(p.w)-1)
	fmt.Fprintf(p.w, "\r\x1b[K%s", line)
}

// Clear takes the line away, so that other output can follow.
func (p *Progress) Clear() {
	if p.w != nil && !p.drawn.IsZero() {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.drawn = time.Time{}
	}
}

func (p *Progress) line(done uint64, elapsed time.Duration) string {
	rate := 0.0
	if elapsed > 0 {
		rate = float64(done) / elapsed.Seconds()
	}
	parts := []string{fmt.Sprintf("%s: %s %s", p.plan.Label, Count(done), p.plan.Unit)}
	if p.plan.Total > 0 {
		parts[0] = fmt.Sprintf("%s: %s of %s %s (%d%%)", p.plan.Label, Count(done), Count(p.plan.Total),
			p.plan.Unit, int(100*float64(done)/float64(p.plan.Total)))
	}
	parts = append(parts, Count(uint64(rate))+"/s")
	if left, ok := p.left(done, rate, elapsed); ok {
		parts = append(parts, Duration(left.Round(time.Second))+" left")
	}
	return strings.Join(parts, ", ")
}

// left estimates the time left, where there is something to go by.
func (p *Progress) left(done uint64, rate float64, elapsed time.Duration) (left time.Duration, ok bool) {
	if p.plan.Total > 0 && rate > 0 {
		seconds := float64(p.plan.Total-min(done, p.plan.Total)) / rate
		left, ok = time.Duration(min(seconds, 1e9)*float64(time.Second)), true
	}
	if rest := max(p.plan.Until-elapsed, 0); p.plan.Until > 0 && (!ok || rest < left) {
		left, ok = rest, true
	}
	return left, ok
}
