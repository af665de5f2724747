package firewall

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"

	"wirelab/address"
	"wirelab/firewall"
	"wirelab/firewall/foreign"
	"wirelab/firewall/kernel"
	"wirelab/firewall/simulate"
	"wirelab/internal/netlink"
	"wirelab/internal/sys"
)

// withKernel runs do on a connection to this machine's ruleset.
func withKernel(do func(*kernel.Kernel) error) error {
	k, err := kernel.Open()
	if err == nil {
		err = do(k)
		k.Close()
	}
	return advised(err)
}

// advised says what to do about an error of the kernel.
func advised(err error) error {
	switch {
	case errors.Is(err, netlink.ErrChanged):
		return fmt.Errorf("%w: another program changed it between plan and apply; nothing was altered: run this again", err)
	case errors.Is(err, sys.ErrNotPermitted):
		return fmt.Errorf("%w: the kernel's rules need CAP_NET_ADMIN: run as root, or \"setcap cap_net_admin+ep\" the program", err)
	case errors.Is(err, kernel.ErrNoExpression):
		return fmt.Errorf("%w (a module nft_…): nothing was altered; do without in this rule", err)
	case errors.Is(err, sys.ErrUnsupported):
		return fmt.Errorf("%w: this kernel has no nf_tables, or lacks a part of the policy", err)
	}
	return err
}

// unreadable reports whether the kernel's rules cannot be looked at here, which is
// no reason not to answer what does not need them.
func unreadable(err error) bool {
	return errors.Is(err, sys.ErrNotPermitted) || errors.Is(err, sys.ErrUnsupported)
}

// liveHost returns this machine as a simulator knows one.
func liveHost() (simulate.Host, error) {
	var host simulate.Host
	state, err := address.Machine{}.Read()
	if err != nil {
		return host, err
	}
	for _, l := range state.Links {
		host.Interfaces = append(host.Interfaces, simulate.Interface{Name: l.Name})
	}
	for _, a := range state.Addresses {
		addPrefix(&host, a.Link, a.Prefix)
	}
	const mainTable = 254
	for _, r := range state.Routes {
		if r.Table == mainTable && r.Type == "" && len(r.Hops) > 0 {
			host.Routes = append(host.Routes, simulate.Route{To: r.Destination, Out: r.Hops[0].Link})
		}
	}
	return host, nil
}

// tables reads all tables of this machine, but those that are dormant.
func tables() (all []*kernel.State, err error) {
	err = withKernel(func(k *kernel.Kernel) error {
		all, err = k.ReadAll()
		return err
	})
	return slices.DeleteFunc(all, func(s *kernel.State) bool { return s.Dormant }), err
}

// decides reports whether a table sees packets that a question can be about.
func decides(s *kernel.State) bool {
	return slices.Contains([]firewall.Family{firewall.AnyFamily, firewall.IPv4, firewall.IPv6}, s.Program.Family)
}

// elsewhere lists what decides about packets outside of the tables that a
// simulator runs: other families, hooks of devices, and iptables' old engine.
func elsewhere(all []*kernel.State) []string {
	var others []string
	for _, s := range all {
		name := fmt.Sprintf("table %s %s", s.Program.Family, s.Program.Table)
		chains := 0
		for _, c := range s.Program.Chains {
			if c.Hook > firewall.Postrouting || c.Hook != firewall.NoHook && !decides(s) {
				chains++
			}
		}
		if chains > 0 {
			others = append(others, name+" has rules for frames or at a device, which are not asked")
		}
	}
	for _, path := range []string{"/proc/net/ip_tables_names", "/proc/net/ip6_tables_names"} {
		if text, err := os.ReadFile(path); err == nil && len(text) > 0 {
			others = append(others, fmt.Sprintf("%s: tables of iptables-legacy, an engine of its own: %s", path, strings.Join(strings.Fields(string(text)), ", ")))
		}
	}
	return others
}

// askLive returns a simulator of all tables of this machine, and what it cannot know.
func askLive() (*simulate.Simulator, []string, error) {
	all, err := tables()
	if err != nil {
		return nil, nil, err
	}
	host, err := liveHost()
	if err != nil {
		return nil, nil, err
	}
	var programs []*firewall.Program
	for _, s := range all {
		if decides(s) {
			programs = append(programs, known(&s.Program))
		}
	}
	return simulate.New(host, programs...), elsewhere(all), nil
}

// known leaves out the chains of hooks that a simulator does not have, and gives
// rules without a text one.
func known(p *firewall.Program) *firewall.Program {
	p.Chains = slices.DeleteFunc(p.Chains, func(c firewall.Chain) bool { return c.Hook > firewall.Postrouting })
	for i := range p.Chains {
		for j := range p.Chains[i].Rules {
			if r := &p.Chains[i].Rules[j]; r.Text == "" {
				r.Text = ruleText(r)
			}
		}
	}
	return p
}

// importLive returns the programs of this machine's tables, but wirelab's own.
func importLive() (foreign.Result, error) {
	all, err := tables()
	if err != nil {
		return foreign.Result{}, err
	}
	var result foreign.Result
	for _, s := range all {
		if own := s.Program.Table == firewall.TableName && s.Program.Family == firewall.AnyFamily; decides(s) && !own {
			result.Programs = append(result.Programs, known(&s.Program))
		}
	}
	for _, text := range elsewhere(all) {
		result.Left = append(result.Left, foreign.Left{Text: text, Why: "it is no table of nftables for packets"})
	}
	return result, nil
}

// absent returns the interfaces that a program names and this machine does not have.
func absent(p *firewall.Program) (names []string) {
	links, err := net.Interfaces()
	if err != nil {
		return nil
	}
	check := func(value []byte) {
		name := firewall.InInterface.Format(value)
		there := slices.ContainsFunc(links, func(l net.Interface) bool { return l.Name == name })
		if !there && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for i := range p.Chains {
		for j := range p.Chains[i].Rules {
			for _, m := range p.Chains[i].Rules[j].Matches {
				if isInterface(m.Field) && m.Set == "" && m.Mask == nil {
					check(m.From)
				}
			}
		}
	}
	for i := range p.Sets {
		if s := &p.Sets[i]; len(s.Key) == 1 && isInterface(s.Key[0]) {
			for j := range s.Elements {
				check(s.Elements[j].From)
			}
		}
	}
	return names
}

func isInterface(f firewall.FieldID) bool {
	return f == firewall.InInterface || f == firewall.OutInterface
}

// warnAbsent says of interfaces that are not there that their rules wait for them.
func (a *app) warnAbsent(p *firewall.Program) {
	if names := absent(p); len(names) > 0 {
		a.Note("wirelab: there is no interface %s now; rules about it match once there is", strings.Join(names, ", "))
	}
}
