package term

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// The line editor takes every character for one column wide. So each that takes two is
// followed by a filler in its line, a rune that Unicode gives to nobody, which is neither
// shown nor sent; and the keys that would go between the two are keys of our own, in the
// private area, for complete to handle. A terminal does not begin such a character in its
// last column: there a gap stands before it, which is shown as a space and not sent.
const (
	filler = '\uFDD0'
	gap    = '\uFDD1'

	ownBackspace = '\uF8F0'
	ownDelete    = '\uF8F1'
	ownLeft      = '\uF8F2'
	ownRight     = '\uF8F3'
	ownWord      = '\uF8F4' // the word before the cursor goes (Ctrl-W)
	ownBefore    = '\uF8F5' // all before the cursor goes (Ctrl-U)

	// ownKeyLen is how many bytes a key of one byte becomes at most.
	ownKeyLen = 3
	// longestLine is that of the line editor, in runes, with room for one more.
	longestLine = 4096 - 2
)

// keyNames makes of what keys send what the line editor and complete know. Home and End send
// longer sequences on the Linux console, in tmux and in the application mode of xterm.
var keyNames = strings.NewReplacer("\x1b[1~", "\x1b[H", "\x1b[7~", "\x1b[H", "\x1bOH", "\x1b[H", "\x1b[4~", "\x1b[F", "\x1b[8~", "\x1b[F", "\x1bOF", "\x1b[F",
	"\x7f", string(ownBackspace), "\x08", string(ownBackspace), "\x1b[3~", string(ownDelete),
	"\x1b[D", string(ownLeft), "\x1bOD", string(ownLeft), "\x02", string(ownLeft),
	"\x1b[C", string(ownRight), "\x1bOC", string(ownRight), "\x06", string(ownRight),
	"\x17", string(ownWord), "\x15", string(ownBefore))

// notSent takes out of a line what only its display needs.
var notSent = strings.NewReplacer(string(filler), "", string(gap), "")

// completeIn is complete for a terminal of so many columns: where there are wide characters,
// it lays out the line anew, whatever the key.
func completeIn(columns int, line string, pos int, key rune) (newLine string, newPos int, ok bool) {
	before, after := strings.ReplaceAll(line[:pos], string(gap), ""), strings.ReplaceAll(line[pos:], string(gap), "")
	bare := before + after
	newLine, newPos, ok = complete(bare, len(before), key)
	if !ok {
		if !strings.ContainsRune(bare, filler) || !unicode.IsPrint(key) || utf8.RuneCountInString(bare) >= longestLine {
			return "", 0, false
		}
		before += string(key)
		newLine, newPos = before+after, len(before)
	}
	newLine, newPos = withGaps(columns, newLine, newPos)
	return newLine, newPos, true
}

// withGaps puts a gap before each wide character that would begin in the last column.
func withGaps(columns int, line string, pos int) (newLine string, newPos int) {
	const fewest = 4 // columns, of which the prompt takes some
	if columns < fewest {
		return line, pos
	}
	var b strings.Builder
	column := len(prompt)
	for i, r := range line {
		if isWide(r) && column%columns == columns-1 {
			b.WriteRune(gap)
			column++
		}
		if i == pos {
			newPos = b.Len()
		}
		b.WriteRune(r)
		column++
	}
	if pos == len(line) {
		newPos = b.Len()
	}
	return b.String(), newPos
}

// complete handles the keys that have to know of wide characters: it returns the line and
// the cursor, in bytes, after the key.
func complete(line string, pos int, key rune) (newLine string, newPos int, ok bool) {
	before, after := line[:pos], line[pos:]
	switch {
	case key == ownBackspace:
		before = before[:pos-lastLen(before)]
	case key == ownDelete:
		after = after[firstLen(after):]
	case key == ownLeft:
		return line, pos - lastLen(before), true
	case key == ownRight:
		return line, pos + firstLen(after), true
	case key == ownWord:
		kept := strings.TrimRight(before, " ")
		before = kept[:strings.LastIndexByte(kept, ' ')+1]
	case key == ownBefore:
		before = ""
	case key == filler, key == gap:
		return line, pos, true
	case isWide(key):
		if utf8.RuneCountInString(line) < longestLine {
			before += string(key) + string(filler)
		}
	default:
		return "", 0, false
	}
	return before + after, len(before), true
}

// firstLen returns the length of the first character of s in bytes, with its filler.
func firstLen(s string) int {
	_, n := utf8.DecodeRuneInString(s)
	if strings.HasPrefix(s[n:], string(filler)) {
		n += len(string(filler))
	}
	return n
}

// lastLen returns the length of the last character of s in bytes, with its filler.
func lastLen(s string) int {
	bare := strings.TrimSuffix(s, string(filler))
	_, n := utf8.DecodeLastRuneInString(bare)
	return n + len(s) - len(bare)
}

// isWide reports whether a character takes two columns.
func isWide(r rune) bool {
	for _, w := range wide {
		if r <= w[1] {
			return r >= w[0]
		}
	}
	return false
}

// wide has the first and the last of each range of characters that take two columns, in
// their order (Unicode Standard Annex 11: W and F).
var wide = [...][2]rune{
	{0x1100, 0x115f}, {0x231a, 0x231b}, {0x23e9, 0x23ec}, {0x2614, 0x2615}, {0x26a1, 0x26a1}, {0x2705, 0x2705}, {0x274c, 0x274c},
	{0x2753, 0x2755}, {0x2795, 0x2797}, {0x2b50, 0x2b50}, {0x2e80, 0x303e}, {0x3041, 0x33ff}, {0x3400, 0x4dbf}, {0x4e00, 0x9fff},
	{0xa000, 0xa4cf}, {0xa960, 0xa97f}, {0xac00, 0xd7a3}, {0xf900, 0xfaff}, {0xfe30, 0xfe6f}, {0xff01, 0xff60}, {0xffe0, 0xffe6},
	{0x1f300, 0x1f320}, {0x1f32d, 0x1f335}, {0x1f337, 0x1f37c}, {0x1f37e, 0x1f393}, {0x1f3a0, 0x1f3ca}, {0x1f3e0, 0x1f3f0},
	{0x1f400, 0x1f43e}, {0x1f442, 0x1f4fc}, {0x1f4ff, 0x1f53d}, {0x1f550, 0x1f567}, {0x1f5fb, 0x1f64f}, {0x1f680, 0x1f6c5},
	{0x1f6d0, 0x1f6d2}, {0x1f6eb, 0x1f6ec}, {0x1f6f4, 0x1f6fc}, {0x1f90c, 0x1f93a}, {0x1f93c, 0x1f945}, {0x1f947, 0x1f9ff},
	{0x1fa70, 0x1faff}, {0x20000, 0x3fffd},
}
