package sys

import (
	"math"
	"os"
	"strconv"
	"strings"
)

// MaxThreads estimates how many OS threads this process may have before the
// kernel refuses one: the least of the limits on the whole system and on the
// control group that it can read. Go cannot survive such a refusal, so whoever
// makes threads by the thousand must stay below.
func MaxThreads() int {
	limit := math.MaxInt
	for _, path := range threadLimitFiles() {
		if n, ok := readCount(path); ok {
			limit = min(limit, n)
		}
	}
	return limit
}

func threadLimitFiles() []string {
	files := []string{"/proc/sys/kernel/threads-max", "/proc/sys/kernel/pid_max"}
	groups, _ := os.ReadFile("/proc/self/cgroup")
	for line := range strings.Lines(string(groups)) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			files = append(files, "/sys/fs/cgroup"+path+"/pids.max")
		}
	}
	return files
}

// readCount reads a file that holds one number; "max" and what cannot be read
// are no limit.
func readCount(path string) (int, bool) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	return n, err == nil
}
