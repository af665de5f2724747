package demo

import "strings"

// spell returns a command as a person types it.
func spell(args []string, stdin string) string {
	words := []string{"wirelab"}
	for _, a := range args {
		if a == "" || strings.ContainsAny(a, " '\"\\$&;()<>|*?#\t\n") {
			a = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
		words = append(words, a)
	}
	command := strings.Join(words, " ")
	if stdin != "" {
		return "echo '" + strings.TrimSuffix(stdin, "\n") + "' | " + command
	}
	return command
}

// wrap cuts text into lines of at most width columns, between words.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	return append(lines, line)
}

// wrapCommand cuts a command into lines that a shell takes for one.
func wrapCommand(command string, width int) []string {
	lines := wrap(command, width-2)
	for i := range lines[:len(lines)-1] {
		lines[i] += ` \`
	}
	return lines
}
