package address

import (
	"fmt"
	"strings"
)

// netplan writes a file for /etc/netplan (version 2, renderer networkd).
func (e *exporter) netplan() {
	e.line("network:\n  version: 2\n  renderer: networkd")
	sections := []struct{ title, kind, since string }{
		{"ethernets", "", ""}, {"bridges", "bridge", ""}, {"vlans", "vlan", ""}, {"tunnels", "vxlan", ""}, {"virtual-ethernets", "veth", " # from netplan 1.1 on"},
	}
	for _, s := range sections {
		titled := false
		for _, l := range e.config.Links {
			if l.Kind != s.kind {
				continue
			}
			if l.Absent {
				e.leave("link %s absent", l.Name)
				continue
			}
			if !titled {
				e.line("  %s:%s", s.title, s.since)
				titled = true
			}
			e.netplanLink(l)
		}
	}
	for _, s := range e.config.Sysctls {
		if !strings.HasSuffix(s.Key, "/accept_ra") {
			e.leave("sysctl %s=%s: put it into /etc/sysctl.d", sysctlName(s.Key), s.Value)
		}
	}
}

func (e *exporter) netplanLink(l Link) {
	e.line("    %s:", l.Name)
	begun := e.Len()
	defer func() {
		if e.Len() == begun { // netplan wants a mapping, be it empty
			e.Truncate(begun - 1)
			e.line(" {}")
		}
	}()
	switch l.Kind {
	case "bridge":
		e.line("      interfaces: [%s]", strings.Join(e.ports(l.Name), ", "))
	case "vlan":
		e.line("      id: %d\n      link: %s", l.ID, l.Lower)
	case "vxlan":
		e.line("      mode: vxlan\n      id: %d\n      port: %d", l.ID, vxlanPort(l))
		e.optional("      remote: %s", l.Remote)
		e.optional("      local: %s", l.Local)
		if l.Lower != "" {
			e.line("      link: %s", l.Lower)
		}
	case "veth":
		e.line("      peer: %s", l.Peer)
	}
	if l.Up != nil && !*l.Up {
		e.line("      activation-mode: \"off\"")
	}
	if l.MTU != 0 {
		e.line("      mtu: %d", l.MTU)
	}
	if l.MAC != "" {
		e.line("      macaddress: %q", l.MAC)
	}
	if value, ok := e.sysctl("net/ipv6/conf/" + l.Name + "/accept_ra"); ok {
		e.line("      accept-ra: %t", value != "0")
	}
	if addresses := e.addressesOf(l.Name); len(addresses) > 0 {
		e.line("      addresses:")
		for _, a := range addresses {
			e.line("        - %q", a.Prefix.String())
		}
	}
	e.netplanRoutes(l)
	if e.first(l) {
		e.netplanRest()
	}
}

func (e *exporter) netplanRoutes(l Link) {
	routes := e.routesOf(l.Name)
	if len(routes) > 0 {
		e.line("      routes:")
	}
	for _, r := range routes {
		to := r.Destination.String()
		if r.Destination.Bits() == 0 {
			to = map[bool]string{true: "::/0", false: "0.0.0.0/0"}[r.Destination.Addr().Is6()]
		}
		e.line("        - to: %q", to)
		if r.Type != "" {
			e.line("          type: %s", r.Type)
		} else if hop := r.Hops[0]; hop.Via.IsValid() {
			e.line("          via: %q", hop.Via.String())
			if hop.OnLink {
				e.line("          on-link: true")
			}
		} else {
			e.line("          scope: link")
		}
		e.optional("          from: %s", r.Source)
		if r.Metric != 0 {
			e.line("          metric: %d", r.Metric)
		}
		if r.Table != tableMain {
			e.line("          table: %d", r.Table)
		}
		if r.MTU != 0 {
			e.line("          mtu: %d", r.MTU)
		}
	}
}

// netplanRest writes what belongs to no link, with the first one.
func (e *exporter) netplanRest() {
	if len(e.config.Rules) > 0 {
		e.line("      routing-policy:")
	}
	for _, r := range e.config.Rules {
		if r.In != "" {
			e.leave("rule %v", r)
			continue
		}
		family := map[bool]string{true: "::/0", false: "0.0.0.0/0"}[r.IPv6]
		from := family
		if r.From.IsValid() {
			from = r.From.String()
		}
		e.line("        - from: %q\n          table: %d\n          priority: %d", from, r.Table, r.Priority)
		if r.To.IsValid() {
			e.line("          to: %q", r.To.String())
		}
		if r.FWMark != 0 {
			e.line("          mark: %d", r.FWMark)
		}
	}
	if d := e.config.DNS; d != nil {
		var servers []string
		for _, s := range d.Servers {
			servers = append(servers, fmt.Sprintf("%q", s.String()))
		}
		e.line("      nameservers:\n        addresses: [%s]\n        search: [%s]", strings.Join(servers, ", "), strings.Join(d.Search, ", "))
	}
}

// first reports whether a link is the first of the file that has no kind, or the
// first of all.
func (e *exporter) first(l Link) bool {
	for _, o := range e.config.Links {
		if o.Kind == "" && !o.Absent {
			return o.Name == l.Name
		}
	}
	return e.config.Links[0].Name == l.Name
}

