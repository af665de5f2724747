package firewall

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/spf13/cobra"

	"wirelab/cli/guarded"
	"wirelab/cli/term"
	"wirelab/firewall"
	"wirelab/firewall/kernel"
	"wirelab/firewall/simulate"
	"wirelab/internal/setting"
	"wirelab/internal/sys/session"
)

func (a *app) newApplyCommand() *cobra.Command {
	o := &guarded.Options{}
	cmd := &cobra.Command{
		Use:   "apply",
		Short: "Give the kernel the policy, and take it back unless confirmed",
		Long: "Changes wirelab's own table in the kernel, rule by rule and in one transaction: rules\n" +
			"that stay keep their counters and limits, and tables of others are not touched. Before\n" +
			"that it asks the compiled policy all that expect: and protect: say, and whether this very\n" +
			"SSH session would go on and could be made again; a policy that fails is refused, unless\n" +
			"--force is given.\n\n" +
			"In a remote session the change is taken back after a minute unless \"wirelab firewall\n" +
			"confirm\" comes from a new login. --confirm 2m asks for that anywhere, --yes never.",
		Example: "  wirelab firewall apply --confirm 2m\n" +
			"  wirelab firewall confirm           # from a new login\n" +
			"  wirelab firewall apply --yes       # for provisioning",
		Args: term.NoArgs,
	}
	force := cmd.Flags().Bool("force", false, "apply a policy that breaks its own expectations, or cuts this session")
	o.AddFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		file, policy, program, err := a.policyOf(cmd.Context())
		if err != nil {
			return err
		}
		if err := a.mayApply(file, policy, program, *force); err != nil {
			return err
		}
		s, err := o.Open(cmd.Context(), a.Console)
		if err != nil {
			return err
		}
		return withKernel(func(k *kernel.Kernel) error {
			change, err := changeTo(k, program)
			if err != nil {
				return err
			}
			a.warnAbsent(program)
			if change == nil {
				return a.nothingToDo(cmd.Context(), o)
			}
			return s.Apply(cmd.Context(), change.Title, change)
		})
	}
	return cmd
}

func (a *app) nothingToDo(ctx context.Context, o *guarded.Options) error {
	if note := o.Pending(ctx, a.Console); note != "" {
		a.Note("wirelab: %s", note)
	}
	if a.JSON {
		return a.PrintJSON(guarded.Result{Schema: guarded.ResultSchema, Title: "the kernel has the policy", Result: "unchanged"})
	}
	_, err := fmt.Fprintln(a.Stdout, "nothing to do: the kernel has the policy")
	return err
}

// changeTo returns the change that gives the kernel a program, nil if there is
// nothing to do.
func changeTo(k *kernel.Kernel, program *firewall.Program) (*guarded.Change, error) {
	plan, err := k.Plan(program)
	if err != nil || plan.Empty() {
		return nil, err
	}
	return &guarded.Change{
		Kind: guarded.Firewall, Atomic: plan.Atomic(), Title: planTitle(plan), Save: plan.Before, After: plan.After,
		Apply: func(context.Context) error {
			if err := k.Apply(plan); err != nil {
				return advised(err)
			}
			return advised(verify(k, plan))
		},
	}, nil
}

// verify returns an error if the kernel does not have what was applied. Where the
// ruleset is of the generation that the plan led to nobody else has touched it.
func verify(k *kernel.Kernel, plan *kernel.Plan) error {
	now, err := k.Generation()
	if err != nil || now == plan.Applied() {
		return err
	}
	after, err := k.Plan(plan.Program())
	if err == nil && !after.Empty() {
		err = fmt.Errorf("the kernel does not have what was applied: %s", changeText(&after.Changes[0]))
	}
	return err
}

