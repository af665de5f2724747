package term

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

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
		return readCounts
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

func readCounts(s string) (string, error) {
	var all []string
	for word := range strings.SplitSeq(s, ",") {
		n, err := readCount(word)
		if err != nil {
			return "", err
		}
		all = append(all, n)
	}
	return strings.Join(all, ","), nil
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
