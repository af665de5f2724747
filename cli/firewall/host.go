package firewall

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"wirelab/address"
	"wirelab/cli/term"
	"wirelab/firewall"
	"wirelab/firewall/simulate"
	"wirelab/internal/setting"
)

// hostFlags say which addresses are this host's, and where packets leave.
type hostFlags struct {
	addresses, routes []string
}

func (h *hostFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&h.addresses, "address", nil, "an `address` of this host, as INTERFACE=ADDRESS/LENGTH; again for more")
	cmd.Flags().StringArrayVar(&h.routes, "route", nil, "`route` by which packets leave, as PREFIX=INTERFACE or default=INTERFACE; again for more")
}

// of returns the host that the flags describe, or else the section addresses: of the file.
func (h *hostFlags) of(file setting.Value) (simulate.Host, error) {
	if len(h.addresses) == 0 && len(h.routes) == 0 {
		return hostOfSection(file)
	}
	var host simulate.Host
	for _, text := range h.addresses {
		name, prefix, _ := strings.Cut(text, "=")
		p, err := netip.ParsePrefix(prefix)
		if err != nil || name == "" {
			return host, term.Usagef("--address %q: expected INTERFACE=ADDRESS/LENGTH, such as eth0=192.0.2.1/24", text)
		}
		addPrefix(&host, name, p)
	}
	for _, text := range h.routes {
		prefix, name, _ := strings.Cut(text, "=")
		routes, err := routesTo(prefix, name)
		if err != nil {
			return host, err
		}
		host.Routes = append(host.Routes, routes...)
	}
	return host, nil
}

func addPrefix(host *simulate.Host, name string, p netip.Prefix) {
	at := slices.IndexFunc(host.Interfaces, func(i simulate.Interface) bool { return i.Name == name })
	if at < 0 {
		at = len(host.Interfaces)
		host.Interfaces = append(host.Interfaces, simulate.Interface{Name: name})
	}
	host.Interfaces[at].Prefixes = append(host.Interfaces[at].Prefixes, p)
}

func routesTo(prefix, name string) ([]simulate.Route, error) {
	if prefix == "default" {
		return []simulate.Route{{To: netip.PrefixFrom(netip.IPv4Unspecified(), 0), Out: name}, {To: netip.PrefixFrom(netip.IPv6Unspecified(), 0), Out: name}}, nil
	}
	p, err := netip.ParsePrefix(prefix)
	if err != nil || name == "" {
		return nil, term.Usagef("--route %q: expected PREFIX=INTERFACE, such as 10.0.0.0/8=eth1 or default=eth0", prefix+"="+name)
	}
	return []simulate.Route{{To: p, Out: name}}, nil
}

// hostOfSection takes the host from the section addresses: of the file.
func hostOfSection(file setting.Value) (simulate.Host, error) {
	var host simulate.Host
	section, there := file.Get("addresses")
	if !there {
		return host, nil
	}
	config, errs := address.Parse(section)
	if errs != nil {
		return host, errs
	}
	for _, a := range config.Addresses {
		if !a.Absent {
			addPrefix(&host, a.Link, a.Prefix)
		}
	}
	for _, r := range config.Routes {
		if !r.Absent && r.Type == "" && len(r.Hops) > 0 {
			host.Routes = append(host.Routes, simulate.Route{To: r.Destination, Out: r.Hops[0].Link})
		}
	}
	return host, nil
}

func hostNumber(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }

// sortByLine puts the lines of a map's elements back into the order of the policy.
func sortByLine(elements []firewall.Element, lines []listed) {
	order := make([]int, len(lines))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(x, y int) int {
		return cmp.Compare(elements[x].Place.Line, elements[y].Place.Line)
	})
	sorted := make([]listed, len(lines))
	for i, from := range order {
		sorted[i] = lines[from]
	}
	copy(lines, sorted)
}
