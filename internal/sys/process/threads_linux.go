package process

import (
	"math"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// userThreads returns how many threads RLIMIT_NPROC of getrlimit(2) allows this
// process beside the other processes of its user, as far as /proc shows them.
func userThreads() (int, bool) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NPROC, &limit); err != nil || limit.Cur > math.MaxInt32 {
		return 0, false
	}
	return int(limit.Cur) - otherThreads(os.Getuid()), true
}

// otherThreads counts the threads of the user's processes without this one.
func otherThreads(uid int) int {
	threads := 0
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		if pid, err := strconv.Atoi(entry.Name()); err != nil || pid == os.Getpid() {
			continue
		}
		status, _ := os.ReadFile("/proc/" + entry.Name() + "/status") // it may have ended
		if owner, ok := procField(status, "Uid"); ok && int(owner) == uid {
			n, _ := procField(status, "Threads")
			threads += int(n)
		}
	}
	return threads
}

// exemptFromUserLimit reports whether this is root of the host, which RLIMIT_NPROC
// does not bind: user 0, and that of no container with users of its own.
func exemptFromUserLimit() bool {
	users, _ := os.ReadFile("/proc/self/uid_map")
	first := strings.Fields(string(users))
	return os.Getuid() == 0 && len(first) >= 2 && first[0] == "0" && first[1] == "0"
}