func planTitle(p *kernel.Plan) string {
	count := map[kernel.Action]int{}
	for _, c := range p.Changes {
		if (c.Kind == kernel.Rule || c.Kind == kernel.Element) && !c.Map {
			count[c.Action] += max(1, c.Count)
		}
	}
	return fmt.Sprintf("firewall: %d added, %d removed, %d kept", count[kernel.Add], count[kernel.Remove], p.Kept)
}

// Change returns the change that gives this machine's kernel the policy of the
// configuration, nil if there is nothing to do. The caller closes the connection after the
// change has been made. A policy that breaks what it promises is an error unless force.
func Change(ctx context.Context, c *term.Console, force bool) (*guarded.Change, func() error, error) {
	a := &app{c}
	file, policy, program, err := a.policyOf(ctx)
	if err == nil {
		err = a.mayApply(file, policy, program, force)
	}
	if err != nil {
		return nil, nil, err
	}
	k, err := kernel.Open()
	if err != nil {
		return nil, nil, advised(err)
	}
	change, err := changeTo(k, program)
	if err != nil {
		return nil, nil, errors.Join(advised(err), k.Close())
	}
	a.warnAbsent(program)
	return change, k.Close, nil
}

// mayApply refuses a program that breaks what its policy promises, or that would cut
// the session that the command comes from.
func (a *app) mayApply(file setting.Value, policy *firewall.Policy, program *firewall.Program, force bool) error {
	described, err := hostOfSection(file)
	if err != nil {
		return err
	}
	var broken []string
	for _, f := range simulate.New(described, program).Check(policy) {
		broken = append(broken, f.String())
	}
	if f := sessionCut(program, a.Getenv); f != nil {
		broken = append(broken, f.String())
	}
	for i, text := range broken {
		if i == 10 {
			a.Note("wirelab: and %d more", len(broken)-i)
			break
		}
		a.Note("wirelab: %s", term.OneLine(text))
	}
	if len(broken) == 0 || force {
		return nil
	}
	return term.FailedCheck(fmt.Errorf("refused, nothing was changed: %s; correct the policy, or give --force", counted(len(broken), "promise")+" would be broken"))
}

// sessionCut returns how the program would cut the SSH session that this command
// comes from, nil if it comes from none, or would not.
func sessionCut(program *firewall.Program, getenv func(string) string) *simulate.Failure {
	connection, ok := sessionOf(getenv)
	host, err := liveHost()
	if !ok || err != nil {
		return nil
	}
	s := simulate.Session{Local: connection.Local, Remote: connection.Peer, In: interfaceOf(connection.Local.Addr())}
	return simulate.New(host, program).CheckSession(s)
}

// sessionOf finds the connection of the SSH session: by the process that serves it,
// or by what it says in SSH_CONNECTION, for whatever hides its processes.
func sessionOf(getenv func(string) string) (session.Connection, bool) {
	if chain, err := session.Ancestry(os.Getpid()); err == nil {
		if _, c, ok := session.Login(chain); ok && c.Peer.IsValid() {
			return c, true
		}
	}
	var peer, local string
	var peerPort, localPort uint16
	if n, _ := fmt.Sscan(getenv("SSH_CONNECTION"), &peer, &peerPort, &local, &localPort); n != 4 {
		return session.Connection{}, false
	}
	from, err1 := netip.ParseAddr(peer)
	to, err2 := netip.ParseAddr(local)
	return session.Connection{Local: netip.AddrPortFrom(to, localPort), Peer: netip.AddrPortFrom(from, peerPort)}, err1 == nil && err2 == nil
}

// interfaceOf returns the interface that has the address, "" if none has.
func interfaceOf(a netip.Addr) string {
	links, err := net.Interfaces()
	if err != nil {
		return ""
	}
	for _, l := range links {
		addresses, _ := l.Addrs()
		for _, own := range addresses {
			if p, err := netip.ParsePrefix(own.String()); err == nil && p.Addr().WithZone("") == a.Unmap().WithZone("") {
				return l.Name
			}
		}
	}
	return ""
}
