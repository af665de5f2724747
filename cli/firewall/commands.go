// Package firewall has the commands about the firewall: what the policy in
// wirelab.yaml is, what it does with a packet, and how it gets into other tools and out
// of them.
package firewall

import (
	"context"
	"errors"
	"runtime/debug"

	"github.com/spf13/cobra"

	"wirelab/cli/guarded"
	"wirelab/cli/term"
	"wirelab/firewall"
	"wirelab/internal/setting"
)

// An app is the console that the commands here use.
type app struct {
	*term.Console
}

// Commands returns the command group firewall.
func Commands(c *term.Console) []*cobra.Command {
	a := &app{c}
	cmd := &cobra.Command{
		Use:   "firewall",
		Short: "A firewall that cannot lock you out",
		Long: "Works on the policy in the firewall: section of wirelab.yaml: rules of one line each,\n" +
			"for IPv4 and IPv6 at once, of which the first that matches decides.",
		Example: "  wirelab firewall plan                          # what apply would change\n" +
			"  wirelab firewall apply --confirm 2m            # until it is confirmed\n" +
			"  wirelab firewall ask 'tcp 203.0.113.9 -> :22'  # what becomes of a packet\n" +
			"  wirelab firewall check                         # whether promises hold",
	}
	cmd.AddCommand(a.newPlanCommand(), a.newApplyCommand())
	cmd.AddCommand(guarded.Commands(c, guarded.Firewall)...)
	cmd.AddCommand(a.newStatusCommand(), a.newAskCommand(), a.newCheckCommand(), a.newExportCommand(), a.newImportCommand())
	return []*cobra.Command{cmd}
}

// policy reads the policy of the configuration file and compiles it. Only the
// firewall section is looked at, and once.
func (a *app) policy(ctx context.Context) (*firewall.Policy, *firewall.Program, error) {
	_, policy, program, err := a.policyOf(ctx)
	return policy, program, err
}

// policyGCPercent is Go's GOGC for commands that read a policy: they end soon, and most
// of what they make of a large one lives as long as they do.
const policyGCPercent = 400

// policyOf also returns the whole file.
func (a *app) policyOf(ctx context.Context) (setting.Value, *firewall.Policy, *firewall.Program, error) {
	if a.Getenv("GOGC") == "" {
		debug.SetGCPercent(policyGCPercent)
	}
	type text struct {
		name   string
		source []byte
	}
	read, err := term.Await(ctx, func() (t text, err error) {
		t.name, t.source, err = a.ReadConfig()
		return t, err
	})
	if err != nil {
		return setting.Value{}, nil, nil, err
	}
	name := read.name
	file, errs := setting.Read(name, read.source)
	if errs != nil {
		return file, nil, nil, errs
	}
	section, _ := file.Get("firewall")
	if section.Kind == setting.Null {
		if name == "" {
			name = term.DefaultConfig
		}
		return file, nil, nil, term.Usagef("%s has no section firewall:; a short one to begin with is in the help of \"wirelab firewall plan\"", name)
	}
	policy, errs := firewall.Parse(section)
	if errs != nil {
		return file, nil, nil, errs
	}
	program, errs := policy.Compile()
	if errs != nil {
		return file, nil, nil, errs
	}
	return file, policy, program, nil
}

var errNothing = errors.New("the file has no rules of a firewall")
