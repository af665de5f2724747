package cli

import (
	"context"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"wirelab/cli/address"
	"wirelab/cli/demo"
	"wirelab/cli/firewall"
	"wirelab/cli/guarded"
	"wirelab/cli/load"
	"wirelab/cli/look"
	"wirelab/cli/packet"
	"wirelab/cli/serve"
	"wirelab/cli/talk"
	"wirelab/cli/term"
	clocks "wirelab/cli/time"
)

// Main runs the command that args (without the name of the program) asks for
// and returns the exit status: 0 done, 1 what was measured or checked did not
// hold, or the work failed, 2 usage or configuration, 3 not permitted or not
// supported here, 130 interrupted.
//
// The first SIGINT or SIGTERM cancels the command, which then drains; the second
// ends the process at once, unless it comes within sameSignal of the first.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, func() { time.AfterFunc(sameSignal, stop) })
	a := newApp(&term.Console{Stdin: stdin, Stdout: stdout, Stderr: stderr, Getenv: os.Getenv, Environ: os.Environ()})
	return a.run(ctx, args)
}

func newApp(c *term.Console) *app {
	c.Choices, c.Sections = settingChoices(), sections()
	return &app{Console: c}
}

// sameSignal is how soon after the first signal a second one is none of its own:
// timeout(1) and others send one to the process and one to its group, and nobody
// presses Ctrl-C so fast.
const sameSignal = 100 * time.Millisecond

// An app is one run of the command line: the console, and the state of the root.
type app struct {
	*term.Console
	groups  []commandGroup
	started bool // the command has begun: what fails now is no mistake of usage
	helpErr error
	version bool // --version
}

// commands is the table of all commands, in the order of the help.
func (a *app) commands() []commandGroup {
	return []commandGroup{
		{"Servers and clients:", slices.Concat(serve.Commands(a.Console), talk.Commands(a.Console), load.Commands(a.Console))},
		{"Packets and time:", slices.Concat(packet.Commands(a.Console), clocks.Commands(a.Console))},
		{"This machine:", slices.Concat(firewall.Commands(a.Console), address.Commands(a.Console), []*cobra.Command{a.newApplyCommand(), guarded.HoldCommand(a.Console)})},
		{"See it:", slices.Concat(demo.Commands(a.Console), look.Commands(a.Console, slices.Concat(load.Kinds(a.Console), packet.Kinds(a.Console), clocks.Kinds(a.Console)), statusKinds()))},
		{"Set up:", []*cobra.Command{
			a.newConfigCommand(),
			a.newVersionCommand(),
			a.newCompletionCommand(),
			a.newManCommand(),
		}},
	}
}

type commandGroup struct {
	title    string
	commands []*cobra.Command
}

func (a *app) run(ctx context.Context, args []string) int {
	a.Args = args
	root := a.newRootCommand()
	cmd, err := root.ExecuteContextC(ctx)
	if err != nil && !a.started {
		err = &term.UsageError{Err: err}
	}
	if err == nil {
		err = a.helpErr
	}
	a.Report(ctx, cmd, err)
	return term.ExitStatus(ctx, err)
}

func (a *app) newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "wirelab",
		Short: "A network laboratory in one program",
		Long: "wirelab is a network laboratory in one program: concurrent servers and\n" +
			"clients, measured load, packets made and explained, clocks compared and kept in\n" +
			"step, a firewall and addresses that cannot lock you out.",
		Example: "  wirelab demo           # the whole story, in half a minute\n" +
			"  wirelab up             # TCP and UDP servers on 127.0.0.1:12345\n" +
			"  wirelab connect tcp    # in another terminal: talk to them",
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	a.groups = a.commands()
	for _, g := range a.groups {
		root.AddCommand(g.commands...)
	}
	root.SetHelpCommand(a.newHelpCommand())
	a.AddFlags(root.PersistentFlags())
	root.Flags().BoolVar(&a.version, "version", false, "show the version")
	root.SetArgs(a.Args)
	root.SetIn(a.Stdin)
	root.SetOut(a.Stdout)
	root.SetErr(a.Stderr)
	root.SetHelpFunc(a.help)
	root.SetFlagErrorFunc(a.flagError)
	a.prepare(root)
	return root
}

// prepare gives cmd and all below it what they have in common.
func (a *app) prepare(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		a.prepare(sub)
	}
	if cmd.RunE == nil {
		cmd.Args, cmd.RunE = cobra.ArbitraryArgs, a.runGroup
	}
	cmd.Flags().SortFlags = false
	term.ReadFigures(cmd.Flags())
	completeValues(cmd)
	if len(a.Args) > 0 && strings.HasPrefix(a.Args[0], cobra.ShellCompRequestCmd) {
		plainUsage(cmd.Flags())
		plainUsage(cmd.PersistentFlags())
	}
	cmd.DisableFlagsInUseLine = true
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		a.started = true
		if err := a.expandHome(cmd); err != nil {
			return err
		}
		return run(cmd, args)
	}
}

// runGroup is what a command does that only groups others.
func (a *app) runGroup(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return unknownCommand(cmd, args[0])
	}
	if a.version {
		return a.showVersion()
	}
	return cmd.Help()
}
