package time

import (
	"fmt"
	"math"
	"time"

	"wirelab/cli/term"
	"wirelab/clock/steer"
	"wirelab/observe"
)

// syncKind is the kind of the section in which time sync shows itself.
const syncKind = "time-sync"

// StatusKinds returns the kinds of sections that the commands here show of themselves.
func StatusKinds() []observe.Kind { return []observe.Kind{observe.KindOf[syncBody](syncKind)} }

// A syncBody is the state of a daemon that keeps a clock in step.
type syncBody struct {
	steer.Status
}

// View implements observe.Body.
func (b syncBody) View(name string, _ time.Time) observe.View {
	st := b.Status
	handler := "measures only"
	if st.Steers {
		handler = "keeps in step"
	}
	v := observe.View{
		Columns: []observe.Column{{Name: "HANDLER", Text: handler}, {Name: "STATE", Text: st.State}},
		Details: []string{
			"offset " + offsetText(st.Offset, st.Bound),
			fmt.Sprintf("%+.3f ppm ± %.3f", st.Frequency/1e3, st.Skew/1e3),
		},
		Lists:   []observe.List{{What: "source", Grids: []observe.Grid{sourceGrid(st.Sources), fitGrid(st.Sources)}}},
		Summary: fmt.Sprintf("%s stopped: %s, offset %s, %+.3f ppm ± %.3f", name, st.State, offsetText(st.Offset, st.Bound), st.Frequency/1e3, st.Skew/1e3),
	}
	if st.Reason != "" {
		v.Details = append(v.Details, st.Reason)
	}
	return v
}

// sourceGrid shows sources as chronyc sources does.
func sourceGrid(sources []steer.SourceStatus) observe.Grid {
	g := observe.Grid{Headings: []string{"SOURCE", "USED", ">STRATUM", ">REACH", ">POLL", ">NEXT", ">LAST", ">OFFSET", ">BOUND", "WHY NOT"}}
	for _, s := range sources {
		used, why := "no", s.Rejected
		if s.Selected {
			used = "yes"
		}
		if s.Error != "" {
			why = s.Error
		}
		last := "never"
		if s.LastAgo >= 0 {
			last = seconds(s.LastAgo)
		}
		g.Rows = append(g.Rows, []string{
			s.Name, used, fmt.Sprint(s.Stratum), fmt.Sprintf("%d/8", s.Reached()), seconds(s.Poll), seconds(s.NextIn), last,
			signed(s.Offset), micros(s.Bound), why,
		})
	}
	return g
}

// fitGrid shows what was learned of them, as chronyc sourcestats does.
func fitGrid(sources []steer.SourceStatus) observe.Grid {
	g := observe.Grid{Headings: []string{"SOURCE", ">SAMPLES", ">DEVIATION", ">FREQ PPM", ">SKEW PPM", ">DELAY", ">ROOT DELAY", ">ROOT DISP", ">ASYM", "STAMPS", "FOLLOWS"}}
	for _, s := range sources {
		g.Rows = append(g.Rows, []string{
			s.Name, fmt.Sprint(s.Samples), micros(s.Deviation), fmt.Sprintf("%+.3f", s.Frequency/1e3), fmt.Sprintf("%.3f", s.Skew/1e3),
			micros(s.Delay), micros(s.RootDelay), micros(s.RootDispersion), fmt.Sprintf("%+.2f", s.Asymmetry), s.Stamps, s.Reference,
		})
	}
	return g
}

func seconds(s float64) string {
	return term.Duration(time.Duration(math.Round(s * 1e9)))
}
