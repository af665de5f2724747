package config

import (
	"fmt"
	"strings"

	"wirelab/internal/human"
	"wirelab/internal/setting"
)

// Example returns a wirelab.yaml that sets nothing and shows everything: each
// key with its default, and each open section with an example, commented out, under a
// comment that explains it.
func Example(choices Choices, open []setting.Section) string {
	var b strings.Builder
	b.WriteString("# wirelab.yaml: the laboratory of one host. Every key is optional and shown with\n" +
		"# its default; take the # away and change it. 'wirelab config check' finds\n" +
		"# mistakes, 'wirelab config show' says where each value comes from.\n")
	writeSections(&b, func(k Key, indent string) {
		text := strings.TrimSuffix(k.Doc, ".") + ". (" + allowed(k, choices) + ")"
		for _, line := range human.Wrap(text, 78-len(indent)) {
			fmt.Fprintf(&b, "%s# %s\n", indent, line)
		}
		if k.Follows != "" {
			fmt.Fprintf(&b, "%s#%s:  # as %s\n", indent, k.Leaf(), k.Follows)
		} else {
			fmt.Fprintf(&b, "%s#%s: %s\n", indent, k.Leaf(), k.Default())
		}
	})
	for _, section := range open {
		for _, line := range human.Wrap(section.Doc, 78) {
			b.WriteString("# " + line + "\n")
		}
		for line := range strings.Lines(section.Example) {
			b.WriteString("#" + line)
		}
	}
	return b.String()
}

// writeSections writes the heading of each section before its first key, and
// has writeKey write the keys.
func writeSections(b *strings.Builder, writeKey func(k Key, indent string)) {
	open := map[string]bool{}
	for _, k := range Keys() {
		path := strings.Split(k.Section(), ".")
		for depth := range path {
			section := strings.Join(path[:depth+1], ".")
			if !open[section] {
				fmt.Fprintf(b, "%s%s:\n", strings.Repeat("  ", depth), path[depth])
				open[section] = true
			}
		}
		writeKey(k, strings.Repeat("  ", len(path)))
	}
}

// allowed says in words which values k takes.
func allowed(k Key, choices Choices) string {
	if names := choices[k.Name]; names != nil {
		return strings.Join(names, ", ")
	}
	return k.Allowed
}

// Reference returns the documentation of all keys and open sections in Markdown.
func Reference(choices Choices, open []setting.Section) string {
	var b strings.Builder
	section := ""
	for _, k := range Keys() {
		if k.Section() != section {
			section = k.Section()
			fmt.Fprintf(&b, "\n## %s\n\n| key | default | allowed | what it does |\n|---|---|---|---|\n", section)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", k.Leaf(), code(k.Default()), allowed(k, choices), k.Doc)
	}
	for _, s := range open {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n```yaml\n%s\n```\n", s.Name, s.Doc, strings.TrimRight(s.Example, "\n"))
		fmt.Fprintf(&b, "\n| key | default | allowed | what it does |\n|---|---|---|---|\n")
		for _, k := range s.Keys {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", k.Name, k.Default, k.Allowed, k.Doc)
		}
	}
	return b.String()
}

func code(s string) string {
	if name, ok := strings.CutPrefix(s, "as "); ok {
		return "as `" + name + "`"
	}
	return "`" + s + "`"
}
