package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"wirelab/cli/config"
	"wirelab/cli/term"
	"wirelab/internal/atomicfile"
	"wirelab/internal/setting"
)

func (a *app) newConfigCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Write, show or check the configuration",
		Long: "One file, wirelab.yaml, holds the laboratory of one host. No file is needed: every\n" +
			"key has a default. The file overrides defaults, WIRELAB_* variables override the\n" +
			"file, and flags override all.",
		Example: "  wirelab config init\n  wirelab config show\n  wirelab config check",
	}
	cmd.AddCommand(a.newConfigInitCommand(), a.newConfigShowCommand(), a.newConfigCheckCommand())
	return cmd
}

func (a *app) newConfigInitCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "init [FILE]",
		Short: "Write a wirelab.yaml with every key explained",
		Long: "Writes a configuration file in which every key stands commented out, with its\n" +
			"default and what it does: FILE, or the one that is read without being named, that\n" +
			"of WIRELAB_CONFIG or wirelab.yaml. A file that exists is kept, unless --force is\n" +
			"given.",
		Example: "  wirelab config init\n  wirelab config init --force lab/wirelab.yaml",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			name := a.configName(args)
			if err := writeNew(name, config.Example(a.Choices, a.Sections), force); err != nil {
				return err
			}
			a.Note("wrote %s", name)
			return nil
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "replace a file that exists")
	return cmd
}

// configName returns the file that a config command works on.
func (a *app) configName(args []string) string {
	switch {
	case len(args) > 0:
		return args[0]
	case a.ConfigPath != "":
		return a.ConfigPath
	}
	return cmp.Or(a.Getenv("WIRELAB_CONFIG"), term.DefaultConfig)
}

// writeNew writes a file as a whole or not at all, and over another only with
// force.
func writeNew(name, text string, force bool) error {
	f, err := atomicfile.Create(name, 0o644)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	defer f.Discard()
	if _, err := f.Write([]byte(text)); err != nil {
		return err
	}
	if force {
		return f.Commit()
	}
	err = f.CommitNew()
	if errors.Is(err, fs.ErrExist) {
		return term.FailedCheck(fmt.Errorf("%s exists and was kept; use --force to replace it", name))
	}
	return err
}

func (a *app) newConfigShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show",
		Short: "Show every value in force and where it comes from",
		Long: "Shows the value of every key after file, environment and defaults, and its origin:\n" +
			"\"default\", the line of the file, the variable, or the key that it follows.",
		Example: "  wirelab config show\n  WIRELAB_SERVER_PORT=8000 wirelab config show -o json",
		Args:    term.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.Settings(cmd)
			if err != nil {
				return err
			}
			if a.JSON {
				return a.PrintJSON(a.newConfigReport(c))
			}
			return a.printConfig(c)
		},
	}
}

// configReport is what `wirelab config show -o json` prints.
type configReport struct {
	Schema   string          `json:"schema"`
	Settings []configSetting `json:"settings"`
}

type configSetting struct {
	Key    string `json:"key"`
	Value  any    `json:"value"` // sizes and durations as the file has them
	Origin string `json:"origin"`
}

func (a *app) newConfigReport(c *config.Config) configReport {
	r := configReport{Schema: "wirelab.config/1"}
	for _, k := range config.Keys() {
		r.Settings = append(r.Settings, configSetting{k.Name, k.Value(c), c.Origin(k.Name)})
	}
	for _, v := range a.sectionValues(c) {
		r.Settings = append(r.Settings, configSetting{v.Path, v.Text, v.Place.String()})
	}
	return r
}

// sectionValues returns all plain values of the open sections: those of a list have
// the list's key, each with its own place.
func (a *app) sectionValues(c *config.Config) []setting.Value {
	var all []setting.Value
	var collect func(setting.Value)
	collect = func(v setting.Value) {
		if v.Kind == setting.Scalar {
			all = append(all, v)
		}
		for _, item := range v.Items {
			collect(item)
		}
		for _, e := range v.Entries {
			collect(e.Value)
		}
	}
	for _, s := range a.Sections {
		collect(c.Section(s.Name))
	}
	return all
}

func (a *app) printConfig(c *config.Config) error {
	t := term.NewTable("KEY", "VALUE", "ORIGIN")
	for _, k := range config.Keys() {
		t.Row(k.Name, k.Text(c), c.Origin(k.Name))
	}
	for _, v := range a.sectionValues(c) {
		t.Row(v.Path, v.Text, v.Place)
	}
	return t.Write(a.Stdout, 0, a.Colors(a.Stdout))
}

func (a *app) newConfigCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check [FILE]",
		Short: "Find mistakes in the configuration",
		Long: "Reads the configuration as every command does and reports all mistakes, each with\n" +
			"its line and what is allowed. The exit status is 0 when there is none, else 2.",
		Example: "  wirelab config check\n  wirelab config check lab/wirelab.yaml",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				a.ConfigPath = args[0]
			}
			if _, err := a.Settings(cmd); err != nil {
				return errors.Join(err, a.printMistakes(err))
			}
			return a.printChecked()
		},
	}
}

func (a *app) printChecked() error {
	name, _, err := a.ReadConfig()
	switch {
	case err != nil:
		return err
	case a.JSON:
		return a.PrintJSON(configCheck{Schema: "wirelab.config-check/1", File: name, OK: true})
	case name == "":
		name = "no file; defaults and environment are"
	default:
		name += " is"
	}
	_, err = fmt.Fprintf(a.Stdout, "%s fine\n", name)
	return err
}

// configCheck is what `wirelab config check -o json` prints.
type configCheck struct {
	Schema string          `json:"schema"`
	File   string          `json:"file,omitempty"`
	OK     bool            `json:"ok"`
	Errors []configMistake `json:"errors,omitempty"`
}

// A configMistake is one thing that is wrong.
type configMistake struct {
	Origin  string `json:"origin,omitempty"` // file:line:column, variable or flag
	Key     string `json:"key,omitempty"`    // of a value in the file
	Problem string `json:"problem"`
	Line    int    `json:"line,omitempty"` // in the file
	Column  int    `json:"column,omitempty"`
}

// printMistakes prints for programs what is wrong; people read it on stderr.
func (a *app) printMistakes(err error) error {
	if !a.JSON {
		return nil
	}
	name, _, _ := a.ReadConfig() // that it cannot be read is err already
	check := configCheck{Schema: "wirelab.config-check/1", File: name}
	var mistakes setting.Errors
	if !errors.As(err, &mistakes) {
		check.Errors = []configMistake{{Problem: err.Error()}}
	}
	for _, m := range mistakes {
		check.Errors = append(check.Errors, configMistake{Origin: m.Origin, Key: m.Key, Problem: m.Problem, Line: m.Place.Line, Column: m.Place.Column})
	}
	return a.PrintJSON(check)
}
