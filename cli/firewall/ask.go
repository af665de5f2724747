package firewall

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"wirelab/cli/term"
	"wirelab/firewall"
	"wirelab/firewall/simulate"
	"wirelab/internal/setting"
)

// answerSchema names the form of what `wirelab firewall ask -o json` prints.
const answerSchema = "wirelab.firewall.answer/1"

func (a *app) newAskCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ask QUESTION",
		Short: "Say what becomes of a packet, and by which rule",
		Long: "Runs a packet through the policy as the kernel would, without a kernel and without\n" +
			"privilege. A question is a protocol or service, where from, where to, and what else is\n" +
			"known:\n\n" +
			"  tcp 203.0.113.9 -> :22 on eth0                  to this host, in by eth0\n" +
			"  ssh 203.0.113.9                                 the same in short\n" +
			"  udp 10.0.0.7 -> 192.0.2.1:53 on eth1 out eth0   passing through\n" +
			"  tcp -> 198.51.100.7:443                         sent by this host\n" +
			"  icmp/8 203.0.113.9 -> 10.0.0.1                  a type of ICMP\n" +
			"  tcp 203.0.113.9 -> :80 flags ack                other flags than a SYN has\n" +
			"  tcp 203.0.113.9 -> :80 state established        a known connection\n\n" +
			"A verdict in front (\"drop tcp …\") makes it a check: status 1 if it is another. \"-\" reads\n" +
			"questions from standard input, one a line. In a shell, quote the question, or write \"to\"\n" +
			"for \"->\".\n\n" +
			"Which addresses are this host's, and where packets leave, is taken from the section\n" +
			"addresses:, or from --address and --route; else a packet is for this host unless \"out\"\n" +
			"is said.\n\n" +
			"--live asks the kernel instead: every base chain of every table by its priority, with the\n" +
			"addresses and routes that this machine has. Where a rule cannot be read whole, or another\n" +
			"engine decides as well, the answer may differ, and says so.",
		Example: "  wirelab firewall ask 'tcp 203.0.113.9 -> :22 on eth0'\n" +
			"  wirelab firewall ask ssh from 10.64.37.9\n" +
			"  wirelab firewall ask --address eth0=192.0.2.1/24 'ping 10.0.0.7 -> 192.0.2.1'\n" +
			"  wirelab firewall ask - < questions.txt\n" +
			"  wirelab firewall ask --live 'tcp 203.0.113.9 -> :22'",
		Args: cobra.MinimumNArgs(1),
	}
	var host hostFlags
	host.add(cmd)
	// An arrow that was not quoted is read as this flag, for it begins with a dash.
	cmd.Flags().BoolP("arrow", ">", false, "the arrow of a question")
	_ = cmd.Flags().MarkHidden("arrow") // it exists
	live := cmd.Flags().Bool("live", false, "ask all tables that this machine's kernel has, instead of the policy")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		args = withArrow(a.Args, args)
		if *live {
			s, others, err := askLive()
			if err != nil {
				return err
			}
			return a.ask(cmd.Context(), withOthers(s, others), args)
		}
		file, _, program, err := a.policyOf(cmd.Context())
		if err != nil {
			return err
		}
		where, err := host.of(file)
		if err != nil {
			return err
		}
		return a.ask(cmd.Context(), simulate.New(where, program).Ask, args)
	}
	return cmd
}

// An asker answers questions.
type asker func(*firewall.Question) *simulate.Answer

// withOthers adds to each answer what else decides.
func withOthers(s *simulate.Simulator, others []string) asker {
	return func(q *firewall.Question) *simulate.Answer {
		answer := s.Ask(q)
		answer.Uncertain = append(answer.Uncertain, others...)
		return answer
	}
}