func (e *exporter) optional(format string, a fmt.Stringer) {
	if text := a.String(); text != "" && text != "invalid IP" && text != "invalid Prefix" {
		e.line(format, text)
	}
}

func (e *exporter) ports(bridge string) []string {
	var names []string
	for _, l := range e.config.Links {
		if l.Bridge != nil && *l.Bridge == bridge {
			names = append(names, l.Name)
		}
	}
	return names
}

func vxlanPort(l Link) int {
	if l.Port == 0 {
		return 4789
	}
	return l.Port
}

// networkd writes the files of systemd.network(5) and systemd.netdev(5), each with
// its name in front.
func (e *exporter) networkd() {
	paired := make(map[string]bool)
	for _, l := range e.config.Links {
		if l.Absent {
			e.leave("link %s absent", l.Name)
			continue
		}
		if l.Kind != "" && !paired[l.Name] {
			paired[l.Peer] = true
			e.netdev(l)
		}
		e.network(l)
	}
	for _, s := range e.config.Sysctls {
		if strings.HasPrefix(s.Key, "net/ipv4/ip_forward") || strings.Contains(s.Key, "conf/all/") {
			e.leave("sysctl %s=%s: put it into /etc/sysctl.d", sysctlName(s.Key), s.Value)
		}
	}
}

func (e *exporter) netdev(l Link) {
	e.line("# /etc/systemd/network/%s.netdev\n[NetDev]\nName=%s\nKind=%s", l.Name, l.Name, l.Kind)
	switch l.Kind {
	case "veth":
		e.line("\n[Peer]\nName=%s", l.Peer)
	case "vlan":
		e.line("\n[VLAN]\nId=%d", l.ID)
	case "vxlan":
		e.line("\n[VXLAN]\nVNI=%d\nDestinationPort=%d", l.ID, vxlanPort(l))
		e.optional("Remote=%s", l.Remote)
		e.optional("Local=%s", l.Local)
		if l.Lower == "" {
			e.line("Independent=yes")
		}
	}
	e.line("")
}

func (e *exporter) network(l Link) {
	e.line("# /etc/systemd/network/%s.network\n[Match]\nName=%s\n", l.Name, l.Name)
	e.line("[Link]")
	if l.MTU != 0 {
		e.line("MTUBytes=%d", l.MTU)
	}
	if l.MAC != "" {
		e.line("MACAddress=%s", l.MAC)
	}
	if l.Up != nil && !*l.Up {
		e.line("ActivationPolicy=down")
	}
	e.line("\n[Network]")
	for _, a := range e.addressesOf(l.Name) {
		e.line("Address=%v", a.Prefix)
	}
	if l.Bridge != nil && *l.Bridge != "" {
		e.line("Bridge=%s", *l.Bridge)
	}
	for _, o := range e.config.Links {
		if o.Lower == l.Name {
			e.line("%s=%s", map[string]string{"vlan": "VLAN", "vxlan": "VXLAN"}[o.Kind], o.Name)
		}
	}
	if value, ok := e.sysctl("net/ipv6/conf/" + l.Name + "/accept_ra"); ok {
		e.line("IPv6AcceptRA=%t", value != "0")
	}
	if value, ok := e.sysctl("net/ipv4/conf/" + l.Name + "/forwarding"); ok {
		e.line("IPForward=%t", value == "1")
	}
	if d := e.config.DNS; d != nil && e.first(l) {
		for _, s := range d.Servers {
			e.line("DNS=%v", s)
		}
		if len(d.Search) > 0 {
			e.line("Domains=%s", strings.Join(d.Search, " "))
		}
	}
	if e.config.exclusive[l.Name] {
		e.line("# networkd removes what it does not know, unless KeepConfiguration= says otherwise")
	}
	e.networkdRoutes(l)
	e.line("")
}

func (e *exporter) networkdRoutes(l Link) {
	for _, r := range e.routesOf(l.Name) {
		e.line("\n[Route]\nDestination=%v", r.Destination)
		if r.Type != "" {
			e.line("Type=%s", r.Type)
		} else {
			e.optional("Gateway=%s", r.Hops[0].Via)
			if r.Hops[0].OnLink {
				e.line("GatewayOnLink=yes")
			}
		}
		e.optional("PreferredSource=%s", r.Source)
		if r.Metric != 0 {
			e.line("Metric=%d", r.Metric)
		}
		if r.Table != tableMain {
			e.line("Table=%d", r.Table)
		}
		if r.MTU != 0 {
			e.line("MTUBytes=%d", r.MTU)
		}
	}
	if !e.first(l) {
		return
	}
	for _, r := range e.config.Rules {
		e.line("\n[RoutingPolicyRule]\nTable=%d\nPriority=%d", r.Table, r.Priority)
		e.optional("From=%s", r.From)
		e.optional("To=%s", r.To)
		if r.In != "" {
			e.line("IncomingInterface=%s", r.In)
		}
		if r.FWMark != 0 {
			e.line("FirewallMark=%d/%#x", r.FWMark, r.Mask)
		}
		e.line("Family=%s", map[bool]string{true: "ipv6", false: "ipv4"}[r.IPv6])
	}
}
