package term

import (
	"time"

	"wirelab/internal/human"
)

// Figures are written as by package human, everywhere.

// Count writes n with separators: 100,000.
func Count(n uint64) string { return human.Count(n) }

// Counted writes n and what it counts: 1 peer, 2 peers.
func Counted(n uint64, what string) string { return human.Counted(n, what) }

// Bytes writes a number of bytes with three digits and a power of 1000: 12.3 MB.
func Bytes(n uint64) string { return human.Bytes(n) }

// Micros writes microseconds with three digits: 12.3 us, 1.20 ms, 3.40 s.
func Micros(us float64) string { return human.Micros(us) }

// Duration writes how long something took: 1.2s, 3m05s, 2h10m, 3d4h.
func Duration(d time.Duration) string { return human.Duration(d) }

// Rate writes a number per second, with decimals where they matter.
func Rate(perSecond float64) string { return human.Rate(perSecond) }

// Percent writes a share with as many digits as matter.
func Percent(share float64) string { return human.Percent(share) }

// Scaled writes v with three digits in the unit, each 1000 times the one before, that
// leaves it at them.
func Scaled(v float64, units []string) string { return human.Scaled(v, units) }

// Bits is [human.Bits].
func Bits(perSecond float64) string { return human.Bits(perSecond) }
