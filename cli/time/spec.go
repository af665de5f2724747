package time

import (
	"math"
	"strconv"
	"strings"
	"time"

	"wirelab/cli/term"
)

// The bounds of a simulated clock.
const (
	maxSimulatedOffset = 100 * 365 * 24 * time.Hour
	maxSimulatedDrift  = 1000 // ppm
)

// parseSimulated reads the spec of a simulated clock: sim, or sim: followed by
// offset=DURATION and drift=PPMppm, in any order.
func parseSimulated(spec string) (offset time.Duration, ppb float64, err error) {
	kind, rest, _ := strings.Cut(spec, ":")
	if kind != "sim" {
		return 0, 0, term.Usagef("--clock %s: there are system and sim:offset=350ms,drift=80ppm", spec)
	}
	if rest == "" {
		return 0, 0, nil
	}
	for _, part := range strings.Split(rest, ",") {
		key, value, _ := strings.Cut(part, "=")
		switch key {
		case "offset":
			if offset, err = time.ParseDuration(value); err != nil || offset.Abs() > maxSimulatedOffset {
				return 0, 0, term.Usagef("--clock %s: offset %q is not a duration such as 350ms or -1h", spec, value)
			}
		case "drift":
			ppm, err := strconv.ParseFloat(strings.TrimSuffix(value, "ppm"), 64)
			if err != nil || !(math.Abs(ppm) <= maxSimulatedDrift) {
				return 0, 0, term.Usagef("--clock %s: drift %q is not a number of ppm such as 80ppm or -12.5ppm, at most %d", spec, value, maxSimulatedDrift)
			}
			ppb = ppm * 1e3
		default:
			return 0, 0, term.Usagef("--clock %s: %q is neither offset nor drift", spec, key)
		}
	}
	return offset, ppb, nil
}
