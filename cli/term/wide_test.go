package term

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// press plays keys, and returns the line without fillers and the cursor in columns.
func press(line string, keys string) (string, int) {
	pos := len(line)
	for _, key := range keys {
		next, at, ok := complete(line, pos, key)
		if !ok {
			next, at = line[:pos]+string(key)+line[pos:], pos+utf8.RuneLen(key)
		}
		line, pos = next, at
	}
	return strings.ReplaceAll(line, string(filler), ""), utf8.RuneCountInString(line[:pos])
}

func TestKeysOfWideCharacters(t *testing.T) {
	left, right, back, del := string(ownLeft), string(ownRight), string(ownBackspace), string(ownDelete)
	for _, tt := range []struct {
		keys, line string
		column     int
	}{
		{"ab世", "ab世", 4},
		{"世界" + left, "世界", 2},
		{"世界" + left + left + left + "a", "a世界", 1},
		{"世界" + left + left + right + "中", "世中界", 4},
		{"a😀" + back + "b", "ab", 2},
		{"世" + left + del + del + "é", "é", 1},
		{back + left + right + del, "", 0},
		{string(filler), "", 0},
	} {
		if line, column := press("", tt.keys); line != tt.line || column != tt.column {
			t.Errorf("%q: %q, column %d; want %q, %d", tt.keys, line, column, tt.line, tt.column)
		}
	}
}

// A wide character that would begin in the last column begins the next line, and the gap
// before it goes with the reason for it.
func TestWideCharactersAtTheLastColumn(t *testing.T) {
	const columns = 10
	line, pos := "", 0
	for _, step := range []struct {
		key  rune
		line string
	}{
		{'a', "a"}, {'世', "a世"}, {'b', "a世b"}, {'c', "a世bc"}, {'d', "a世bcd"}, {'e', "a世bcde"}, // the prompt and these take 9
		{'界', "a世bcde" + string(gap) + "界"}, {ownLeft, "a世bcde" + string(gap) + "界"}, {'f', "a世bcdef界"}, {ownBackspace, "a世bcde" + string(gap) + "界"},
		{ownBackspace, "a世bcd界"}, {ownWord, "界"},
	} {
		next, at, ok := completeIn(columns, line, pos, step.key)
		if !ok {
			next, at = line[:pos]+string(step.key)+line[pos:], pos+utf8.RuneLen(step.key)
		}
		line, pos = next, at
		if got := strings.ReplaceAll(line, string(filler), ""); got != step.line {
			t.Fatalf("after %q: %q, want %q", step.key, got, step.line)
		}
		for i, r := range []rune(line) {
			if isWide(r) && (len(prompt)+i)%columns == columns-1 {
				t.Errorf("after %q: %q begins in the last column", step.key, r)
			}
		}
	}
}

func FuzzKeysOfWideCharacters(f *testing.F) {
	f.Add("世界" + string(ownLeft) + string(ownBackspace) + string(ownDelete) + "x")
	f.Fuzz(func(t *testing.T, keys string) {
		press("", strings.ToValidUTF8(keys, ""))
		line, pos := "", 0
		for _, key := range strings.ToValidUTF8(keys, "") {
			if next, at, ok := completeIn(20, line, pos, key); ok {
				line, pos = next, at
			}
		}
	})
}
