package cli

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"wirelab/cli/term"
	"wirelab/cli/term/termtest"
	"wirelab/internal/require"
)

// newTestApp returns an app without terminal and environment, and what it prints.
func newTestApp(stdin string) (a *app, stdout, stderr *bytes.Buffer) {
	c, stdout, stderr := termtest.NewConsole(stdin)
	return newApp(c), stdout, stderr
}

// walk calls fn for cmd and for all commands below it.
func walk(cmd *cobra.Command, fn func(*cobra.Command)) {
	fn(cmd)
	for _, sub := range cmd.Commands() {
		walk(sub, fn)
	}
}

func TestEveryCommandExplainsItself(t *testing.T) {
	a, _, _ := newTestApp("")
	walk(a.newRootCommand(), func(cmd *cobra.Command) {
		for what, text := range map[string]string{"Short": cmd.Short, "Long": cmd.Long, "Example": cmd.Example} {
			if text == "" {
				t.Errorf("%s has no %s", cmd.CommandPath(), what)
			}
		}
		if strings.HasSuffix(cmd.Short, ".") || len(cmd.Short) > 64 {
			t.Errorf("%s: Short is no short phrase: %q", cmd.CommandPath(), cmd.Short)
		}
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("%s --%s is not explained", cmd.CommandPath(), f.Name)
			}
			if kind, _ := pflag.UnquoteUsage(f); kind != "" && kind == f.Value.Type() && slices.Contains([]string{"string", "strings", "stringArray", "int", "uint", "float"}, kind) {
				t.Errorf("%s --%s: %s says nothing of its value", cmd.CommandPath(), f.Name, kind)
			}
		})
	})
}

func TestHelpFitsATerminal(t *testing.T) {
	a, stdout, _ := newTestApp("")
	walk(a.newRootCommand(), func(cmd *cobra.Command) {
		stdout.Reset()
		a.help(cmd, nil)
		for line := range strings.Lines(stdout.String()) {
			if line = strings.TrimSuffix(line, "\n"); utf8.RuneCountInString(line) > 80 {
				t.Errorf("%s: %d columns: %s", cmd.CommandPath(), utf8.RuneCountInString(line), line)
			}
		}
	})
}

func TestExamplesAreCommands(t *testing.T) {
	a, _, _ := newTestApp("")
	walk(a.newRootCommand(), func(cmd *cobra.Command) {
		for line := range strings.Lines(cmd.Example) {
			if args := exampleArgs(line); args != nil {
				checkExample(t, args)
			}
		}
	})
}

// exampleArgs returns the arguments of wirelab in a line of an example, up to a
// comment or what a shell does with the rest; nil if the line does not run wirelab.
func exampleArgs(line string) []string {
	words := shellWords(line)
	begin := slices.Index(words, "wirelab")
	if begin < 0 {
		return nil
	}
	words = words[begin+1:]
	if end := slices.IndexFunc(words, func(w string) bool { return w != "" && strings.ContainsAny(w[:1], "#|><&;") }); end >= 0 {
		words = words[:end]
	}
	return words
}

