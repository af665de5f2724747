package term

import (
	"errors"

	"github.com/spf13/pflag"
)

// AddFlags adds the flags of every command.
func (c *Console) AddFlags(flags *pflag.FlagSet) {
	flags.VarP((*outputFormat)(&c.JSON), "output", "o", "text for people, json for programs")
	flags.StringVar(&c.ConfigPath, "config", "", "configuration `file` (default wirelab.yaml)")
	flags.BoolVarP(&c.Verbose, "verbose", "v", false, "show each message, with function and line")
}

// An outputFormat is the value of --output: whether it is json.
type outputFormat bool

func (f *outputFormat) Type() string { return "format" }

func (f *outputFormat) String() string {
	if *f {
		return "json"
	}
	return "text"
}

func (f *outputFormat) Set(s string) error {
	if s != "text" && s != "json" {
		return errors.New("is no format; formats are text and json")
	}
	*f = s == "json"
	return nil
}
