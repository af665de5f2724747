package session

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
)

// LeaveCgroup moves the calling process to the root of each control group
// hierarchy that it is somewhere below in (cgroups(7)), so that it is not ended
// with the session that started it. It tries all of them. A control group that has
// own in its name is the process's own, and is not left.
func LeaveCgroup(own string) error {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return err
	}
	mounts, err := cgroupMounts()
	if err != nil {
		return err
	}
	var failed []error
	for line := range bytes.Lines(text) {
		_, rest, _ := strings.Cut(strings.TrimSpace(string(line)), ":")
		controllers, path, _ := strings.Cut(rest, ":")
		root, mounted := mounts[controllers]
		if path == "/" || path == "" || !mounted || strings.Contains(path, own) {
			continue
		}
		if err := os.WriteFile(root+"/cgroup.procs", []byte("0"), 0); err != nil {
			failed = append(failed, fmt.Errorf("leave control group %s: %w", path, err))
		}
	}
	return errors.Join(failed...)
}

// cgroupMounts returns where each hierarchy is mounted, by its controllers as
// /proc/self/cgroup names them; version 2 has no name there.
func cgroupMounts() (map[string]string, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	mounts := make(map[string]string)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		before, after, found := strings.Cut(lines.Text(), " - ")
		mount, kind := strings.Fields(before), strings.Fields(after)
		if !found || len(mount) < 5 || len(kind) < 3 {
			continue
		}
		switch kind[0] {
		case "cgroup2":
			mounts[""] = mount[4]
		case "cgroup":
			mounts[hierarchyName(kind[2])] = mount[4]
		}
	}
	return mounts, nil
}

// hierarchyName returns the controllers of a version 1 hierarchy from the options
// of its mount, such as "rw,cpu,cpuacct" or "rw,xattr,name=systemd".
func hierarchyName(options string) string {
	var names []string
	for option := range strings.SplitSeq(options, ",") {
		switch {
		case strings.HasPrefix(option, "name="):
			return option
		case option == "rw", option == "ro", option == "xattr", strings.Contains(option, "="):
		default:
			names = append(names, option)
		}
	}
	return strings.Join(names, ",")
}
