package packet

import (
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"

	"wirelab/cli/term"
	"wirelab/packet"
)

// textWidth is how wide an explanation is: a terminal of the usual size.
const textWidth = 80

// explanationText writes an explanation for people: the bytes, and then layer by
// layer a line for each field, with what is allowed there below it.
func explanationText(e *packet.Explanation, p term.Palette, brief bool) string {
	w := explanationWriter{p: p, brief: brief}
	for first, rest := fold(term.OneLine(e.Summary), textWidth); first != ""; first, rest = fold(rest, textWidth) {
		w.line("%s", p.Bold(first))
	}
	if e.Captured < e.Length {
		w.line("%d of %d bytes were captured", e.Captured, e.Length)
	}
	w.dump(e)
	for i := range e.Layers {
		w.layer(i, &e.Layers[i])
	}
	return w.b.String()
}

type explanationWriter struct {
	b     strings.Builder
	p     term.Palette
	brief bool
}

func (w *explanationWriter) line(format string, args ...any) {
	w.b.WriteString(strings.TrimRight(fmt.Sprintf(format, args...), " "))
	w.b.WriteByte('\n')
}

// colour returns the style of the nth layer, the same in the dump and beside it.
func (w *explanationWriter) colour(n int) func(string) string {
	return []func(string) string{w.p.Cyan, w.p.Yellow, w.p.Green, w.p.Magenta, w.p.Blue}[n%5]
}

// dump writes all bytes, 16 a line, in the colours of their layers.
func (w *explanationWriter) dump(e *packet.Explanation) {
	const most = 4096
	b, _ := hex.DecodeString(e.Hex)
	for at := 0; at < len(b) && at < most; at += 16 {
		var hexes, text strings.Builder
		for k := at; k < min(at+16, len(b)); k++ {
			gap := " "
			if k == at {
				gap = ""
			} else if k%8 == 0 {
				gap = "  "
			}
			paint := w.colour(layerAt(e, k))
			hexes.WriteString(gap + paint(fmt.Sprintf("%02x", b[k])))
			c := rune(b[k])
			if c < ' ' || c >= 0x7f {
				c = '.'
			}
			text.WriteString(paint(string(c)))
		}
		pad := 3*16 - 3*(min(at+16, len(b))-at)
		if len(b)-at <= 8 {
			pad++
		}
		w.line("%s  %s%*s  %s", w.p.Dim(fmt.Sprintf("%04x", at)), hexes.String(), pad, "", text.String())
	}
	if len(b) > most {
		w.line("%d more bytes are not shown", len(b)-most)
	}
}

func layerAt(e *packet.Explanation, at int) int {
	for i, l := range e.Layers {
		if at >= l.Offset && at < l.Offset+l.Length {
			return i
		}
	}
	return 0
}

// layer writes one layer.
func (w *explanationWriter) layer(n int, l *packet.Explained) {
	head := w.colour(n)(fmt.Sprintf("%v", l.Layer)) + "  " + l.Title
	if l.Source != "" {
		head += w.p.Dim(", " + l.Source)
	}
	w.line("")
	w.line("%s", head)
	note := fmt.Sprintf("%d bytes from %d", l.Length, l.Offset)
	if l.Added {
		note += "; filled in: what is above needs it"
	}
	if l.Quoted {
		note += "; quoted by the message around it, so not judged"
	}
	w.line("%s", w.p.Dim(note))
	if l.Fault != "" {
		w.line("%s", w.p.Red(fmt.Sprintf("malformed: it %s", l.Fault)))
	}
	for i := range l.Fields {
		w.field(&l.Fields[i])
	}
	if l.Checksum != nil {
		w.checksum(l.Checksum)
	}
}

// field writes one field: offset, bytes, name, value, meaning, who set it.
func (w *explanationWriter) field(f *packet.FieldText) {
	at := fmt.Sprintf("%4d", f.Offset)
	if f.Bit != 0 || f.Bits%8 != 0 {
		at += fmt.Sprintf(".%d", f.Bit)
	}
	bytes, more := f.Hex, ""
	if len(bytes) > 8 {
		bytes, more = bytes[:8], bytes[8:]
	}
	name := f.Name
	if f.Bits%8 != 0 {
		name = fmt.Sprintf("%s:%d", f.Name, f.Bits)
	}
	value := term.OneLine(f.Value)
	if f.Meaning != "" && value != "" {
		value += ", "
	}
	value += f.Meaning
	const room = textWidth - 7 - 9 - 13 - 9
	first, rest := fold(value, room)
	w.line("%s %s %s %s %s", padded(at, 6), padded(bytes, 8), w.p.Bold(padded(name, 12)), padded(first, room), w.p.Dim(f.SetBy.String()))
	for more != "" || rest != "" {
		var cut string
		cut, more = more[:min(8, len(more))], more[min(8, len(more)):]
		first, rest = fold(rest, room)
		w.line("%s %s %s %s", padded("", 6), padded(cut, 8), padded("", 12), first)
	}
	w.help(f)
}

// help writes what a field is for and what is allowed, unless it shall be brief.
func (w *explanationWriter) help(f *packet.FieldText) {
	if w.brief || f.Help == "" && f.Allowed == "" {
		return
	}
	text := f.Help
	if f.Allowed != "" {
		text = strings.TrimPrefix(text+" ["+f.Allowed+"]", " ")
	}
	for text != "" {
		var first string
		first, text = fold(text, textWidth-29)
		w.line("%29s%s", "", w.p.Dim(first))
	}
}

// checksum works a checksum out, step by step.
func (w *explanationWriter) checksum(c *packet.ChecksumSteps) {
	paint := w.p.Dim
	switch c.Verdict {
	case packet.Good:
		paint = w.p.Green
	case packet.Bad:
		paint = w.p.Red
	}
	verdict := fmt.Sprintf("checksum %s at %d: %v", c.Found, c.Offset, c.Verdict)
	if c.Verdict == packet.Bad && c.Right != "" {
		verdict += ", right is " + c.Right
	}
	if c.Why != "" {
		verdict += ": " + c.Why
	}
	for text := verdict; text != ""; {
		var first string
		first, text = fold(text, textWidth-2)
		w.line("  %s", paint(first))
	}
	if w.brief {
		return
	}
	for _, t := range c.Terms {
		w.line("    %s %8s", padded(t.Name, textWidth-4-9), t.Sum)
		for words := t.Words; words != ""; {
			var first string
			first, words = fold(words, textWidth-6-10)
			w.line("      %s", w.p.Dim(first))
		}
	}
	if c.Sum != "" {
		w.line("    %s %8s", padded("sum", textWidth-4-9), c.Sum)
		w.line("    %s %8s", padded("carries added to the lowest 16 bits", textWidth-4-9), c.Folded)
		w.line("    %s %8s", padded("every bit turned over", textWidth-4-9), c.Complement)
	}
}

// padded fills s with spaces up to a width.
func padded(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
}

// fold cuts text at the last space within a width, or in a long word.
func fold(text string, width int) (first, rest string) {
	runes := []rune(text)
	if len(runes) <= width {
		return text, ""
	}
	cut := width
	for i := width; i > width/2; i-- {
		if runes[i] == ' ' {
			cut = i
			break
		}
	}
	return string(runes[:cut]), strings.TrimLeft(string(runes[cut:]), " ")
}
