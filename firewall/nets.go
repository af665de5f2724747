package firewall

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"wirelab/internal/setting"
	"wirelab/internal/spell"
)

// maxNetFile is the size in bytes of the largest file of addresses.
const maxNetFile = 64 << 20

// readNets reads nets: names with addresses, prefixes, ranges, other names, and
// "file PATH".
func (r *policyReader) readNets(v setting.Value) {
	entries := r.entries(v, "nets")
	for _, e := range entries {
		r.names.netNames = append(r.names.netNames, e.Key)
	}
	for _, e := range entries {
		if r.goodName(e) {
			r.net(entries, e, nil)
		}
	}
}

// net returns the ranges of a net, which may name others: within are the names on
// the way to it.
func (r *policyReader) net(entries []setting.Entry, e setting.Entry, within []string) []Range {
	if ranges, done := r.names.nets[e.Key]; done {
		return ranges
	}
	within = append(within, e.Key)
	items, err := e.Value.Texts()
	r.fail(err)
	var ranges []Range
	for _, item := range items {
		at := slices.IndexFunc(entries, func(e setting.Entry) bool { return e.Key == item.Text })
		switch path, isFile := strings.CutPrefix(item.Text, "file "); {
		case isFile:
			ranges = append(ranges, r.netFile(item, strings.TrimSpace(path))...)
		case at >= 0 && slices.Contains(within, item.Text):
			r.fail(item.Errorf("the net %s holds itself: %s", item.Text, strings.Join(append(within, item.Text), " > ")))
		case at >= 0:
			ranges = append(ranges, r.net(entries, entries[at], within)...)
		default:
			ranges = append(ranges, r.netItem(item)...)
		}
	}
	r.names.nets[e.Key] = ranges
	return ranges
}

func (r *policyReader) netItem(item setting.Value) []Range {
	one, err := ParseRange(item.Text)
	if err == nil {
		return []Range{one}
	}
	if nearest := spell.Nearest(item.Text, r.names.netNames); nearest != "" {
		r.fail(item.Errorf("%s is unknown; did you mean %s? expected: an address, a prefix, a range, a net, or file PATH", setting.Quote(item.Text), nearest))
		return nil
	}
	r.fail(item.Errorf("%v; expected an address, a prefix, a range, the name of another net, or file PATH (names of hosts are not looked up)", err))
	return nil
}

// maxMistakes bounds what is told of a file of addresses that is none.
const maxMistakes = 100

// netFile reads a file with an address, a prefix or a range on each line; "#" and
// ";" begin comments.
func (r *policyReader) netFile(item setting.Value, path string) []Range {
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(item.Place.File), path)
	}
	text, err := readNetFile(path)
	if err != nil {
		r.fail(item.Errorf("%v", err))
		return nil
	}
	var ranges []Range
	number, mistakes := 0, 0
	for line := range bytes.Lines(text) {
		number++
		entry := strings.TrimSpace(strings.SplitN(strings.SplitN(string(line), "#", 2)[0], ";", 2)[0])
		if entry == "" {
			continue
		}
		one, err := ParseRange(entry)
		if err != nil {
			r.fail(item.Errorf("%s:%d:1: %v; expected an address, a prefix or a range on each line", path, number, err))
			if mistakes++; mistakes == maxMistakes {
				break
			}
			continue
		}
		ranges = append(ranges, one)
	}
	return ranges
}

func readNetFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // a pipe would keep whoever opens it waiting
		return nil, fmt.Errorf("%s is not a file of addresses", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxNetFile+1))
	if err == nil && len(text) > maxNetFile {
		err = fmt.Errorf("%s is larger than %s; is it the right file?", path, setting.FormatSize(maxNetFile))
	}
	return text, err
}
