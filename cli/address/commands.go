// Package address has the commands about links, addresses and routes.
package address

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"wirelab/address"
	"wirelab/cli/config"
	"wirelab/cli/guarded"
	"wirelab/cli/term"
	"wirelab/internal/setting"
)

// An app is the console that the commands here use.
type app struct {
	*term.Console
}

// Commands returns the command group address.
func Commands(c *term.Console) []*cobra.Command {
	a := &app{c}
	cmd := &cobra.Command{
		Use:     "address",
		Aliases: []string{"addresses"},
		Short:   "Links, addresses and routes that cannot lock you out",
		Long: "Gives this machine the links, addresses, routes, policy rules and name servers that\n" +
			"wirelab.yaml names, in an order in which it stays reachable, and takes them back\n" +
			"unless somebody who can still get in confirms them. What the file does not name is\n" +
			"left alone.",
		Example: "  wirelab address show\n  wirelab address plan\n  wirelab address apply --confirm 2m\n  wirelab address confirm    # from a new login",
	}
	cmd.AddCommand(a.newShowCommand(), a.newPlanCommand(), a.newApplyCommand())
	cmd.AddCommand(guarded.Commands(c, guarded.Addresses)...)
	cmd.AddCommand(a.newExportCommand())
	return []*cobra.Command{cmd}
}

// A Step is a step as -o json has it.
type Step struct {
	Text  string `json:"text"`
	Place string `json:"place,omitempty"` // "wirelab.yaml:3:9"
}

type plan struct {
	Schema  string `json:"schema"`
	Changed bool   `json:"changed"`
	Steps   []Step `json:"steps"`
}

func (a *app) newPlanCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "plan",
		Short: "Show what apply would do, in the order of doing",
		Long: "Compares the section addresses of the configuration with the machine, and lists the\n" +
			"steps from one to the other with the lines of the file that ask for them. It needs\n" +
			"no privilege.\n\n" +
			"A section to begin with:\n\n" + term.Indented(address.Section().Example),
		Example: "  wirelab address plan",
		Args:    term.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			change, err := a.change(cmd)
			if err != nil {
				return err
			}
			if a.JSON {
				return a.PrintJSON(planOf(change))
			}
			if note := (&guarded.Options{}).Pending(cmd.Context(), a.Console); note != "" {
				a.Note("wirelab: %s", note)
			}
			return printSteps(a.Stdout, change)
		},
	}
}

func planOf(c *address.Change) plan {
	p := plan{Schema: "wirelab.address.plan/1", Steps: []Step{}}
	for _, s := range c.Steps() {
		p.Steps = append(p.Steps, Step{s.Text, s.Place.String()})
	}
	p.Changed = len(p.Steps) > 0
	return p
}

func printSteps(w io.Writer, c *address.Change) error {
	steps := c.Steps()
	if len(steps) == 0 {
		_, err := fmt.Fprintln(w, "nothing to do")
		return err
	}
	width := 0
	for _, s := range steps {
		width = max(width, len(s.Text))
	}
	for i, s := range steps {
		if _, err := fmt.Fprintf(w, "%3d  %-*s  %s\n", i+1, min(width, 72), term.OneLine(s.Text), s.Place); err != nil {
			return err
		}
	}
	return nil
}

// section returns the section addresses of the configuration.
func section(cfg *config.Config) (*address.Config, error) {
	v := cfg.Section("addresses")
	if v.Kind == setting.Null {
		return nil, term.Usagef("the configuration has no section addresses:; a short one to begin with is in the help of \"wirelab address plan\"")
	}
	c, errs := address.Parse(v)
	if errs != nil {
		return nil, errs
	}
	return c, nil
}

// change compares the configuration with the machine.
func (a *app) change(cmd *cobra.Command) (*address.Change, error) {
	cfg, err := a.Settings(cmd)
	if err != nil {
		return nil, err
	}
	return Change(cfg)
}

// Change compares the section addresses of a configuration with the machine.
func Change(cfg *config.Config) (*address.Change, error) {
	c, err := section(cfg)
	if err != nil {
		return nil, err
	}
	m := address.Machine{}
	now, err := m.Read()
	if err != nil {
		return nil, err
	}
	change, errs := c.Change(m, now)
	if errs != nil {
		return nil, errs
	}
	return change, nil
}

func (a *app) newApplyCommand() *cobra.Command {
	o := &guarded.Options{}
	cmd := &cobra.Command{
		Use:   "apply",
		Short: "Make the machine what the file says",
		Long: "Carries out what plan shows. In a remote session, or with --confirm, the change takes\n" +
			"itself back unless 'wirelab address confirm' comes from a new login within the time;\n" +
			"that is done by a process of its own, also when this one is killed.",
		Example: "  wirelab address apply --confirm 2m\n  wirelab address apply --yes    # for provisioning",
		Args:    term.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.apply(cmd.Context(), cmd, o)
		},
	}
	o.AddFlags(cmd)
	return cmd
}

func (a *app) apply(ctx context.Context, cmd *cobra.Command, o *guarded.Options) error {
	cfg, err := a.Settings(cmd)
	if err != nil {
		return err
	}
	if _, err := section(cfg); err != nil {
		return err
	}
	s, err := o.Open(ctx, a.Console)
	if err != nil {
		return err
	}
	change, err := Change(cfg)
	if err != nil {
		return err
	}
	if len(change.Steps()) == 0 {
		if a.JSON {
			return a.PrintJSON(guarded.Result{Schema: guarded.ResultSchema, Title: "nothing to do", Result: "unchanged"})
		}
		_, err := fmt.Fprintln(a.Stdout, "nothing to do")
		return err
	}
	if !a.JSON {
		if err := printSteps(a.Stdout, change); err != nil {
			return err
		}
	}
	return s.Apply(ctx, change.Title(), guarded.OfAddresses(change))
}
