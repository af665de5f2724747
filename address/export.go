package address

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Formats returns the names that Export knows.
func Formats() []string { return []string{"netplan", "networkd", "shell"} }

// Export writes the file for another program, and returns what that program cannot
// express; it stands as a comment in the text, too.
func (c *Config) Export(format string) (text string, left []string, err error) {
	e := &exporter{config: c}
	switch format {
	case "netplan":
		e.netplan()
	case "networkd":
		e.networkd()
	case "shell":
		e.shell()
	default:
		return "", nil, fmt.Errorf("format %q is not known; there are %s", format, strings.Join(Formats(), ", "))
	}
	return e.String(), e.left, nil
}

type exporter struct {
	bytes.Buffer
	config *Config
	left   []string
}

func (e *exporter) line(format string, args ...any) { fmt.Fprintf(e, format+"\n", args...) }

// leave notes what cannot be expressed.
func (e *exporter) leave(format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	e.line("# not expressed: %s", what)
	e.left = append(e.left, what)
}

func (e *exporter) addressesOf(link string) []Address {
	return slices.DeleteFunc(slices.Clone(e.config.Addresses), func(a Address) bool { return a.Link != link })
}

func (e *exporter) routesOf(link string) []Route {
	return slices.DeleteFunc(slices.Clone(e.config.Routes), func(r Route) bool { return r.Link != link })
}

func (e *exporter) sysctl(key string) (value string, ok bool) {
	for _, s := range e.config.Sysctls {
		if s.Key == key {
			return s.Value, true
		}
	}
	return "", false
}

// shell writes the steps from nothing to the file, as ip(8) takes them.
func (e *exporter) shell() {
	e.line("#!/bin/sh -e")
	after := &State{}
	for _, l := range e.config.Links {
		old := Link{Mark: Mark{Absent: true}, Name: l.Name}
		if l.Kind == "" {
			other := l.Up != nil && !*l.Up
			old.Absent, old.Up = l.Absent, &other // so that a step brings it up or takes it down
		}
		after.Links = append(after.Links, old)
	}
	target := e.config.State
	if target.DNS != nil {
		after.DNS = target.DNS
	}
	for _, s := range steps(after, &target, false) {
		e.line("%s", shellLine(s))
	}
	for _, l := range e.config.Links {
		if l.Absent {
			e.line("ip link delete dev %s", l.Name)
		}
		if e.config.exclusive[l.Name] {
			e.leave("exclusive for %s: what else it has stays", l.Name)
		}
	}
	if d := e.config.DNS; d != nil {
		e.line("cat >/etc/resolv.conf <<'END'\n%sEND", d.merge(""))
	}
}

func shellLine(s Step) string {
	switch item := s.item.(type) {
	case Link:
		return shellLink(s.verb, item)
	case Address:
		brd := ""
		if item.Broadcast.IsValid() {
			brd = fmt.Sprintf(" broadcast %v", item.Broadcast)
		}
		return fmt.Sprintf("ip address add %v%s dev %s", item.Prefix, brd, item.Link)
	case Route:
		family := ""
		if item.Destination.Addr().Is6() {
			family = " -6"
		}
		return fmt.Sprintf("ip%s route replace %s proto static", family, strings.Replace(item.String(), " (IPv6)", "", 1))
	case Rule:
		family := ""
		if item.IPv6 {
			family = " -6"
		}
		text := strings.NewReplacer(" (IPv6)", "", "on ", "iif ", "mark ", "fwmark ").Replace(item.String())
		if before, after, found := strings.Cut(text, " mask "); found {
			text = before + "/" + after
		}
		return fmt.Sprintf("ip%s rule add %s", family, text)
	case Sysctl:
		return fmt.Sprintf("sysctl -q -w %s=%s", sysctlName(item.Key), item.Value)
	}
	return "# " + s.Text
}

func shellLink(v verb, l Link) string {
	switch v {
	case verbUp:
		return fmt.Sprintf("ip link set dev %s up", l.Name)
	case verbDown:
		return fmt.Sprintf("ip link set dev %s down", l.Name)
	case verbMTU:
		return fmt.Sprintf("ip link set dev %s mtu %d", l.Name, l.MTU)
	case verbMAC:
		return fmt.Sprintf("ip link set dev %s address %s", l.Name, l.MAC)
	case verbBridge:
		return fmt.Sprintf("ip link set dev %s master %s", l.Name, *l.Bridge)
	}
	switch l.Kind {
	case "veth":
		return fmt.Sprintf("ip link add name %s type veth peer name %s", l.Name, l.Peer)
	case "vlan":
		return fmt.Sprintf("ip link add link %s name %s type vlan id %d", l.Lower, l.Name, l.ID)
	case "vxlan":
		text := fmt.Sprintf("ip link add name %s type vxlan id %d dstport %d", l.Name, l.ID, max(l.Port, 0))
		if l.Port == 0 {
			text = fmt.Sprintf("ip link add name %s type vxlan id %d dstport 4789", l.Name, l.ID)
		}
		return text + vxlanWords(l)
	}
	return fmt.Sprintf("ip link add name %s type %s", l.Name, l.Kind)
}

func vxlanWords(l Link) string {
	var b strings.Builder
	for _, w := range []struct {
		word string
		addr netip.Addr
	}{{"remote", l.Remote}, {"local", l.Local}} {
		word := w.word
		if word == "remote" && w.addr.IsMulticast() {
			word = "group"
		}
		if w.addr.IsValid() {
			fmt.Fprintf(&b, " %s %v", word, w.addr)
		}
	}
	if l.Lower != "" {
		fmt.Fprintf(&b, " dev %s", l.Lower)
	}
	return b.String()
}
