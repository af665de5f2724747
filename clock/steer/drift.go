package steer

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"strconv"
	"strings"

	"wirelab/internal/atomicfile"
)

// maxDriftFile bounds what is read of a drift file.
const maxDriftFile = 1 << 10

// ErrDriftFile reports a drift file that is none.
var ErrDriftFile = errors.New("bad drift file")

// readDrift returns the frequency in a drift file in ppb, nil if there is no file. Its
// form is that of chrony and ntpd: ppm, maybe followed by their standard deviation.
// The signs are chrony's: > 0 means that the clock must run faster than its
// oscillator. The error is ErrDriftFile or that of the file.
func readDrift(name string) (*float64, error) {
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular(): // a pipe would keep whoever opens it waiting
		return nil, fmt.Errorf("%w: %s is not a file", ErrDriftFile, name)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	fields := strings.Fields(string(text[:min(len(text), maxDriftFile)]))
	if len(fields) == 0 {
		return nil, fmt.Errorf("%w: %s is empty", ErrDriftFile, name)
	}
	ppm, err := strconv.ParseFloat(fields[0], 64)
	if err != nil || !(math.Abs(ppm) <= 500) {
		return nil, fmt.Errorf("%w: %s says %q, not a frequency in ppm from -500 to 500; remove it and the loop learns anew", ErrDriftFile, name, fields[0])
	}
	ppb := ppm * 1e3
	return &ppb, nil
}

// writeDrift replaces a drift file.
func writeDrift(name string, ppb, skewPPB float64) error {
	return atomicfile.Write(name, fmt.Appendf(nil, "%.6f %.6f\n", ppb/1e3, skewPPB/1e3), 0o644)
}
