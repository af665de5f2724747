package time

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"wirelab/cli/term"
)

// The size of a chart, without its labels.
const (
	chartRows   = 11 // odd: the middle is 0
	chartMargin = 11
)

// chart draws values over time, one a second from the second first on, as the range
// of each column.
func chart(values []time.Duration, first int, width int) string {
	values = values[min(first, len(values)):]
	columns := min(max(width-chartMargin, 10), len(values))
	if columns == 0 {
		return ""
	}
	top := max(slices.Max(values), -slices.Min(values), 1)
	grid := make([][]rune, chartRows)
	for i := range grid {
		grid[i] = []rune(strings.Repeat(" ", columns))
	}
	for c := range columns {
		part := values[c*len(values)/columns : (c+1)*len(values)/columns]
		high, low := chartRow(slices.Max(part), top), chartRow(slices.Min(part), top)
		for r := high; r <= low; r++ {
			grid[r][c] = '█'
		}
	}
	return chartText(grid, top, first, len(values))
}

// chartRow returns the row of a value, 0 for top.
func chartRow(v, top time.Duration) int {
	half := float64(chartRows-1) / 2
	return int(half - float64(v)/float64(top)*half + 0.5)
}

func chartText(grid [][]rune, top time.Duration, first, seconds int) string {
	var b strings.Builder
	for r, row := range grid {
		label := ""
		switch r {
		case 0:
			label = "+" + term.Micros(float64(top)/1e3)
		case chartRows / 2:
			label = "0"
		case chartRows - 1:
			label = "-" + term.Micros(float64(top)/1e3)
		}
		fmt.Fprintf(&b, "%9s ┤%s\n", label, strings.TrimRight(string(row), " "))
	}
	from, to := fmt.Sprintf("%d s", first), fmt.Sprintf("%d s", first+seconds)
	fmt.Fprintf(&b, "%*s%s%*s\n", chartMargin, "", from, max(len(grid[0])-len(from), len(to)+1), to)
	return b.String()
}
