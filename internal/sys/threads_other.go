//go:build !linux

package sys

func userThreads() (int, bool)  { return 0, false }
func exemptFromUserLimit() bool { return true }
