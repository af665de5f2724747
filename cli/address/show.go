package address

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"wirelab/address"
	"wirelab/cli/guarded"
	"wirelab/cli/term"
)

// A shownLink is a link as show -o json has it.
type shownLink struct {
	Name      string         `json:"name"`
	Kind      string         `json:"kind,omitempty"`
	State     string         `json:"state"` // up, down, no carrier
	MTU       int            `json:"mtu_bytes"`
	MAC       string         `json:"mac,omitempty"`
	SpeedMbit int            `json:"speed_mbit_per_s,omitempty"`
	Bridge    string         `json:"bridge,omitempty"`
	Over      string         `json:"over,omitempty"`
	Peer      string         `json:"peer,omitempty"`
	ID        int            `json:"id,omitempty"`
	Addresses []shownAddress `json:"addresses"`
	Routes    []string       `json:"routes"`
	RxBytes   uint64         `json:"rx_bytes"`
	RxPackets uint64         `json:"rx_packets"`
	RxErrors  uint64         `json:"rx_errors"`
	RxDropped uint64         `json:"rx_dropped"`
	TxBytes   uint64         `json:"tx_bytes"`
	TxPackets uint64         `json:"tx_packets"`
	TxErrors  uint64         `json:"tx_errors"`
	TxDropped uint64         `json:"tx_dropped"`
}

type shownAddress struct {
	Address    string `json:"address"`
	Peer       string `json:"peer,omitempty"`
	Scope      string `json:"scope"`
	ValidS     *int64 `json:"valid_s,omitempty"` // none: for ever
	PreferredS *int64 `json:"preferred_s,omitempty"`
	State      string `json:"state,omitempty"` // tentative, duplicate, deprecated, secondary
}

type shown struct {
	Schema string      `json:"schema"`
	Links  []shownLink `json:"links"`
	Routes []string    `json:"other_routes"` // of no link
	Rules  []string    `json:"rules"`
	DNS    []string    `json:"dns"`
	Search []string    `json:"search,omitempty"`
}

func (a *app) newShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show [LINK...]",
		Short: "Show links with their addresses, routes and counters",
		Long: "Shows each link with its state, MTU, speed, addresses, the routes that use it and what\n" +
			"it has carried; then policy rules and name servers. Needs no privilege.",
		Example: "  wirelab address show\n  wirelab address show eth0 -o json",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			now, err := address.Machine{}.Read()
			if err != nil {
				return err
			}
			for _, name := range args {
				if !slices.ContainsFunc(now.Links, func(l address.Link) bool { return l.Name == name }) {
					return term.FailedCheck(fmt.Errorf("link %s does not exist", name))
				}
			}
			s := show(now, args)
			if a.JSON {
				return a.PrintJSON(s)
			}
			if note := (&guarded.Options{}).Pending(cmd.Context(), a.Console); note != "" {
				a.Note("wirelab: %s", note)
			}
			return a.printShown(s)
		},
	}
}

// show returns what there is of the links of these names, of all if there are none.
func show(now *address.State, names []string) shown {
	s := shown{Schema: "wirelab.address.show/1", Links: []shownLink{}, Routes: []string{}, Rules: []string{}, DNS: []string{}}
	for _, l := range now.Links {
		if len(names) > 0 && !slices.Contains(names, l.Name) {
			continue
		}
		s.Links = append(s.Links, showLink(now, l))
	}
	if len(names) > 0 {
		return s
	}
	for _, r := range now.Routes {
		if len(r.Hops) == 0 {
			s.Routes = append(s.Routes, r.String())
		}
	}
	for _, r := range now.Rules {
		s.Rules = append(s.Rules, r.String())
	}
	for _, d := range now.DNS.Servers {
		s.DNS = append(s.DNS, d.String())
	}
	s.Search = now.DNS.Search
	return s
}

func showLink(now *address.State, l address.Link) shownLink {
	s := shownLink{
		Name: l.Name, Kind: l.Kind, State: linkState(l), MTU: l.MTU, MAC: l.MAC, SpeedMbit: l.Speed, Bridge: *l.Bridge, Over: l.Lower, Peer: l.Peer, ID: l.ID,
		Addresses: []shownAddress{}, Routes: []string{},
		RxBytes: l.RxBytes, RxPackets: l.RxPackets, RxErrors: l.RxErrors, RxDropped: l.RxDropped,
		TxBytes: l.TxBytes, TxPackets: l.TxPackets, TxErrors: l.TxErrors, TxDropped: l.TxDropped,
	}
	for _, a := range now.Addresses {
		if a.Link == l.Name {
			s.Addresses = append(s.Addresses, showAddress(a))
		}
	}
	for _, r := range now.Routes {
		if slices.ContainsFunc(r.Hops, func(h address.Hop) bool { return h.Link == l.Name }) {
			s.Routes = append(s.Routes, describeRoute(r, l.Name))
		}
	}
	return s
}

