package cli

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// A table is rows of cells in aligned columns.
type table struct {
	head  []string
	right []bool
	rows  [][]string
}

// newTable returns a table with these headings. A heading that begins with ">"
// makes its column flush right, as numbers are.
func newTable(headings ...string) *table {
	t := &table{right: make([]bool, len(headings))}
	for i, h := range headings {
		h, t.right[i] = strings.CutPrefix(h, ">")
		t.head = append(t.head, h)
	}
	return t
}

// row adds a row with one cell for each heading; cells that are missing are
// empty, and what is not fit for a terminal is replaced.
func (t *table) row(cells ...any) {
	row := make([]string, len(t.head))
	for i := range min(len(row), len(cells)) {
		row[i] = oneLine(fmt.Sprint(cells[i]))
	}
	t.rows = append(t.rows, row)
}

// write writes the headings, painted by p, and the rows. What is wider than width
// is cut, unless width is 0.
func (t *table) write(w io.Writer, width int, p palette) error {
	widths := make([]int, len(t.head))
	for _, row := range append([][]string{t.head}, t.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	b.WriteString(p.bold(t.line(t.head, widths, width)) + "\n")
	for _, row := range t.rows {
		b.WriteString(t.line(row, widths, width) + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (t *table) line(row []string, widths []int, most int) string {
	var b strings.Builder
	for i, cell := range row {
		pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
		if i > 0 {
			b.WriteString("  ")
		}
		if t.right[i] {
			b.WriteString(pad + cell)
		} else {
			b.WriteString(cell + pad)
		}
	}
	line := strings.TrimRight(b.String(), " ")
	if most == 0 {
		return line
	}
	return cut(line, most)
}

// cut shortens s to most characters, with a sign that it did.
func cut(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:max(most-1, 0)]) + "…"
}
