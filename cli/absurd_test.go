package cli

import (
	"context"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"wirelab/cli/term"
)

// absurd is no value of any number, size, duration, address, choice or switch.
var absurd = []string{"-1", "99999999999999999999", "1e9", "NaN", "0x", "1,5", "1 2", "\U0001F4A5", "\x00", "-", "..", "%s", "'; rm -rf /"}

// TestAbsurdValues gives every flag values that make no sense. Each is refused before
// anything starts, in one line, with the status for mistakes of usage or for what is
// not supported here.
func TestAbsurdValues(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(800)) // thousands of trees of commands
	a, _, _ := newTestApp("")
	for _, path := range []string{"up", "serve tcp", "serve udp", "load tcp", "load udp", "connect tcp", "connect udp"} {
		cmd, _, err := a.newRootCommand().Find(strings.Fields(path))
		if err != nil {
			t.Fatal(err)
		}
		flags := func(f *pflag.Flag) {
			t.Run(path+" "+f.Name, func(t *testing.T) {
				t.Chdir(t.TempDir())
				for _, value := range absurdValues(t, f) {
					refuses(t, cmd, f.Name, value)
				}
			})
		}
		cmd.LocalFlags().VisitAll(flags)
		if path == "up" { // every command has the same ones of the root
			cmd.InheritedFlags().VisitAll(flags)
		}
	}
}

// absurdValues returns what the flag must not take.
func absurdValues(t *testing.T, f *pflag.Flag) []string {
	t.Helper()
	switch f.Name {
	case "ready-file", "control", "config", "tls-ca", "tls-cert", "tls-key", "tls-name", "save", "logs": // text that may be anything
		return map[string][]string{
			"config": {"/nonexistent/wirelab.yaml", "/", "\x00"}, "tls-ca": {"/nonexistent.pem", "/"}, "tls-cert": {"/nonexistent.pem"},
			"control": {strings.Repeat("x", 200), "\x00"},
		}[f.Name]
	case "payload":
		return []string{"", "text", "text:", "hex:", "hex:0", "hex:zz", "file:", "file:/nonexistent", "file:/", "random:", "random:x", "random:-1", "pattern:x", "seq:1", "STAMP", "\x00"}
	case "help":
		return []string{"maybe"}
	case "percentiles": // of which there are lists, such as 1,5
		return append(slices.DeleteFunc(slices.Clone(absurd), func(v string) bool { return v == "1,5" }), "101", "50,", "50,50,x")
	}
	return append(slices.Clone(absurd), map[string][]string{
		"port": {"65536", ""}, "bind": {"256.0.0.1", "127.0.0.1:80", "example.com", ""}, "buffer": {"0", "1B", "1TB", ""},
		"allow": {"10.0.0.0/33", "10.0.0.1/8", "all"}, "deny": {"::/129", "10.0.0"},
		"max-conns": {"1000001", ""}, "max-per-ip": {"1000001", ""}, "idle-timeout": {"10", "-1s", "1000000h", ""}, "drain-timeout": {"0", "-1s", "0s", "1000000h"},
		"clients": {"0", "1000001", ""}, "messages": {"0", ""}, "size": {"0", "999999999999", ""}, "duration": {"-1s", "10", ""}, "timeout": {"-1s", "10", "1000000h", ""},
		"loops": {"-1", ""}, "count": {"0", ""}, "retry": {"1001", ""},
	}[f.Name]...)
}

func refuses(t *testing.T, cmd *cobra.Command, flag, value string) {
	t.Helper()
	a, stdout, stderr := newTestApp("")
	args := append(strings.Fields(cmd.CommandPath())[1:], "--"+flag+"="+value)
	switch {
	case cmd.Flags().Lookup("clients") != nil, cmd.Flags().Lookup("hex") != nil:
		args = append(args, "127.0.0.1:1")
	case flag != "port":
		args = append(args, "--port", "0")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second) // for what starts all the same
	defer cancel()
	status := a.run(ctx, args)
	text := stderr.String()
	if status != term.ExitUsage && status != term.ExitUnavailable || !strings.HasPrefix(text, "wirelab: ") || strings.Count(text, "\n") != 1 || stdout.Len() > 0 {
		t.Errorf("%q: status %d\nstdout: %sstderr: %s", args, status, stdout, text)
	}
}
