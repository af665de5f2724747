package guarded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"wirelab/cli/term"
	"wirelab/internal/atomicfile"
	"wirelab/internal/sys"
)

// When in the boot: the firewall before any network, as systemd.special(7) says of
// network-pre.target; addresses behind it, before what needs them.
const (
	firewallUnit = "DefaultDependencies=no\nAfter=local-fs.target systemd-modules-load.service\nBefore=network-pre.target shutdown.target\nWants=network-pre.target\nConflicts=shutdown.target\n"
	addressUnit  = "After=network-pre.target wirelab-firewall.service systemd-sysctl.service\nBefore=network.target network-online.target\nWants=network.target\n"
)

const unitDir = "/etc/systemd/system"

type installation struct {
	Options
	printed, remove bool
	dir             string
}

func installCommand(c *term.Console, k kind) *cobra.Command {
	i := &installation{}
	cmd := &cobra.Command{
		Use:   "install",
		Short: "Have systemd restore the last confirmed state at boot",
		Long: "Writes the systemd unit wirelab-" + k.verb + ".service, which restores the last confirmed\n" +
			"state at boot, and enables it. The configuration file is never applied at boot: what\n" +
			"nobody has confirmed does not come back by itself.",
		Example: "  wirelab " + k.verb + " install\n  wirelab " + k.verb + " install --print",
		Args:    term.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return i.run(cmd.Context(), c, k)
		},
	}
	cmd.Flags().BoolVar(&i.printed, "print", false, "print the unit and change nothing")
	cmd.Flags().BoolVar(&i.remove, "remove", false, "remove the unit again")
	cmd.Flags().StringVar(&i.dir, "dir", unitDir, "`directory` of the unit")
	i.AddStateFlag(cmd)
	return cmd
}

func (i *installation) run(ctx context.Context, c *term.Console, k kind) error {
	unit, err := i.unit(c, k)
	if err != nil {
		return err
	}
	name := "wirelab-" + k.verb + ".service"
	path := filepath.Join(i.dir, name)
	switch {
	case i.printed:
		_, err := fmt.Fprint(c.Stdout, unit)
		return err
	case i.remove:
		return i.uninstall(ctx, c, name, path)
	}
	if err := atomicfile.Write(path, []byte(unit), 0o644); err != nil {
		return privileged(err)
	}
	fmt.Fprintf(c.Stdout, "written: %s\n", path)
	if s, err := i.Open(ctx, c); err == nil {
		if _, ok, err := s.guard.Latest(k.name); err == nil && !ok {
			c.Note("wirelab: no state of %s was confirmed yet; until then the unit does nothing", k.name)
		}
	}
	return i.systemctl(ctx, c, [][]string{{"daemon-reload"}, {"enable", name}})
}

func (i *installation) uninstall(ctx context.Context, c *term.Console, name, path string) error {
	if _, err := os.Stat(path); err != nil {
		return term.FailedCheck(fmt.Errorf("%s is not installed", path))
	}
	if err := i.systemctl(ctx, c, [][]string{{"disable", name}}); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil {
		return privileged(err)
	}
	fmt.Fprintf(c.Stdout, "removed: %s\n", path)
	return i.systemctl(ctx, c, [][]string{{"daemon-reload"}})
}

// systemctl runs commands where systemd runs and looks for units in the directory.
func (i *installation) systemctl(ctx context.Context, c *term.Console, commands [][]string) error {
	if info, err := os.Stat("/run/systemd/system"); err != nil || !info.IsDir() || i.dir != unitDir {
		for _, args := range commands {
			c.Note("wirelab: systemd does not run here; there: systemctl %s", strings.Join(args, " "))
		}
		return nil
	}
	for _, args := range commands {
		if out, err := exec.CommandContext(ctx, "systemctl", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("systemctl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}

// unit returns the text of the systemd unit.
func (i *installation) unit(c *term.Console, k kind) (string, error) {
	exe, err := os.Executable()
	if err != nil {
		return "", err
	}
	if strings.HasPrefix(exe, "/tmp/") || strings.HasPrefix(exe, "/home/") {
		c.Note("wirelab: %s may not be there at boot: install the program first, such as to /usr/local/bin", exe)
	}
	dir, err := filepath.Abs(i.Options.dir(c))
	if err != nil {
		return "", err
	}
	return fmt.Sprintf(`[Unit]
Description=The last confirmed %s of wirelab
RequiresMountsFor=%s
%s
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=%s %s boot --state %s

[Install]
WantedBy=multi-user.target
`, k.name, quoted(dir), k.unit, argument(exe), k.verb, argument(dir)), nil
}

// argument writes an argument of a command as systemd.service(5) reads it.
func argument(s string) string { return strings.ReplaceAll(quoted(s), "$", "$$") }

// quoted writes a value as systemd.syntax(7) reads it.
func quoted(s string) string {
	s = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%").Replace(s)
	if strings.ContainsAny(s, " \t'\"\\") {
		return `"` + s + `"`
	}
	return s
}

func bootCommand(c *term.Console, k kind) *cobra.Command {
	o := &Options{}
	cmd := &cobra.Command{
		Use: "boot", Hidden: true, Args: term.NoArgs,
		Short: "Restore the last confirmed state (started by systemd)",
		Long: "Restores the last confirmed state, and forgets a change that was pending when the\n" +
			"machine went down. The unit that install writes starts it.",
		Example: "  wirelab " + k.verb + " boot",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return boot(cmd.Context(), c, o, k)
		},
	}
	o.AddStateFlag(cmd)
	return cmd
}

// boot restores the last confirmed state, and drops a change that the reboot ended.
func boot(ctx context.Context, c *term.Console, o *Options, k kind) error {
	g, err := o.guard(c)
	if err != nil {
		return err
	}
	if dropped, err := g.Forget(); err != nil {
		return privileged(err)
	} else if dropped {
		c.Note("wirelab: a change that nobody had confirmed ended with the reboot")
	}
	entry, ok, err := g.Latest(k.name)
	if err != nil {
		return privileged(err)
	}
	if !ok {
		c.Note("wirelab: no state of %s was confirmed yet", k.name)
		return nil
	}
	part, _ := entry.Part(k.name)
	change, err := k.to([][]byte{part.Snapshot}, c.Note)
	if errors.Is(err, sys.ErrNotPermitted) {
		return privileged(err)
	}
	if err != nil {
		return err
	}
	if err := change.Apply(ctx); err != nil {
		return privileged(err)
	}
	fmt.Fprintf(c.Stdout, "restored number %d: %s\n", entry.Number, entry.Title)
	return nil
}
