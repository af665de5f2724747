package firewall

import (
	"fmt"

	"github.com/spf13/cobra"

	"wirelab/cli/term"
	"wirelab/firewall"
	"wirelab/firewall/simulate"
)

// checkSchema names the form of what `wirelab firewall check -o json` prints.
const checkSchema = "wirelab.firewall.check/1"

func (a *app) newCheckCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check the policy, and all that it expects and protects",
		Long: "Reads the policy, compiles it, and asks the compiled program every line of expect: and\n" +
			"protect:. Needs no privilege. Status 1 if something does not hold, 2 if the policy has\n" +
			"mistakes.",
		Example: "  wirelab firewall check\n  wirelab firewall check --address eth0=192.0.2.1/24 --route default=eth0",
		Args:    term.NoArgs,
	}
	var host hostFlags
	host.add(cmd)
	live := cmd.Flags().Bool("live", false, "also send a real packet for each line of expect:, in network namespaces that are thrown away (as root)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		file, policy, program, err := a.policyOf(cmd.Context())
		if err != nil {
			return err
		}
		where, err := host.of(file)
		if err != nil {
			return err
		}
		failures := simulate.New(where, program).Check(policy)
		if *live {
			return a.checkLive(where, policy, program, failures)
		}
		if err := a.printCheck(policy, program, failures); err != nil {
			return err
		}
		if len(failures) > 0 {
			return term.ErrCheckFailed
		}
		return nil
	}
	return cmd
}

// checkJSON is the outcome of a check for programs.
type checkJSON struct {
	Schema   string        `json:"schema"`
	Rules    int           `json:"rules"`
	Expect   int           `json:"expect"`
	Protect  int           `json:"protect"`
	Failures []failureJSON `json:"failures"`
}

type failureJSON struct {
	Place    string     `json:"place"`
	Line     string     `json:"line"`
	Kind     string     `json:"kind"`
	Packet   string     `json:"packet"`
	Expected string     `json:"expected"`
	Answer   answerJSON `json:"answer"`
}

func (a *app) printCheck(policy *firewall.Policy, program *firewall.Program, failures []simulate.Failure) error {
	j := checkOf(policy, failures)
	if a.JSON {
		return a.PrintJSON(j)
	}
	paint := a.Colors(a.Stdout)
	for _, f := range failures {
		fmt.Fprintf(a.Stdout, "%s %s\n", paint.Red("broken"), term.OneLine(f.String()))
	}
	held := len(policy.Expect) + len(policy.Protect) - len(failures)
	fmt.Fprintf(a.Stdout, "%s: %d of %d lines of expect: and protect: hold\n", counted(j.Rules, "rule"), held, len(policy.Expect)+len(policy.Protect))
	return nil
}

func checkOf(policy *firewall.Policy, failures []simulate.Failure) checkJSON {
	j := checkJSON{Schema: checkSchema, Expect: len(policy.Expect), Protect: len(policy.Protect), Failures: []failureJSON{}}
	for _, c := range policy.Chains {
		j.Rules += len(c.Rules)
	}
	for _, f := range failures {
		kind := "expect"
		if f.Protect {
			kind = "protect"
		}
		j.Failures = append(j.Failures, failureJSON{f.Place.String(), f.Text, kind, f.Packet, f.Wanted.String(), answerOf(f.Answer)})
	}
	return j
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
