package firewall

import (
	"strings"

	"wirelab/internal/setting"
	"wirelab/internal/spell"
)

// A word is a piece of a rule: a word, a comma, "!" in front of a word, or a text
// in quotes.
type word struct {
	text   string
	offset int // of its first byte in the rule
	quoted bool
}

// words cuts a rule into words. A "#" begins a comment, as in YAML.
func words(v setting.Value) ([]word, *setting.Error) {
	all := make([]word, 0, 8) // most rules have no more
	text := v.Text
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c == ' ' || c == '\t':
			i++
		case c == '#':
			return all, nil
		case c == ',' || c == '!':
			all = append(all, word{text: text[i : i+1], offset: i})
			i++
		case c == '"':
			end := strings.IndexByte(text[i+1:], '"')
			if end < 0 {
				return nil, v.ErrorAt(i, len(text)-i, "the closing quote is missing%s", inRule(v))
			}
			all = append(all, word{text: text[i+1 : i+1+end], offset: i, quoted: true})
			i += end + 2
		default:
			end := i + 1
			for end < len(text) && text[end] != ' ' && text[end] != '\t' && text[end] != ',' && text[end] != '"' {
				end++
			}
			all = append(all, word{text: text[i:end], offset: i})
			i = end
		}
	}
	return all, nil
}

// inRule names the rule at the end of a message.
func inRule(v setting.Value) string { return ", in " + setting.Quote(v.Text) }

// A reader goes through the words of one rule. Its first error stays.
type reader struct {
	value setting.Value
	words []word
	next  int
	err   *setting.Error
}

func newReader(v setting.Value) *reader {
	r := &reader{value: v}
	if v.Kind != setting.Scalar {
		r.err = v.Errorf("a rule of one line is expected, such as \"accept ssh\", not %s", v.Describe())
		return r
	}
	r.words, r.err = words(v)
	return r
}

// more reports whether there is another word to read.
func (r *reader) more() bool { return r.err == nil && r.next < len(r.words) }

// peek returns the next word without reading it, and an empty one at the end.
func (r *reader) peek() word {
	if !r.more() {
		return word{offset: len(r.value.Text)}
	}
	return r.words[r.next]
}

// take reads the next word, which the rule cannot do without.
func (r *reader) take(expected string) word {
	w := r.peek()
	if !r.more() {
		r.fail(w, "expected %s at the end", expected)
		return w
	}
	r.next++
	return w
}

// accept reads the next word if it is this one.
func (r *reader) accept(text string) bool {
	if w := r.peek(); !r.more() || w.quoted || w.text != text {
		return false
	}
	r.next++
	return true
}

// not reads "not" or "!".
func (r *reader) not() bool { return r.accept("not") || r.accept("!") }

func (r *reader) fail(w word, format string, args ...any) {
	if r.err == nil {
		r.err = r.value.ErrorAt(w.offset, max(1, len(w.text)), format+"%s", append(args, inRule(r.value))...)
	}
}

// unknown fails at a word that is none of what is known here.
func (r *reader) unknown(w word, expected string, known []string) {
	if nearest := spell.Nearest(w.text, known); nearest != "" {
		r.fail(w, "%s is unknown; did you mean %s? expected: %s", setting.Quote(w.text), nearest, expected)
		return
	}
	r.fail(w, "%s is unknown; expected: %s", setting.Quote(w.text), expected)
}

// list reads items with commas between them.
func (r *reader) list(expected string, item func(word)) {
	for {
		w := r.take(expected)
		if r.err != nil {
			return
		}
		if w.text == "," || w.text == "!" {
			r.fail(w, "expected %s", expected)
			return
		}
		if item(w); r.err != nil || !r.accept(",") {
			return
		}
	}
}
