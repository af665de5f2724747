package config

import (
	"regexp"
	"strings"
	"testing"

	"wirelab/internal/setting"
)

func TestExampleSetsNothing(t *testing.T) {
	c, err := load(Example(choices(), open()))
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
	source := commented.ReplaceAllString(following.ReplaceAllString(Example(choices(), nil), ""), "$1$2")
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
	for line := range strings.Lines(Example(choices(), open())) {
		if len(strings.TrimRight(line, "\n")) > 80 {
			t.Errorf("%d columns: %s", len(line), line)
		}
	}
}

// open returns a section as another package would own it.
func open() []setting.Section {
	return []setting.Section{{
		Name: "firewall", Doc: "What is let in.", Example: "firewall:\n  in:\n    - accept ping\n",
		Keys:  []setting.Key{{Name: "in", Default: "none", Allowed: "rules", Doc: "What comes in."}},
		Check: func(setting.Value) setting.Errors { return nil },
	}}
}

func TestOpenSectionsAreDocumented(t *testing.T) {
	if example := Example(choices(), open()); !strings.Contains(example, "# What is let in.\n#firewall:\n#  in:\n#    - accept ping\n") {
		t.Errorf("the example ends with\n%s", example[len(example)-200:])
	}
	reference := Reference(choices(), open())
	for _, want := range []string{"## firewall\n\nWhat is let in.", "    - accept ping\n```", "| `in` | none | rules | What comes in. |"} {
		if !strings.Contains(reference, want) {
			t.Errorf("no %q", want)
		}
	}
}

func TestReferenceNamesEveryKey(t *testing.T) {
	reference := Reference(choices(), open())
	for _, k := range Keys() {
		if !strings.Contains(reference, "| `"+k.Leaf()+"` |") {
			t.Errorf("%s is missing", k.Name)
		}
	}
}
