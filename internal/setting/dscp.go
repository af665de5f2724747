package setting

import (
	"errors"
	"strconv"
	"strings"
)

// maxDSCP is the largest differentiated services code point: it has six bits (RFC 2474).
const maxDSCP = 63

var errDSCP = errors.New("is no DSCP: write 0 to 63, ef, va, le, cs0 to cs7, or af11 to af43")

// ParseDSCP reads a differentiated services code point: a number, or a name of IANA's
// registry. Class selectors and assured forwarding are computed as RFC 2474 and RFC 2597 do.
func ParseDSCP(s string) (int, error) {
	s = strings.ToLower(s)
	switch s {
	case "ef":
		return 46, nil
	case "va":
		return 44, nil
	case "le":
		return 1, nil
	}
	if number, named := strings.CutPrefix(s, "cs"); named {
		n, err := strconv.ParseUint(number, 10, 8)
		if err != nil || n > 7 {
			return 0, errDSCP
		}
		return int(n) << 3, nil
	}
	if number, named := strings.CutPrefix(s, "af"); named {
		n, err := strconv.ParseUint(number, 10, 8)
		class, drop := n/10, n%10
		if err != nil || class < 1 || class > 4 || drop < 1 || drop > 3 {
			return 0, errDSCP
		}
		return int(class<<3 | drop<<1), nil
	}
	n, err := strconv.ParseUint(s, 0, 8)
	if err != nil || n > maxDSCP {
		return 0, errDSCP
	}
	return int(n), nil
}