// shellWords splits line at spaces, except within quotes, which it takes away.
func shellWords(line string) []string {
	var words []string
	var word strings.Builder
	inWord, quote := false, rune(0)
	for _, r := range strings.TrimSpace(line) + " " {
		switch {
		case r == quote:
			quote = 0
		case quote == 0 && (r == '\'' || r == '"'):
			inWord, quote = true, r
		case quote == 0 && r == ' ':
			if inWord {
				words = append(words, word.String())
			}
			word.Reset()
			inWord = false
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	return words
}

// checkExample fails unless args name a command, and flags and arguments that it
// takes.
func checkExample(t *testing.T, args []string) {
	t.Helper()
	a, _, _ := newTestApp("")
	cmd, rest, err := a.newRootCommand().Find(args)
	if err == nil {
		err = cmd.ParseFlags(rest)
	}
	if err == nil {
		err = cmd.ValidateArgs(cmd.Flags().Args())
	}
	if err == nil && !cmd.HasSubCommands() {
		cmd.SetContext(t.Context())
		_, err = a.Settings(cmd)
	}
	if err != nil || cmd.HasSubCommands() && cmd.Flags().NArg() > 0 {
		t.Errorf("the example wirelab %s does not run: %v", strings.Join(args, " "), err)
	}
}

func TestFirstScreenFits(t *testing.T) {
	a, stdout, _ := newTestApp("")
	if status := a.run(context.Background(), nil); status != term.ExitDone {
		t.Fatalf("status %d", status)
	}
	for line := range strings.Lines(stdout.String()) {
		if len(strings.TrimRight(line, "\n")) > 80 {
			t.Errorf("%d columns: %s", len(line), line)
		}
	}
}

func TestExitStatuses(t *testing.T) {
	tests := []struct {
		args   string
		status int
		stderr string
	}{
		{"version", 0, ""},
		{"--version", 0, ""},
		{"config --help", 0, ""},
		{"help config init", 0, ""},
		{"versoin", 2, "wirelab: wirelab has no command \"versoin\"; did you mean version?; see 'wirelab --help'\n"},
		{"banana --port 1", 2, "wirelab has no command \"banana\"; there are"},
		{"help banana", 2, "wirelab has no command \"banana\""},
		{"config shwo", 2, "wirelab config has no command \"shwo\"; did you mean show?"},
		{"config init --forse", 2, "unknown flag: --forse; did you mean --force?; see 'wirelab config init --help'"},
		{"config init -force", 2, "unknown shorthand flag: 'f' in -force; did you mean --force?"},
		{"version -x", 2, "unknown shorthand flag: 'x' in -x"},
		{"version --output", 2, "flag needs an argument: --output"},
		{"version -o yaml", 2, `--output: "yaml" is no format; formats are text and json`},
		{"load tcp --clients x", 2, `wirelab: --clients: "x" is not a number; write it as 100, 10k or 1.5M; see 'wirelab load tcp --help'`},
		{"load tcp --duration 5", 2, `--duration: "5" is a duration without unit; write it as 500ms, 10s, 5m, 2h or 1d`},
		{"load tcp --size 1XB", 2, `--size: "1XB" is not a size; write it as 64, 1KB or 16KiB`},
		{"load tcp --rate -1", 2, `--rate must be more than 0`},
		{"load tcp --messages -1", 2, `--messages: "-1" is negative; write it as 100, 10k or 1.5M`},
		{"load tcp --flood=maybe", 2, `--flood: "maybe" is neither true nor false`},
		{"load engines --connections 1,x", 2, `--connections: "1,x" is not a number`},
		{"version x", 2, "wirelab version takes no argument, but was given \"x\""},
		{"completion powershell", 2, "give a shell: bash, zsh, fish"},
		{"config show --config /nonexistent/wirelab.yaml", 2, "wirelab: configuration: open /nonexistent/wirelab.yaml: no such file or directory"},
		{"config show --config /", 2, "is a directory"},
	}
	for _, tt := range tests {
		a, _, stderr := newTestApp("")
		status := a.run(context.Background(), strings.Fields(tt.args))
		if got := stderr.String(); status != tt.status || !strings.Contains(got, tt.stderr) || strings.Count(got, "\n") > 1 {
			t.Errorf("wirelab %s: status %d, want %d; stderr %q, want %q", tt.args, status, tt.status, got, tt.stderr)
		}
	}
}

// A fullDisk takes nothing.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

func TestHelpThatCannotBePrintedFails(t *testing.T) {
	for _, args := range []string{"", "--help", "load --help", "help load", "load", "version --help", "version"} {
		a, _, stderr := newTestApp("")
		a.Stdout = fullDisk{}
		status := a.run(context.Background(), strings.Fields(args))
		if got := stderr.String(); status != term.ExitFailed || got != "wirelab: "+syscall.ENOSPC.Error()+"\n" {
			t.Errorf("wirelab %s: status %d, %q", args, status, got)
		}
	}
}

func TestCompletionScripts(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		a, stdout, _ := newTestApp("")
		if status := a.run(context.Background(), []string{"completion", shell}); status != 0 || !strings.Contains(stdout.String(), "wirelab") {
			t.Errorf("%s: status %d, %d bytes", shell, status, stdout.Len())
		}
	}
}

// Values are completed where they are known, files only where files are meant, and
// descriptions have no quotes.
func TestCompletesValues(t *testing.T) {
	const files, none = ":0\n", ":4\n" // cobra's directives
	for args, want := range map[string]string{
		"load tcp -o ": "text\njson\n" + none, "serve tcp --engine ": "goroutine\nthread\nepoll\nuring\nauto\n" + none,
		"load tcp --clients ": none, "load tcp ": none, "version ": none, "load tcp --save ": files, "--config ": files, "report show ": files,
		"logs --level ": "debug\ninfo\nwarn\nerror\n" + none, "completion z": "zsh\n",
	} {
		a, stdout, _ := newTestApp("")
		a.run(context.Background(), append([]string{"__completeNoDesc"}, strings.Split(args, " ")...))
		if !strings.HasPrefix(stdout.String(), want) {
			t.Errorf("%s: %q, want %q", args, stdout, want)
		}
	}
	a, stdout, _ := newTestApp("")
	a.run(context.Background(), []string{"__complete", "load", "tcp", "--"})
	if text := stdout.String(); !strings.Contains(text, "--clients\tnumber of clients at once\n") || strings.Contains(text, "`") {
		t.Errorf("%s", text)
	}
}

// The script for bash works without the package bash-completion.
func TestCompletesInBash(t *testing.T) {
	bash := require.Program(t, "bash")
	for line, want := range map[string]string{"wirelab ser": "serve", "wirelab config s": "show", "wirelab load tcp --output=j": "json"} {
		script := `source <(wirelab completion bash)
			COMP_LINE=$1 COMP_POINT=${#1} COMP_TYPE=9
			read -r -a COMP_WORDS <<<"$1"
			COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
			__start_wirelab 2>/dev/null # compopt has no place here
			echo "${COMPREPLY[@]}"`
		cmd := exec.Command(bash, "--norc", "--noprofile", "-c", script, "bash", line)
		cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(require.Program(t, "wirelab"))+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", line, got, err, want)
		}
	}
}

func TestCompletesCommands(t *testing.T) {
	a, stdout, _ := newTestApp("")
	a.run(context.Background(), []string{"__complete", "config", "s"})
	if !strings.HasPrefix(stdout.String(), "show\t") {
		t.Errorf("completions of config s: %q", stdout)
	}
}
