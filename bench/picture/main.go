// Command picture draws what a terminal shows as an SVG: text with the colours of ANSI
// escape sequences (SGR) on standard input, the picture on standard output. The first
// argument is the title of the window.
package main

import (
	"bufio"
	"fmt"
	"html"
	"log"
	"os"
	"strings"
	"unicode/utf8"
)

const (
	cellWidth  = 8.4
	lineHeight = 18
	columns    = 80
	margin     = 16
	header     = 34
)

// colors are those of SGR parameters, on a dark ground.
var colors = map[string]string{
	"31": "#ff7b72", "32": "#7ee787", "33": "#e3b341", "34": "#79c0ff", "35": "#d2a8ff", "36": "#76e3ea",
}

func main() {
	title := strings.Join(os.Args[1:], " ")
	var lines []string
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		lines = append(lines, strings.TrimRight(in.Text(), "\r"))
	}
	if err := in.Err(); err != nil {
		log.Fatal(err)
	}
	width, height := columns*cellWidth+2*margin, header+len(lines)*lineHeight+margin
	fmt.Printf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %d" font-family="ui-monospace,DejaVu Sans Mono,Menlo,Consolas,monospace" font-size="14">`+"\n", width, height)
	fmt.Printf(`<title>%s</title>`+"\n", html.EscapeString(title))
	fmt.Printf(`<rect width="100%%" height="100%%" rx="8" fill="#0d1117"/>` + "\n")
	fmt.Printf(`<circle cx="18" cy="16" r="5" fill="#ff5f56"/><circle cx="36" cy="16" r="5" fill="#ffbd2e"/><circle cx="54" cy="16" r="5" fill="#27c93f"/>` + "\n")
	fmt.Printf(`<text x="50%%" y="21" text-anchor="middle" fill="#8b949e">%s</text>`+"\n", html.EscapeString(title))
	for i, line := range lines {
		draw(line, header+(i+1)*lineHeight-4)
	}
	fmt.Println("</svg>")
}

// draw writes a line, a piece for each run of one style.
func draw(line string, y int) {
	style, column := "", 0
	for line != "" {
		before, rest, found := strings.Cut(line, "\x1b[")
		if text := strings.TrimRight(before, " "); text != "" {
			fmt.Printf(`<text x="%.1f" y="%d" xml:space="preserve"%s>%s</text>`+"\n",
				margin+float64(column)*cellWidth, y, attributes(style), html.EscapeString(text))
		}
		column += utf8.RuneCountInString(before)
		if !found {
			return
		}
		style, line, _ = strings.Cut(rest, "m")
	}
}

func attributes(sgr string) string {
	switch {
	case sgr == "1":
		return ` fill="#f0f6fc" font-weight="bold"`
	case sgr == "2":
		return ` fill="#8b949e"`
	case colors[sgr] != "":
		return fmt.Sprintf(` fill=%q`, colors[sgr])
	}
	return ` fill="#c9d1d9"`
}
