package sys

import "golang.org/x/sys/unix"

// KernelRelease returns the release of the running kernel, such as
// "6.18.2-amd64" (uname(2)).
func KernelRelease() (string, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "", NewOpError("uname", err)
	}
	return unix.ByteSliceToString(u.Release[:]), nil
}
