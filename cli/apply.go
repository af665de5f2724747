package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"wirelab/cli/address"
	"wirelab/cli/firewall"
	"wirelab/cli/guarded"
	"wirelab/cli/term"
	"wirelab/internal/setting"
)

func (a *app) newApplyCommand() *cobra.Command {
	o := &guarded.Options{}
	force := false
	cmd := &cobra.Command{
		Use:   "apply",
		Short: "Apply addresses and firewall in one guarded step",
		Long: "Does what 'wirelab address apply' and 'wirelab firewall apply' do, as one change: both\n" +
			"stay, or both are taken back.",
		Example: "  wirelab apply --confirm 2m\n  wirelab address confirm    # from a new login; or: wirelab firewall confirm",
		Args:    term.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.apply(cmd, o, force)
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "also if the firewall breaks a promise or cuts this session")
	o.AddFlags(cmd)
	return cmd
}

// apply makes the changes of the sections that the configuration has.
func (a *app) apply(cmd *cobra.Command, o *guarded.Options, force bool) error {
	cfg, err := a.Settings(cmd)
	if err != nil {
		return err
	}
	has := func(section string) bool { return cfg.Section(section).Kind != setting.Null }
	if !has(guarded.Addresses) && !has(guarded.Firewall) {
		return term.Usagef("the configuration has neither a section addresses nor a section firewall")
	}
	s, err := o.Open(cmd.Context(), a.Console)
	if err != nil {
		return err
	}
	var changes []*guarded.Change
	if has(guarded.Addresses) {
		change, err := address.Change(cfg)
		if err != nil {
			return err
		}
		if len(change.Steps()) > 0 {
			changes = append(changes, guarded.OfAddresses(change))
		}
	}
	if has(guarded.Firewall) {
		change, done, err := firewall.Change(cmd.Context(), a.Console, force)
		if err != nil {
			return err
		}
		defer func() { _ = done() }() // a connection that has had its answers
		if change != nil {
			changes = append(changes, change)
		}
	}
	if len(changes) == 0 {
		return a.unchanged()
	}
	var titles []string
	for _, c := range changes {
		titles = append(titles, c.Title)
	}
	return s.Apply(cmd.Context(), strings.Join(titles, "; "), changes...)
}

func (a *app) unchanged() error {
	if a.JSON {
		return a.PrintJSON(guarded.Result{Schema: guarded.ResultSchema, Title: "nothing to do", Result: "unchanged"})
	}
	_, err := fmt.Fprintln(a.Stdout, "nothing to do")
	return err
}
