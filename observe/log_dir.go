package observe

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// logGroup is one log file and those that were once it, by their names.
type logGroup struct {
	component string
	active    string       // path; it need not exist
	rotated   []rotatedLog // oldest first
}

type rotatedLog struct {
	path string
	at   time.Time // of the rotation: no line in it is later
}

// rotatedTime is how timberjack writes times into file names, in UTC.
const rotatedTime = "2006-01-02T15-04-05.000"

// scanLogs lists the log files in dir, by the path of the active file.
func scanLogs(dir string) (map[string]*logGroup, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	groups := make(map[string]*logGroup)
	for _, file := range files {
		stem, at, ok := parseLogName(file.Name())
		if !ok || !isRegular(dir, file) {
			continue
		}
		active := filepath.Join(dir, stem+".log")
		g := groups[active]
		if g == nil {
			component, _, _ := strings.Cut(stem, ".")
			g = &logGroup{component: component, active: active}
			groups[active] = g
		}
		if !at.IsZero() {
			g.rotated = append(g.rotated, rotatedLog{path: filepath.Join(dir, file.Name()), at: at})
		}
	}
	for _, g := range groups {
		g.sort()
	}
	return groups, nil
}

// isRegular reports whether an entry of dir is a file, or a link to one: a FIFO would keep
// whoever opens it waiting.
func isRegular(dir string, entry os.DirEntry) bool {
	if entry.Type().IsRegular() {
		return true
	}
	info, err := os.Stat(filepath.Join(dir, entry.Name()))
	return err == nil && info.Mode().IsRegular()
}

// parseLogName takes apart "client.2.log" and
// "client.2-2026-11-22T10-03-04.000-size_1.log.gz". The time is zero for an active
// file.
func parseLogName(name string) (stem string, at time.Time, ok bool) {
	stem, ok = strings.CutSuffix(uncompressedName(name), ".log")
	if !ok || stem == "" || stem[0] == '.' {
		return "", time.Time{}, false
	}
	i := strings.LastIndexByte(stem, '-') // before the reason
	if j := i - len(rotatedTime); j > 1 && stem[j-1] == '-' {
		if at, err := time.Parse(rotatedTime, stem[j:i]); err == nil {
			return stem[:j-1], at, true
		}
	}
	return stem, time.Time{}, len(stem)+len(".log") == len(name)
}

func uncompressedName(path string) string {
	return strings.TrimSuffix(strings.TrimSuffix(path, ".gz"), ".zst")
}

// paths returns the set of the rotated files, whether compressed or not.
func (g *logGroup) paths() map[string]bool {
	paths := make(map[string]bool, len(g.rotated))
	for _, r := range g.rotated {
		paths[uncompressedName(r.path)] = true
	}
	return paths
}

// sort orders the rotated files, and keeps one of each two that differ only in
// compression: for a moment both are there.
func (g *logGroup) sort() {
	slices.SortFunc(g.rotated, func(a, b rotatedLog) int {
		return cmp.Or(a.at.Compare(b.at), compareNames(a.path, b.path))
	})
	g.rotated = slices.CompactFunc(g.rotated, func(a, b rotatedLog) bool {
		return uncompressedName(a.path) == uncompressedName(b.path)
	})
}

// compareNames puts "size" before "size_2", that before "size_10", and a plain
// file before a compressed one.
func compareNames(a, b string) int {
	ua, ub := uncompressedName(a), uncompressedName(b)
	return cmp.Or(cmp.Compare(len(ua), len(ub)), cmp.Compare(ua, ub), cmp.Compare(len(a), len(b)))
}

// matches reports whether the filter wants any line of the group.
func (g *logGroup) matches(components []string) bool {
	return len(components) == 0 || slices.ContainsFunc(components, func(c string) bool { return StandsFor(c, g.component) })
}

// StandsFor reports whether a name in a Filter means a component: its own, or that of
// several, as "server" is of "server-tcp".
func StandsFor(name, component string) bool {
	return name == component || strings.HasPrefix(component, name+"-")
}

// LogComponents returns the components that have log files in dir, sorted.
func LogComponents(dir string) ([]string, error) {
	groups, err := scanLogs(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, g := range groups {
		names = append(names, g.component)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}
