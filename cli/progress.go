package cli

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

// A progressPlan says what a progress line is about.
type progressPlan struct {
	label string        // what is being done: "load tcp"
	unit  string        // what is counted: "messages"
	total uint64        // how many there will be; 0: unknown
	until time.Duration // how long the work takes at most; 0: until all are done
}

// A progress is a line on the terminal about work that goes on. It is used by one
// goroutine. Where there is no terminal it draws nothing.
type progress struct {
	plan  progressPlan
	w     io.Writer // nil: draws nothing
	begun time.Time
	drawn time.Time // zero: not drawn
}

// progress returns a progress line on stderr, if that is a terminal.
func (a *app) progress(plan progressPlan) *progress {
	p := &progress{plan: plan, begun: time.Now()}
	if isTerminal(a.stderr) && a.getenv("TERM") != "dumb" {
		p.w = a.stderr
	}
	return p
}

// update says how many are done now. It may be called as often as one likes.
func (p *progress) update(done uint64) { p.updateIn(done, time.Since(p.begun)) }

// updateIn is update where it took elapsed to do so many: what came before that,
// such as connecting, or the earlier steps of a search, is not in it. 0: none can be
// done yet.
func (p *progress) updateIn(done uint64, elapsed time.Duration) {
	now := time.Now()
	if p.w == nil || now.Sub(p.begun) < progressAfter || now.Sub(p.drawn) < progressEvery {
		return
	}
	p.drawn = now
	line := cut(p.line(done, elapsed), width(p.w)-1)
	fmt.Fprintf(p.w, "\r\x1b[K%s", line)
}

// clear takes the line away, so that other output can follow.
func (p *progress) clear() {
	if p.w != nil && !p.drawn.IsZero() {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.drawn = time.Time{}
	}
}

func (p *progress) line(done uint64, elapsed time.Duration) string {
	rate := 0.0
	if elapsed > 0 {
		rate = float64(done) / elapsed.Seconds()
	}
	parts := []string{fmt.Sprintf("%s: %s %s", p.plan.label, formatCount(done), p.plan.unit)}
	if p.plan.total > 0 {
		parts[0] = fmt.Sprintf("%s: %s of %s %s (%d%%)", p.plan.label, formatCount(done), formatCount(p.plan.total),
			p.plan.unit, int(100*float64(done)/float64(p.plan.total)))
	}
	parts = append(parts, formatCount(uint64(rate))+"/s")
	if left, ok := p.left(done, rate, elapsed); ok {
		parts = append(parts, formatDuration(left.Round(time.Second))+" left")
	}
	return strings.Join(parts, ", ")
}

// left estimates the time left, where there is something to go by.
func (p *progress) left(done uint64, rate float64, elapsed time.Duration) (left time.Duration, ok bool) {
	if p.plan.total > 0 && rate > 0 {
		seconds := float64(p.plan.total-min(done, p.plan.total)) / rate
		left, ok = time.Duration(min(seconds, 1e9)*float64(time.Second)), true
	}
	if rest := max(p.plan.until-elapsed, 0); p.plan.until > 0 && (!ok || rest < left) {
		left, ok = rest, true
	}
	return left, ok
}
