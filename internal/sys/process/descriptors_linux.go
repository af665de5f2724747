package process

import (
	"os"

	"golang.org/x/sys/unix"

	"wirelab/internal/sys"
)

// DescriptorLimit returns how many descriptors this process may have open at once
// (RLIMIT_NOFILE, which Go has raised as far as it may), and how many it has.
func DescriptorLimit() (limit, used int, err error) {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r); err != nil {
		return 0, 0, sys.NewOpError("getrlimit", err)
	}
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0, 0, sys.NewOpError("count descriptors", err)
	}
	return int(min(r.Cur, 1<<30)), len(open), nil
}

// ReserveDescriptors has the kernel make room for n descriptors in this process's
// table, or for as many as the process may have. The table grows by doubling
// otherwise, and whoever opens the descriptor that does not fit waits each time until
// no processor can be using the old table (expand_fdtable, kernel fs/file.c): up to
// tens of milliseconds in a process of several threads. Room takes 8 bytes of kernel
// memory for each descriptor.
func ReserveDescriptors(n int) error {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r); err != nil {
		return sys.NewOpError("getrlimit", err)
	}
	last := int(min(uint64(max(n, 1)), r.Cur)) - 1
	some, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return sys.NewOpError("eventfd", err)
	}
	defer unix.Close(some)
	fd, err := unix.FcntlInt(uintptr(some), unix.F_DUPFD_CLOEXEC, last)
	if err == unix.EMFILE { // all from there on are taken: there is room
		return nil
	}
	if err != nil {
		return sys.NewOpError("make room for descriptors", err)
	}
	return sys.NewOpError("close", unix.Close(fd))
}