// ask asks the question in args, or those on standard input.
func (a *app) ask(ctx context.Context, s asker, args []string) error {
	if len(args) == 1 && args[0] == "-" {
		return a.askAll(ctx, s, a.Stdin)
	}
	for _, arg := range args {
		if arg == "-" {
			return term.Usagef("\"-\" within a question: did the shell take \"> …\" for a file? quote the question, or write \"to\" for \"->\"")
		}
	}
	question, err := parseQuestion("question", 1, strings.Join(args, " "))
	if err != nil {
		return err
	}
	answer := s(question)
	if a.JSON {
		err = a.PrintJSON(answerOf(answer))
	} else {
		_, err = io.WriteString(a.Stdout, a.answerText(answer))
	}
	if err == nil && !answer.Kept() {
		err = term.ErrCheckFailed
	}
	return err
}

// withArrow puts an arrow that was read as a flag back to where it stood between the
// words of the question, given all arguments of the command line.
func withArrow(all, args []string) []string {
	before := 0
	for _, word := range all {
		switch {
		case word == "->":
			return slices.Insert(slices.Clone(args), before, word)
		case before < len(args) && word == args[before]:
			before++
		}
	}
	return args
}

func parseQuestion(file string, line int, text string) (*firewall.Question, error) {
	q, err := firewall.ParseQuestion(setting.Value{Kind: setting.Scalar, Text: text})
	if err == nil {
		return &q, nil
	}
	if file == "question" {
		return nil, term.Usagef("%s", err.Problem)
	}
	return nil, term.Usagef("%s:%d: %s", file, line, err.Problem)
}

