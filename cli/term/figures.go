package term

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"wirelab/internal/human"
	"wirelab/internal/setting"
)

// ReadFigures makes all flags read figures alike, however they were defined: durations
// as 500ms or 1d, sizes (whose usage says `bytes`) as 64KB, counts as 10k, rates as 50k/s.
func ReadFigures(flags *pflag.FlagSet) {
	flags.VisitAll(func(f *pflag.Flag) {
		switch f.Value.(type) {
		case *figureFlag, *settingFlag: // the configuration reads those in the same way
			return
		}
		if f.DefValue == "0s" || f.DefValue == "[]" && !strings.HasPrefix(f.Value.Type(), "string") {
			f.DefValue = "" // which help does not show; of strings pflag leaves it out itself
		}
		unit, _ := pflag.UnquoteUsage(f)
		if read := figureReader(f.Value.Type(), unit); read != nil {
			f.Value = &figureFlag{f.Value, read}
		}
	})
}

// figureReader returns what makes of a figure as people write it one as Go does; nil: the
// flag's type is none of a figure.
func figureReader(kind, unit string) func(string) (string, error) {
	switch kind {
	case "duration":
		return readDuration
	case "int", "int64", "uint", "uint16", "uint32", "uint64":
		if unit == "bytes" {
			return readSize
		}
		return readCount
	case "float64":
		return readRate
	case "intSlice":
		return listOf(readCount)
	case "durationSlice":
		return listOf(readDuration)
	case "float64Slice":
		return listOf(readRate)
	}
	return nil
}

// A figureFlag is a flag whose value is read by figureReader.
type figureFlag struct {
	pflag.Value
	read func(string) (string, error)
}

func (f *figureFlag) Set(s string) error {
	text, err := f.read(s)
	if err != nil {
		// What is negative is for the command to refuse, which knows its bounds.
		if _, not := strconv.ParseInt(s, 10, 32); not == nil && f.Value.Set(s) == nil {
			return nil
		}
		return err
	}
	if err := f.Value.Set(text); err != nil {
		return errors.New("is out of range")
	}
	return nil
}

func readDuration(s string) (string, error) {
	d, err := setting.ParseDuration(s)
	return d.String(), asIn(err, "500ms, 10s, 5m, 2h or 1d")
}

func readSize(s string) (string, error) {
	n, err := setting.ParseSize(s)
	return strconv.FormatInt(n, 10), asIn(err, "64, 1KB or 16KiB")
}

func readCount(s string) (string, error) {
	n, err := setting.ParseCount(s)
	return strconv.FormatUint(n, 10), asIn(err, "100, 10k or 1.5M")
}

// listOf returns what reads several figures between commas.
func listOf(read func(string) (string, error)) func(string) (string, error) {
	return func(s string) (string, error) {
		var all []string
		for word := range strings.SplitSeq(s, ",") {
			text, err := read(word)
			if err != nil {
				return "", err
			}
			all = append(all, text)
		}
		return strings.Join(all, ","), nil
	}
}

func readRate(s string) (string, error) {
	v, err := setting.ParseRate(s)
	return strconv.FormatFloat(v, 'f', -1, 64), asIn(err, "100, 50k or 50k/s")
}

// asIn adds to err, which may be nil, what would be right.
func asIn(err error, examples string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w; write it as %s", err, examples)
}

// ExplainFlag says what is wrong with the value of a flag, in no words of Go's.
func ExplainFlag(err error) error {
	var invalid *pflag.InvalidValueError
	if !errors.As(err, &invalid) {
		return err
	}
	flag, value, cause := invalid.GetFlag(), invalid.GetValue(), invalid.Unwrap()
	if _, many := flag.Value.(*verbosity); flag.Value.Type() == "bool" && !many {
		cause = errors.New("is neither true nor false")
	}
	return fmt.Errorf("--%s: %s %w", flag.Name, setting.Quote(value), cause)
}

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
