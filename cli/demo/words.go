package demo

import (
	"strings"

	"wirelab/internal/human"
)

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

// wrapCommand cuts a command into lines that a shell takes for one.
func wrapCommand(command string, width int) []string {
	lines := human.Wrap(command, width-2)
	for i := range lines[:len(lines)-1] {
		lines[i] += ` \`
	}
	return lines
}
