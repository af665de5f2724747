package term

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"wirelab/cli/config"
	"wirelab/internal/setting"
)

// DefaultConfig is read when it is there and no other file is asked for.
const DefaultConfig = "wirelab.yaml"

// BindSettings gives cmd a flag for each of these keys, named like the last part
// of the key: --max-conns for server.max_conns. A flag that is given overrides the
// key in what Settings returns. A key that is not in the table is a mistake of
// the programmer and panics.
func (c *Console) BindSettings(cmd *cobra.Command, keys ...string) {
	for _, name := range keys {
		key, ok := config.Lookup(name)
		if !ok {
			panic("term: no key " + name)
		}
		usage := flagUsage(key)
		if names := c.Choices[name]; names != nil {
			usage += ": " + strings.Join(names, ", ")
		}
		f := cmd.Flags().VarPF(&settingFlag{key: key}, key.Flag(), "", usage)
		f.DefValue = key.Default()
		if key.List || f.DefValue == `""` {
			f.DefValue = ""
		}
		if key.Switch {
			f.NoOptDefVal = "true"
		}
		if names := c.Choices[name]; names != nil {
			// It fails only for a flag that does not exist or is registered twice.
			_ = cmd.RegisterFlagCompletionFunc(f.Name, cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoFileComp))
		}
	}
}

// flagUsage returns the key's doc as flags are explained: begun small, unless with
// an abbreviation, and without a full stop.
func flagUsage(key config.Key) string {
	doc := strings.TrimSuffix(key.Doc, ".")
	if unicode.IsLower(rune(doc[1])) {
		return strings.ToLower(doc[:1]) + doc[1:]
	}
	return doc
}

// A settingFlag is a flag that sets a key. It takes everything: config.Load
// judges all values, wherever they come from.
type settingFlag struct {
	key    config.Key
	values []string
	none   bool // "none" stands for the empty value
}

func (f *settingFlag) Type() string { return f.key.Kind }

func (f *settingFlag) String() string { return strings.Join(f.values, ",") }

// Set adds to a list, and takes the place of what a scalar was.
func (f *settingFlag) Set(s string) error {
	if !f.key.List {
		f.values = f.values[:0]
	}
	if f.none && s == "none" {
		s = ""
	}
	f.values = append(f.values, s)
	return nil
}

// AddLogs gives a command that logs the flag --logs. Its name is not that of its key, whose
// last part alone would say nothing.
func AddLogs(cmd *cobra.Command) {
	key, ok := config.Lookup("logs.dir")
	if !ok {
		panic("term: no key logs.dir")
	}
	cmd.Flags().VarPF(&settingFlag{key: key, none: true}, "logs", "", "write log files into this `dir`; none: write none")
}

// Settings returns the configuration for cmd: defaults, the file, the
// environment, and those of cmd's flags that BindSettings made and that were given. It
// reads the file each time, so that a server can ask again on SIGHUP. Its error
// ends a command with status 2.
func (c *Console) Settings(cmd *cobra.Command) (*config.Config, error) {
	type text struct {
		name   string
		source []byte
	}
	file, err := Await(cmd.Context(), func() (t text, err error) {
		t.name, t.source, err = c.ReadConfig()
		return t, err
	})
	if err != nil {
		return nil, err
	}
	return config.Load(config.Input{
		File: file.name, Source: file.source, Environ: c.Environ, Flags: givenSettings(cmd), Choices: c.Choices, Sections: c.Sections,
	})
}

func givenSettings(cmd *cobra.Command) []config.Flag {
	var given []config.Flag
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if s, ok := f.Value.(*settingFlag); ok {
			given = append(given, config.Flag{Key: s.key.Name, Name: "--" + f.Name, Values: slices.Clone(s.values)})
		}
	})
	return given
}

// ReadConfig returns the configuration file: that of --config, else that of
// WIRELAB_CONFIG, else wirelab.yaml if it exists. Without a file the name is "".
func (c *Console) ReadConfig() (name string, source []byte, err error) {
	name = c.ConfigPath
	if name == "" {
		name = c.Getenv("WIRELAB_CONFIG")
	}
	asked := name != ""
	if !asked {
		name = DefaultConfig
	}
	source, err = setting.ReadFile(name)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !asked:
		return "", nil, nil
	case err != nil:
		return "", nil, Usagef("configuration: %w", err)
	}
	return name, source, nil
}
