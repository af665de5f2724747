package setting

import (
	"errors"
	"strings"
	"testing"
)

func TestErrorsSayHowManyMore(t *testing.T) {
	one := Errors{{Problem: "this is wrong"}}
	two := append(one, &Error{Problem: "that too"})
	if one.Error() != one[0].Error() || two.Error() != one[0].Error()+" (and 1 more)" {
		t.Errorf("%q, %q", one.Error(), two.Error())
	}
	if !errors.Is(two, two[1]) {
		t.Error("the second is not in it")
	}
}

// What is written without quotes is read as it was, and needs none.
func TestQuoteYAML(t *testing.T) {
	for text, want := range map[string]string{
		"az": "az", "AZ": "AZ", "09": "09", "10.64.37.0/24": "10.64.37.0/24", "2001:db8::1": "2001:db8::1", "a_b-c+d%e": "a_b-c+d%e",
		"": `""`, "a b": `"a b"`, "-": `"-"`, ":a": `":a"`, "a:": `"a:"`, "%": `"%"`, "Null": `"Null"`, "{a": `"{a"`, "a`": "\"a`\"", "@": `"@"`, "[": `"["`, "{": `"{"`, "/a": "/a", "a;": `"a;"`,
	} {
		if got := QuoteYAML(text); got != want {
			t.Errorf("%q is written as %s, not %s", text, got, want)
		}
		file, errs := Read("test.yaml", []byte("key: "+QuoteYAML(text)+"\n"))
		if errs != nil {
			t.Errorf("%q: %v", text, errs)
			continue
		}
		if value, _ := file.Get("key"); value.Text != text {
			t.Errorf("%q is read as %q", text, value.Text)
		}
	}
}

func TestQuoteIsBounded(t *testing.T) {
	if got := Quote(strings.Repeat("a", 60)); got != `"`+strings.Repeat("a", 60)+`"` {
		t.Error(got)
	}
	if got := Quote(strings.Repeat("a", 59) + "é"); got != `"`+strings.Repeat("a", 59)+`…"` {
		t.Error(got)
	}
}