func linkState(l address.Link) string {
	switch {
	case !*l.Up:
		return "down"
	case !l.Carrier:
		return "no carrier"
	}
	return "up"
}

// describeRoute leaves out the link that the route is shown with.
func describeRoute(r address.Route, link string) string {
	text := strings.Replace(r.String(), " dev "+link, "", 1)
	switch r.Protocol {
	case address.ProtocolKernel:
		text += " (of the address)"
	case address.ProtocolRouterAdvertisement:
		text += " (router advertisement)"
	case address.ProtocolDHCP:
		text += " (DHCP)"
	}
	if r.Expires != 0 {
		text += fmt.Sprintf(", for %s", term.Duration(time.Duration(r.Expires)*time.Second))
	}
	return text
}

func showAddress(a address.Address) shownAddress {
	s := shownAddress{Address: a.Prefix.String(), Scope: a.ScopeName(), State: a.StateName()}
	if a.Peer.IsValid() {
		s.Peer = a.Peer.String()
	}
	if a.Valid != address.Forever {
		valid, preferred := int64(a.Valid), int64(a.Preferred)
		s.ValidS, s.PreferredS = &valid, &preferred
	}
	return s
}

// describe returns the address as the table has it: global scope and eternal life are
// not worth a word.
func (s shownAddress) describe() string {
	words := []string{s.Address}
	if s.Peer != "" {
		words = append(words, "peer "+s.Peer)
	}
	if s.Scope != "global" {
		words = append(words, s.Scope)
	}
	if s.State != "" {
		words = append(words, s.State)
	}
	if s.ValidS != nil {
		words = append(words, "for "+term.Duration(time.Duration(*s.ValidS)*time.Second))
	}
	return strings.Join(words, " ")
}

func (a *app) printShown(s shown) error {
	w := a.Stdout
	table := term.NewTable("LINK", "STATE", ">MTU", ">SPEED", "ADDRESSES", "ROUTES")
	for _, l := range s.Links {
		speed := ""
		if l.SpeedMbit > 0 {
			speed = fmt.Sprintf("%d Mbit/s", l.SpeedMbit)
		}
		for i := range max(1, len(l.Addresses), len(l.Routes)) {
			var addr, route string
			if i < len(l.Addresses) {
				addr = l.Addresses[i].describe()
			}
			if i < len(l.Routes) {
				route = l.Routes[i]
			}
			if i == 0 {
				table.Row(l.Name, l.State, l.MTU, speed, addr, route)
			} else {
				table.Row("", "", "", "", addr, route)
			}
		}
	}
	table.Whole = true
	if err := table.Write(w, term.Room(w), a.Colors(w)); err != nil {
		return err
	}
	fmt.Fprintln(w)
	return cmp.Or(a.printCounters(s), a.printRest(s))
}

func (a *app) printCounters(s shown) error {
	counters := term.NewTable("LINK", "KIND", "MAC", ">RECEIVED", ">PACKETS", ">BAD", ">SENT", ">PACKETS", ">BAD")
	for _, l := range s.Links {
		counters.Row(l.Name, l.kind(), l.MAC, term.Bytes(l.RxBytes), term.Count(l.RxPackets), term.Count(l.RxErrors+l.RxDropped),
			term.Bytes(l.TxBytes), term.Count(l.TxPackets), term.Count(l.TxErrors+l.TxDropped))
	}
	return counters.Write(a.Stdout, term.Room(a.Stdout), a.Colors(a.Stdout))
}

// kind says what a link is, and with what others it belongs together.
func (l shownLink) kind() string {
	words := []string{cmp.Or(l.Kind, "-")}
	if l.ID != 0 {
		words = append(words, fmt.Sprint(l.ID))
	}
	for _, related := range []struct{ word, name string }{{"over", l.Over}, {"to", l.Peer}, {"in", l.Bridge}} {
		if related.name != "" {
			words = append(words, related.word, related.name)
		}
	}
	return strings.Join(words, " ")
}

func (a *app) printRest(s shown) error {
	for _, part := range []struct {
		title string
		lines []string
	}{{"routes of no link", s.Routes}, {"policy rules", s.Rules}} {
		if len(part.lines) > 0 {
			fmt.Fprintf(a.Stdout, "\n%s\n  %s\n", part.title, strings.Join(part.lines, "\n  "))
		}
	}
	if len(s.DNS) > 0 {
		fmt.Fprintf(a.Stdout, "\nname servers  %s", strings.Join(s.DNS, " "))
		if len(s.Search) > 0 {
			fmt.Fprintf(a.Stdout, "   search %s", strings.Join(s.Search, " "))
		}
		fmt.Fprintln(a.Stdout)
	}
	return nil
}
