//go:build !linux

package sys

// KernelRelease returns ErrUnsupported.
func KernelRelease() (string, error) { return "", ErrUnsupported }
