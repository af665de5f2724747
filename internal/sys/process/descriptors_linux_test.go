package process

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// descriptorRoom returns for how many descriptors the kernel has room (FDSize of
// proc_pid_status(5)).
func descriptorRoom(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "FDSize:")
	line, _, _ := strings.Cut(rest, "\n")
	n, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestReserveDescriptors(t *testing.T) {
	limit, used, err := DescriptorLimit()
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{-1, 0, 1, 3, 5000, min(limit+1000, 100_000)} {
		if err := ReserveDescriptors(n); err != nil {
			t.Errorf("room for %d: %v", n, err)
		}
		if room := descriptorRoom(t); room < min(n, limit) {
			t.Errorf("room for %d of %d", room, n)
		}
	}
	if _, after, err := DescriptorLimit(); err != nil || after != used {
		t.Errorf("%d descriptors are open, %d were (%v)", after, used, err)
	}
}
