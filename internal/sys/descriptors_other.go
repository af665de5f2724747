//go:build !linux

package sys

func DescriptorLimit() (limit, used int, err error) { return 0, 0, ErrUnsupported }
func ReserveDescriptors(int) error                  { return ErrUnsupported }
