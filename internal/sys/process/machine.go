package process

import (
	"os"
	"strings"
)

// CPUModel returns what the processor calls itself (/proc/cpuinfo), "" where
// nothing says so.
func CPUModel() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
