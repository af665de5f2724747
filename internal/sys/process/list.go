package process

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A Listed is a process of this PID namespace.
type Listed struct {
	PID  int
	Name string   // as the kernel keeps it, at most 15 bytes
	Args []string // its command line, which it may have changed; empty of kernel threads
}

// maxCommandLine bounds what is read of a command line.
const maxCommandLine = 8 << 10

// List returns the processes that can be seen, as /proc has them. Those that end
// meanwhile are left out; where there is no /proc there are none.
func List() []Listed {
	names, _ := filepath.Glob("/proc/[0-9]*/comm")
	var all []Listed
	for _, name := range names {
		dir := filepath.Dir(name)
		pid, err := strconv.Atoi(filepath.Base(dir))
		comm, failed := os.ReadFile(name)
		if err != nil || failed != nil {
			continue
		}
		p := Listed{PID: pid, Name: strings.TrimSuffix(string(comm), "\n")}
		line, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		line = bytes.TrimRight(line[:min(len(line), maxCommandLine)], "\x00")
		if len(line) > 0 {
			p.Args = strings.Split(string(line), "\x00")
		}
		all = append(all, p)
	}
	return all
}
