package term

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// A Table is rows of cells in aligned columns. Figures are flush right and always
// whole. Of texts, those of the last column may be cut, unless all are to be whole.
type Table struct {
	head  []string
	right []bool
	rows  [][]string
	Keys  int  // columns, the first ones, by which rows are known
	Whole bool // texts are broken into lines, not cut
}

// NewTable returns a table with these headings. A heading that begins with ">"
// makes its column flush right, as numbers are. Rows are known by their first column.
func NewTable(headings ...string) *Table {
	t := &Table{right: make([]bool, len(headings)), Keys: 1}
	for i, h := range headings {
		h, t.right[i] = strings.CutPrefix(h, ">")
		t.head = append(t.head, h)
	}
	return t
}

// Row adds a row with one cell for each heading; cells that are missing are
// empty, and what is not fit for a terminal is replaced.
func (t *Table) Row(cells ...any) {
	row := make([]string, len(t.head))
	for i := range min(len(row), len(cells)) {
		row[i] = OneLine(fmt.Sprint(cells[i]))
	}
	t.rows = append(t.rows, row)
}

const (
	columnGap  = "  "
	leastText  = 16 // characters of a text that are shown at least
	lineIndent = "  "
)

// Empty reports whether t has no rows.
func (t *Table) Empty() bool { return len(t.rows) == 0 }

// Write writes the headings, painted by p, and the rows. Where they are wider than
// width (0: there is no limit), texts give way first, and columns that have no room even
// then follow in a table of their own below, with the keys again.
func (t *Table) Write(w io.Writer, width int, p Palette) error {
	natural := t.widths()
	least := t.leastWidths(natural)
	var b strings.Builder
	for i, columns := range t.blocks(least, width) {
		if i > 0 {
			b.WriteString("\n")
		}
		widths := narrowed(columns, natural, least, width)
		t.line(&b, t.head, columns, widths, p.Bold)
		for _, row := range t.rows {
			t.line(&b, row, columns, widths, func(s string) string { return s })
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// widths returns how wide columns are in which nothing has to give way.
func (t *Table) widths() []int {
	widths := make([]int, len(t.head))
	for _, row := range append([][]string{t.head}, t.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	return widths
}

// leastWidths returns how wide columns must be, of which these are the natural widths.
func (t *Table) leastWidths(natural []int) []int {
	least := slices.Clone(natural)
	for i := range least {
		if !t.right[i] && (t.Whole || i == len(least)-1) {
			least[i] = min(natural[i], max(leastText, utf8.RuneCountInString(t.head[i])))
		}
	}
	return least
}

// blocks deals out the columns to tables that are no wider than width, if they can.
func (t *Table) blocks(least []int, width int) [][]int {
	var keys []int
	for i := range t.Keys {
		keys = append(keys, i)
	}
	blocks := [][]int{keys}
	for i := t.Keys; i < len(least); i++ {
		last := &blocks[len(blocks)-1]
		if wider := append(slices.Clone(*last), i); width == 0 || len(*last) == t.Keys || tableWidth(wider, least) <= width {
			*last = wider
		} else {
			blocks = append(blocks, append(slices.Clone(keys), i))
		}
	}
	return blocks
}

// tableWidth returns the width of a table of these columns.
func tableWidth(columns, widths []int) int {
	all := len(columnGap) * (len(columns) - 1)
	for _, i := range columns {
		all += widths[i]
	}
	return all
}

// narrowed returns the widths with which columns fit into width, if they can: the
// widest gives way first.
func narrowed(columns, natural, least []int, width int) []int {
	widths := slices.Clone(natural)
	for excess := tableWidth(columns, widths) - width; width > 0 && excess > 0; excess-- {
		widest := -1
		for _, i := range columns {
			if widths[i] > least[i] && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
	}
	return widths
}

// line writes a row: several lines, if a text of it has been broken.
func (t *Table) line(b *strings.Builder, row []string, columns, widths []int, paint func(string) string) {
	cells, height := make([][]string, len(row)), 1
	for _, i := range columns {
		cells[i] = []string{Cut(row[i], widths[i])}
		if t.Whole {
			cells[i] = broken(row[i], widths[i])
		}
		height = max(height, len(cells[i]))
	}
	for n := range height {
		parts := make([]string, len(columns))
		for at, i := range columns {
			if n < len(cells[i]) {
				parts[at] = cells[i][n]
			}
			parts[at] = t.padded(i, parts[at], widths[i])
		}
		b.WriteString(paint(strings.TrimRight(strings.Join(parts, columnGap), " ")) + "\n")
	}
}

func (t *Table) padded(column int, cell string, width int) string {
	pad := strings.Repeat(" ", max(width-utf8.RuneCountInString(cell), 0))
	if t.right[column] {
		return pad + cell
	}
	return cell + pad
}

// broken breaks s into lines of most characters, between words where it can; all but
// the first are indented.
func broken(s string, most int) []string {
	var lines []string
	rest, indent := []rune(s), ""
	for len(rest) > max(most-len(indent), 1) {
		at := max(most-len(indent), 1)
		for space := at; space > 0; space-- {
			if rest[space] == ' ' {
				at = space
				break
			}
		}
		lines = append(lines, indent+string(rest[:at]))
		rest, indent = []rune(strings.TrimLeft(string(rest[at:]), " ")), lineIndent
	}
	return append(lines, indent+string(rest))
}

// Cut shortens s to most characters, with a sign that it did.
func Cut(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:max(most-1, 0)]) + "…"
}

// Indented returns text with each line set in by two, as examples in a help are.
func Indented(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n  ")
}
