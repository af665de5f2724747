package firewall

import (
	"fmt"

	"wirelab/cli/term"
	"wirelab/firewall"
	"wirelab/firewall/simulate"
	"wirelab/firewall/trial"
)

// liveJSON is the outcome of `check --live` for programs.
type liveJSON struct {
	checkJSON
	Tried []triedJSON `json:"tried"`
}

type triedJSON struct {
	Place     string `json:"place"`
	Question  string `json:"question"`
	Expected  string `json:"expected"`
	Kernel    string `json:"kernel,omitempty"`
	Simulator string `json:"simulator,omitempty"`
	NotTried  string `json:"not_tried,omitempty"`
	Kept      bool   `json:"kept"`
	Agrees    bool   `json:"agrees"`
}

// checkLive sends a packet for each expectation through a kernel that has the
// program, and compares what becomes of it with the simulator's answer.
func (a *app) checkLive(where simulate.Host, policy *firewall.Policy, program *firewall.Program, failures []simulate.Failure) error {
	tried, err := trial.Ask(where, program, policy.Expect)
	if err != nil {
		return advised(err)
	}
	failed := len(failures) > 0
	all := []triedJSON{}
	for i := range tried {
		one := triedOf(&tried[i])
		failed = failed || !one.Kept || !one.Agrees
		all = append(all, one)
	}
	if a.JSON {
		err = a.PrintJSON(liveJSON{checkOf(policy, failures), all})
	} else {
		err = a.printTried(policy, program, failures, all)
	}
	if err == nil && failed {
		err = term.ErrCheckFailed
	}
	return err
}

func triedOf(t *trial.Tried) triedJSON {
	one := triedJSON{
		Place: t.Question.Value.Place.String(), Question: t.Question.Value.Text, Expected: t.Question.Expected.String(),
		NotTried: t.NotTried, Kept: t.Kept(), Agrees: t.Agrees(),
	}
	if t.NotTried == "" {
		one.Kernel, one.Simulator = withReply(t.Verdict(), t.Outcome.Reply), withReply(t.Answer.Verdict, t.Answer.Reply)
	}
	return one
}

func withReply(v firewall.VerdictKind, reply string) string {
	if reply == "" {
		return v.String()
	}
	return v.String() + " (" + reply + ")"
}

func (a *app) printTried(policy *firewall.Policy, program *firewall.Program, failures []simulate.Failure, all []triedJSON) error {
	paint := a.Colors(a.Stdout)
	agreed, skipped := 0, 0
	for _, t := range all {
		switch {
		case t.NotTried != "":
			skipped++
			a.Note("wirelab: %s: not tried: %s: %s", t.Place, term.OneLine(t.Question), t.NotTried)
		case t.Agrees && t.Kept:
			agreed++
		case t.Agrees:
			fmt.Fprintf(a.Stdout, "%s %s: %s: the kernel says %s\n", paint.Red("broken"), t.Place, term.OneLine(t.Question), t.Kernel)
		default:
			fmt.Fprintf(a.Stdout, "%s %s: %s: the kernel says %s, the simulator %s\n", paint.Red("differ"), t.Place, term.OneLine(t.Question), t.Kernel, t.Simulator)
		}
	}
	if err := a.printCheck(policy, program, failures); err != nil {
		return err
	}
	text := fmt.Sprintf("%d of %d packets tried on the kernel were treated as expected and as simulated", agreed, len(all)-skipped)
	if skipped > 0 {
		text += fmt.Sprintf("; %d could not be tried", skipped)
	}
	_, err := fmt.Fprintln(a.Stdout, text)
	return err
}
