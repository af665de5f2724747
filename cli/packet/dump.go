package packet

import (
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// dumpLine is a line of a dump: the offset, with a colon or without, and what is behind it.
var dumpLine = regexp.MustCompile(`^\s*(0x)?([0-9a-fA-F]{4,8})(:?)(?:\s+(.*))?$`)

// parseDump reads plain hexadecimal, with or without spaces, colons, commas, 0x and \x, and
// dumps, with lines of other text between them, as tcpdump -x, tshark -x, xxd, hexdump -C and od -tx1
// print them. It returns the frames: one more begins wherever a dump's offsets begin again.
func parseDump(text string) ([][]byte, error) {
	frames, err := dumped(strings.Split(text, "\n"))
	if len(frames) > 0 || err != nil {
		return frames, err
	}
	plain := strings.NewReplacer(" ", "", ":", "", "\t", "", "\n", "", "\r", "", ",", "", "0x", "", `\x`, "").Replace(text)
	b, err := hex.DecodeString(plain)
	if err != nil || len(b) == 0 {
		return nil, errors.New("bytes in hexadecimal are expected, two digits each, such as 4500 0021, or a dump of them")
	}
	return [][]byte{b}, nil
}

// dumped reads the frames of a dump; there are none in text that is no dump.
func dumped(lines []string) (frames [][]byte, err error) {
	for i, line := range lines {
		offset, colon, rest, ok := splitDump(line)
		if !ok {
			continue
		}
		b := dumpBytes(rest, colon)
		if isAt(offset, 0) && len(b) > 0 {
			frames = append(frames, nil)
		}
		if len(frames) == 0 || len(b) == 0 {
			continue
		}
		frame := &frames[len(frames)-1]
		if !isAt(offset, len(*frame)) {
			return nil, fmt.Errorf("line %d of the dump is at %s, and the one before ends at %04x: hexdump -v and xxd leave nothing out", i+1, offset, len(*frame))
		}
		if i+1 < len(lines) { // where the next line begins, this one ended
			if next, _, _, ok := splitDump(lines[i+1]); ok && !isAt(next, 0) {
				b = b[:fitting(next, len(*frame), len(b))]
			}
		}
		*frame = append(*frame, b...)
	}
	return frames, nil
}

func splitDump(line string) (offset string, colon bool, rest string, ok bool) {
	m := dumpLine.FindStringSubmatch(strings.TrimRight(line, "\r"))
	if m == nil {
		return "", false, "", false
	}
	return m[2], m[3] != "", m[4], true
}

// isAt reports whether an offset, in hexadecimal or as od writes it in octal, is n.
func isAt(offset string, n int) bool {
	for _, base := range []int{16, 8} {
		if v, err := strconv.ParseUint(offset, base, 32); err == nil && v == uint64(n) {
			return true
		}
	}
	return false
}

// fitting returns how many of n bytes after at lead to the offset, as many as may be; n if
// none do.
func fitting(offset string, at, n int) int {
	for k := n; k > 0; k-- {
		if isAt(offset, at+k) {
			return k
		}
	}
	return n
}

// dumpBytes reads the bytes of a line up to the text beside them. That is behind two spaces, which
// some put between the first eight bytes and the next too. Without a colon behind the offset the
// bytes are apart: words of two bytes could be in another order.
func dumpBytes(rest string, colon bool) (b []byte) {
	for rest != "" {
		word, after, _ := strings.Cut(rest, " ")
		octets, err := hex.DecodeString(word)
		if err != nil || !colon && len(octets) != 1 {
			break
		}
		b = append(b, octets...)
		rest = strings.TrimLeft(after, " ")
		if gap := len(after) - len(rest); gap > 1 || gap == 1 && len(b) != 8 {
			break
		}
	}
	return b
}
