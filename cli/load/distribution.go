package load

import (
	"fmt"
	"strconv"
	"strings"

	"wirelab/cli/term"
	"wirelab/load"
	"wirelab/load/latency"
)

// percentName writes a percentile as p99.9.
func percentName(percent float64) string { return "p" + strconv.FormatFloat(percent, 'f', -1, 64) }

// loadPercentiles is the table of the percentiles that were asked for.
func loadPercentiles(r *load.Report) *term.Table {
	rows := []struct {
		name string
		q    *latency.Quantiles
	}{{"latency", r.LatencyUS}, {"response", r.ResponseUS}, {"service", r.ServiceUS}, {"connect", r.ConnectUS}}
	var t *term.Table
	for _, row := range rows {
		if row.q == nil || len(row.q.Chosen) == 0 {
			continue
		}
		head, cells := []string{""}, []any{row.name}
		for _, p := range row.q.Chosen {
			head, cells = append(head, ">"+percentName(p.Percent)), append(cells, term.Micros(p.US))
		}
		if t == nil {
			t = term.NewTable(head...)
		}
		t.Row(cells...)
	}
	if t == nil {
		return term.NewTable("")
	}
	return t
}

// loadDoubts says which percentiles rest on too few answers, and how many they take.
func loadDoubts(r *load.Report) string {
	var parts []string
	for _, d := range r.Doubts[:min(len(r.Doubts), 3)] {
		parts = append(parts, fmt.Sprintf("%s takes %s", percentName(d.Percent), term.Count(d.Needs)))
	}
	return term.Counted(r.Received-r.Late, "answer") + "; " + strings.Join(parts, ", ")
}

// loadTargets is the table of several targets.
func loadTargets(r *load.Report) *term.Table {
	t := term.NewTable("target", ">clients", ">received", ">lost", ">errors", ">rate/s", ">p50", ">p99")
	for _, v := range r.PerTarget {
		p50, p99 := "-", "-"
		if q := v.LatencyUS; q != nil {
			p50, p99 = term.Micros(q.P50), term.Micros(q.P99)
		}
		t.Row(term.OneLine(v.Target), term.Count(uint64(v.Clients)), term.Count(v.Received), term.Count(v.Lost), term.Count(v.Errors),
			term.Rate(v.RatePerS), p50, p99)
	}
	return t
}

// partText says what happened in an interval.
func partText(p *load.Part, flood bool) string {
	if flood {
		return fmt.Sprintf("%s messages/s, %s", term.Rate(p.RatePerS(true)), term.Bytes(p.BytesSent))
	}
	text := fmt.Sprintf("%s answers, %s/s", term.Count(p.Received), term.Rate(p.RatePerS(false)))
	if q := p.LatencyUS; q != nil {
		text += fmt.Sprintf(", p50 %s, p99 %s, max %s", term.Micros(q.P50), term.Micros(q.P99), term.Micros(q.Max))
	}
	if p.Errors > 0 {
		text += ", " + term.Counted(p.Errors, "error")
	}
	return text
}

// barWidth is how many columns the longest bar of a histogram has: with bounds, count and
// share, a line has 80.
const barWidth = 36

// printHistogram shows how the latencies of a report are distributed.
func (a *app) printHistogram(r *load.Report) error {
	_, err := fmt.Fprint(a.Stdout, histogramText(r.Histogram))
	return err
}

func histogramText(buckets []latency.Bucket) string {
	var b strings.Builder
	var most, all uint64
	for _, v := range buckets {
		most, all = max(most, v.Count), all+v.Count
	}
	for i, v := range buckets {
		if i == 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "%8s - %-8s %-*s %10s %5.1f%%\n", term.Micros(v.FromUS), term.Micros(v.ToUS), barWidth, bar(v.Count, most),
			term.Count(v.Count), 100*float64(v.Count)/float64(all))
	}
	return b.String()
}

// bar draws n of most in eighths of a column; what is not nothing is seen.
func bar(n, most uint64) string {
	eighths := int(float64(n) / float64(max(most, 1)) * barWidth * 8)
	if n > 0 {
		eighths = max(eighths, 1)
	}
	text := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		text += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return text
}
