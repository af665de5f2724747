package term

import (
	"errors"

	"github.com/spf13/pflag"
)

// AddFlags adds the flags of every command.
func (c *Console) AddFlags(flags *pflag.FlagSet) {
	flags.VarP((*outputFormat)(&c.JSON), "output", "o", "text for people, json for programs")
	flags.StringVar(&c.ConfigPath, "config", "", "configuration `file` (default wirelab.yaml)")
	flags.VarPF((*verbosity)(c), "verbose", "v", "show each message, with function and line; --verbose=hex: with the bytes that pass").NoOptDefVal = "true"
}

// A verbosity is the value of --verbose: whether messages are shown, and their bytes.
type verbosity Console

func (v *verbosity) Type() string { return "bool" }

func (v *verbosity) String() string {
	switch {
	case v.Contents:
		return "hex"
	case v.Verbose:
		return "true"
	}
	return "false"
}

func (v *verbosity) Set(s string) error {
	if s != "true" && s != "false" && s != "hex" {
		return errors.New("is neither true, false nor hex")
	}
	v.Verbose, v.Contents = s != "false", s == "hex"
	return nil
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
