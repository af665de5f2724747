package cli

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
	"wirelab/server"
)

// defaultConfig is read when it is there and no other file is asked for.
const defaultConfig = "wirelab.yaml"

// bindSettings gives cmd a flag for each of these keys, named like the last part
// of the key: --max-conns for server.max_conns. A flag that is given overrides the
// key in what a.settings returns. A key that is not in the table is a mistake of
// the programmer and panics.
func (a *app) bindSettings(cmd *cobra.Command, keys ...string) {
	choices := settingChoices()
	for _, name := range keys {
		key, ok := config.Lookup(name)
		if !ok {
			panic("cli: no key " + name)
		}
		usage := flagUsage(key)
		if names := choices[name]; names != nil {
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
		if names := choices[name]; names != nil {
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
}

func (f *settingFlag) Type() string { return f.key.Kind }

func (f *settingFlag) String() string { return strings.Join(f.values, ",") }

// Set adds to a list, and takes the place of what a scalar was.
func (f *settingFlag) Set(s string) error {
	if !f.key.List {
		f.values = f.values[:0]
	}
	f.values = append(f.values, s)
	return nil
}

// settings returns the configuration for cmd: defaults, the file, the
// environment, and those of cmd's flags that bindSettings made and that were given. It
// reads the file each time, so that a server can ask again on SIGHUP. Its error
// ends a command with status 2.
func (a *app) settings(cmd *cobra.Command) (*config.Config, error) {
	file, source, err := a.readConfig()
	if err != nil {
		return nil, err
	}
	return config.Load(config.Input{
		File: file, Source: source, Environ: a.environ, Flags: givenSettings(cmd), Choices: settingChoices(),
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

// readConfig returns the configuration file: that of --config, else that of
// WIRELAB_CONFIG, else wirelab.yaml if it exists. Without a file the name is "".
func (a *app) readConfig() (name string, source []byte, err error) {
	name = a.configPath
	if name == "" {
		name = a.getenv("WIRELAB_CONFIG")
	}
	asked := name != ""
	if !asked {
		name = defaultConfig
	}
	source, err = setting.ReadFile(name)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !asked:
		return "", nil, nil
	case err != nil:
		return "", nil, usagef("configuration: %w", err)
	}
	return name, source, nil
}

// settingChoices returns what may be chosen for the keys that name something in a
// table of another package.
func settingChoices() config.Choices {
	var engines, handlers, udpHandlers []string
	for _, e := range server.Engines() {
		engines = append(engines, e.Name)
	}
	engines = append(engines, server.AutoEngine)
	for _, h := range server.TCPHandlers() {
		handlers = append(handlers, h.Name)
	}
	for _, h := range server.UDPHandlers() {
		udpHandlers = append(udpHandlers, h.Name)
	}
	return config.Choices{"server.engine": engines, "server.handler": handlers, "server.udp.handler": udpHandlers}
}

// oneOf is the Args of a command that takes exactly one of words.
func oneOf(what string, words ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 || !slices.Contains(words, args[0]) {
			return usagef("give %s: %s", what, strings.Join(words, ", "))
		}
		return nil
	}
}
