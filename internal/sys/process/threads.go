package process

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// MaxThreads estimates how many OS threads this process may have before the
// kernel refuses one: the least that the limits on the whole system, on its control
// groups and on its user allow it. What others already have of the last two is taken
// off; it may be all. Go cannot survive such a refusal, so whoever makes threads by
// the thousand must stay below.
func MaxThreads() int {
	limit := math.MaxInt
	for _, path := range []string{"/proc/sys/kernel/threads-max", "/proc/sys/kernel/pid_max"} {
		if n, ok := readCount(path); ok {
			limit = min(limit, n)
		}
	}
	own, _ := os.ReadDir("/proc/self/task")
	groups, _ := os.ReadFile("/proc/self/cgroup")
	for _, dir := range threadGroups(string(groups)) {
		if n, ok := groupThreads(dir, len(own)); ok {
			limit = min(limit, n)
		}
	}
	if n, ok := userThreads(); ok && !exemptFromUserLimit() {
		limit = min(limit, n)
	}
	return max(limit, 0)
}

// threadGroups returns the directories of the control groups that may limit
// threads, those of this process and all above them, of either version of
// cgroups(7). The text is that of /proc/self/cgroup.
func threadGroups(text string) []string {
	var dirs []string
	for line := range strings.Lines(text) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) < 3 {
			continue
		}
		root := "/sys/fs/cgroup"
		if controllers := fields[1]; controllers != "" { // version 1
			if !slices.Contains(strings.Split(controllers, ","), "pids") {
				continue
			}
			root += "/pids"
		}
		path := filepath.Clean("/" + fields[2])
		for ; path != "/"; path = filepath.Dir(path) {
			dirs = append(dirs, root+path)
		}
		dirs = append(dirs, root) // limited where it is a container's own
	}
	return dirs
}

// groupThreads returns how many threads the control group at dir allows a process
// that has own of them.
func groupThreads(dir string, own int) (int, bool) {
	most, ok := readCount(dir + "/pids.max")
	if !ok {
		return 0, false
	}
	used, _ := readCount(dir + "/pids.current")
	return most - max(used-own, 0), true
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