// askAll asks all questions of a file, and answers each with one line.
func (a *app) askAll(ctx context.Context, s asker, from io.Reader) error {
	input, err := term.OpenInput(from)
	if err != nil {
		return err
	}
	defer input.Close()
	lines := bufio.NewScanner(input)
	asked, wrong := 0, 0
	out := bufio.NewWriter(a.Stdout)
	defer out.Flush()
	for number := 1; lines.Scan(); number++ {
		text := strings.TrimSpace(lines.Text())
		if text == "" || text[0] == '#' {
			continue
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		question, err := parseQuestion("standard input", number, text)
		if err != nil {
			return err
		}
		answer := s(question)
		asked++
		if !answer.Kept() {
			wrong++
		}
		if err := a.printAnswer(out, answer); err != nil {
			return err
		}
	}
	if err := errors.Join(lines.Err(), out.Flush()); err != nil {
		return err
	}
	if wrong > 0 {
		a.Note("%d of %d answers are not the verdict that the question names", wrong, asked)
		return term.ErrCheckFailed
	}
	return nil
}

// printAnswer prints an answer as one line.
func (a *app) printAnswer(out *bufio.Writer, answer *simulate.Answer) error {
	if a.JSON {
		if err := out.Flush(); err != nil {
			return err
		}
		return a.PrintEvent(answerOf(answer))
	}
	reply := answer.Reply
	if reply != "" {
		reply = " (" + reply + ")"
	}
	note := ""
	if !answer.Kept() {
		note = "  expected " + answer.Question.Expected.String() + ";"
	}
	if len(answer.Uncertain) > 0 {
		note += "  may differ;"
	}
	_, err := fmt.Fprintf(out, "%-7s%s  %s  %s by %s  %s\n", answer.Verdict, reply, answer.Question.Value.Text, note, term.OneLine(answer.By.Text()), answer.By.Where())
	return err
}

// answerText explains an answer.
func (a *app) answerText(answer *simulate.Answer) string {
	var b strings.Builder
	paint := a.Colors(a.Stdout)
	verdict := answer.Verdict.String()
	if answer.Reply != "" {
		verdict += " (" + answer.Reply + ")"
	}
	if answer.Verdict == firewall.Accept {
		verdict = paint.Green(verdict)
	} else {
		verdict = paint.Red(verdict)
	}
	lines := [][2]string{{"by", answer.By.Text() + "  " + paint.Dim(answer.By.Where())}}
	add := func(name, text string) { lines = append(lines, [2]string{name, text}) }
	if answer.Silent != "" {
		add("", "it rejects, but "+answer.Silent)
	}
	add("packet", describePath(answer))
	if answer.Destination.IsValid() {
		add("nat", "the destination becomes "+answer.Destination.String())
	}
	if answer.Source.IsValid() {
		add("nat", "the source becomes "+answer.Source.String())
	}
	for _, n := range answer.Notes {
		add("note", n)
	}
	for _, u := range answer.Uncertain {
		add("may differ", u)
	}
	for _, n := range answer.Near {
		add("nearly", fmt.Sprintf("%s  %s, but %s is %s", n.Step.Text(), paint.Dim(n.Step.Where()), n.Field, n.Found))
	}
	term.WriteReport(&b, paint, verdict, answer.Verdict == firewall.Accept, lines)
	return b.String()
}

// describePath says which way the packet goes and how connection tracking sees it.
func describePath(answer *simulate.Answer) string {
	way := map[firewall.Hook]string{firewall.Input: "to this host", firewall.Forward: "passing through", firewall.Output: "sent by this host"}[answer.Path]
	if way == "" {
		way = "it came no further than " + answer.Hook.String()
	}
	return way + ", connection state " + firewall.ConnectionState.Format(hostNumber(answer.State))
}

// answerJSON is an answer for programs.
type answerJSON struct {
	Schema      string     `json:"schema"`
	Question    string     `json:"question"`
	Verdict     string     `json:"verdict"`
	Reply       string     `json:"reply,omitempty"`
	Silent      string     `json:"silent,omitempty"`
	Expected    string     `json:"expected,omitempty"`
	Kept        bool       `json:"kept"`
	Rule        string     `json:"rule"`
	Place       string     `json:"place"`
	Table       string     `json:"table,omitempty"`
	Chain       string     `json:"chain,omitempty"`
	Path        string     `json:"path,omitempty"`
	State       string     `json:"state"`
	Destination string     `json:"nat_destination,omitempty"`
	Source      string     `json:"nat_source,omitempty"`
	Near        []nearJSON `json:"near"`
	Notes       []string   `json:"notes,omitempty"`
	MayDiffer   []string   `json:"may_differ,omitempty"`
}

type nearJSON struct {
	Rule    string `json:"rule"`
	Place   string `json:"place"`
	Field   string `json:"field"`
	Found   string `json:"found"`
	Verdict string `json:"verdict"`
}

func answerOf(answer *simulate.Answer) answerJSON {
	j := answerJSON{
		Schema: answerSchema, Question: answer.Question.Value.Text, Verdict: answer.Verdict.String(), Reply: answer.Reply, Silent: answer.Silent, Kept: answer.Kept(),
		Rule: answer.By.Text(), Place: answer.By.Where(), Table: answer.By.Table, Path: answer.Path.String(), State: firewall.ConnectionState.Format(hostNumber(answer.State)),
		Near: []nearJSON{}, Notes: answer.Notes, MayDiffer: answer.Uncertain,
	}
	if answer.By.Chain != nil {
		j.Chain = answer.By.Chain.Name
	}
	if e := answer.Question.Expected; e != firewall.Continue {
		j.Expected = e.String()
	}
	if answer.Destination.IsValid() {
		j.Destination = answer.Destination.String()
	}
	if answer.Source.IsValid() {
		j.Source = answer.Source.String()
	}
	for _, n := range answer.Near {
		j.Near = append(j.Near, nearJSON{n.Step.Text(), n.Step.Where(), n.Field.String(), n.Found, n.Kind.String()})
	}
	return j
}

// readInput reads a file, or standard input for "-", up to a bound.
func (a *app) readInput(ctx context.Context, name string) ([]byte, error) {
	if name == "-" {
		input, err := term.OpenInput(a.Stdin)
		if err != nil {
			return nil, err
		}
		defer input.Close()
		return io.ReadAll(io.LimitReader(input, setting.MaxFile+1))
	}
	return term.Await(ctx, func() ([]byte, error) { return setting.ReadFile(name) })
}
