package config

import (
	"regexp"
	"strings"
	"testing"
)

func TestExampleSetsNothing(t *testing.T) {
	c, err := load(Example(choices()))
	if err != nil {
		t.Fatal(err)
	}
	compare(t, c, defaults())
	for _, k := range Keys() {
		if o := c.Origin(k.Name); o != "default" && o != k.Follows {
			t.Errorf("%s comes from %s", k.Name, o)
		}
	}
}

func TestExampleUncommentedIsTheDefault(t *testing.T) {
	following := regexp.MustCompile(`(?m)^ *#[a-z_]+:  # as .*\n`)
	commented := regexp.MustCompile(`(?m)^( *)#([a-z_]+:)`)
	source := commented.ReplaceAllString(following.ReplaceAllString(Example(choices()), ""), "$1$2")
	c, err := load(source)
	if err != nil {
		t.Fatalf("%v\n%s", err, source)
	}
	compare(t, c, defaults())
	for _, k := range Keys() {
		if k.Follows == "" && c.Origin(k.Name) == "default" {
			t.Errorf("the example does not show %s", k.Name)
		}
	}
}

func TestExampleFitsATerminal(t *testing.T) {
	for line := range strings.Lines(Example(choices())) {
		if len(strings.TrimRight(line, "\n")) > 80 {
			t.Errorf("%d columns: %s", len(line), line)
		}
	}
}

func TestReferenceNamesEveryKey(t *testing.T) {
	reference := Reference(choices())
	for _, k := range Keys() {
		if !strings.Contains(reference, "| `"+k.Leaf()+"` |") {
			t.Errorf("%s is missing", k.Name)
		}
	}
}
