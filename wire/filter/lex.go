package filter

import (
	"regexp"
	"strings"
)

type tokenKind int

const (
	tokenEnd tokenKind = iota
	tokenWord
	tokenNumber  // digits, or 0x and hex digits
	tokenDotted  // an IPv4 address or the beginning of one
	tokenRange   // two numbers with a hyphen
	tokenIPv6    //
	tokenMAC     //
	tokenSymbol  // an operator or a bracket
	tokenEscaped // a word after a backslash: a name even if it is a keyword
)

type token struct {
	kind   tokenKind
	text   string
	offset int
}

// patterns are tried in this order; what stands in brackets of a field such as
// tcp[0:2] has no addresses.
var patterns = []struct {
	kind     tokenKind
	brackets bool
	pattern  *regexp.Regexp
}{
	{tokenMAC, false, regexp.MustCompile(`^[0-9a-fA-F]{1,2}([:-][0-9a-fA-F]{1,2}){5}\b`)},
	{tokenMAC, false, regexp.MustCompile(`^[0-9a-fA-F]{4}\.[0-9a-fA-F]{4}\.[0-9a-fA-F]{4}\b`)},
	{tokenIPv6, false, regexp.MustCompile(`^[0-9a-fA-F]*:[0-9a-fA-F:.]*:[0-9a-fA-F.]*`)},
	{tokenDotted, false, regexp.MustCompile(`^\d+(\.\d+)+\b`)},
	{tokenRange, false, regexp.MustCompile(`^\d+-\d+\b`)},
	{tokenNumber, true, regexp.MustCompile(`^(0[xX][0-9a-fA-F]+|\d+)\b`)},
	{tokenWord, true, regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*([-.][a-zA-Z0-9_]+)*`)},
	{tokenSymbol, true, regexp.MustCompile(`^(&&|\|\||<<|>>|<=|>=|==|!=|[][()!<>=+*/%&|^:-])`)},
}

// lex splits a filter into tokens; the last is tokenEnd.
func lex(text string) ([]token, error) {
	var tokens []token
	depth := 0
	for at := 0; at < len(text); {
		if strings.IndexByte(" \t\r\n", text[at]) >= 0 {
			at++
			continue
		}
		t := next(text[at:], depth > 0)
		if t.text == "" {
			return nil, &Error{text, at, 1, "no word, number or operator"}
		}
		t.offset = at
		at += len(t.text)
		switch {
		case t.text == "[":
			depth++
		case t.text == "]" && depth > 0:
			depth--
		case t.kind == tokenEscaped:
			t.text, t.offset = t.text[1:], t.offset+1
		}
		tokens = append(tokens, t)
	}
	return append(tokens, token{offset: len(text)}), nil
}

func next(rest string, brackets bool) token {
	if rest[0] == '\\' {
		if word := patterns[len(patterns)-2].pattern.FindString(rest[1:]); word != "" {
			return token{kind: tokenEscaped, text: `\` + word}
		}
		return token{}
	}
	for _, p := range patterns {
		if brackets && !p.brackets {
			continue
		}
		if found := p.pattern.FindString(rest); found != "" {
			return token{kind: p.kind, text: found}
		}
	}
	return token{}
}
