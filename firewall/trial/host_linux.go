package trial

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"wirelab/firewall"
	"wirelab/firewall/kernel"
	"wirelab/internal/netlink"
	"wirelab/internal/sys"
	"wirelab/internal/sys/netns"
	"wirelab/internal/sys/tap"
)

// What the table that watches is, and what its rules say of a packet.
const (
	watchTable    = "wirelab_trial"
	watchGroup    = 0x7777
	watchPriority = 300  // behind filters and NAT, before a connection is kept
	firstPriority = -450 // before all else
	atInput       = "in"
	atPostrouting = "out"
	atOutput      = "sent"

	together = 500 // packets tried before their outcomes are read
)

// Host is a network namespace with interfaces for packets to come in by. One
// goroutine at a time uses it.
type Host struct {
	namespace *netns.Namespace
	devices   map[string]*device
	log       *netlink.Conn
	raw       [2]net.PacketConn // for packets of IPv4 and IPv6 of its own
	buffer    []byte
}

type device struct {
	*tap.Device
	index      int
	address    net.HardwareAddr
	broadcasts []netip.Addr // of its networks
}

// New makes a host. It needs CAP_NET_ADMIN, or the root of a user namespace of its
// own with access to /dev/net/tun.
func New(interfaces []Interface, routes []Route) (*Host, error) {
	n, err := netns.New()
	if err != nil {
		return nil, err
	}
	h := &Host{namespace: n, devices: map[string]*device{}}
	if err := n.Do(func() error { return h.build(interfaces, routes) }); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}

// Do runs f in the host's namespace, on a thread of its own: to load rules.
func (h *Host) Do(f func() error) error { return h.namespace.Do(f) }

// Load makes the program's table what the program says, as it would be applied.
func (h *Host) Load(p *firewall.Program) error { return h.Do(func() error { return load(p) }) }

func load(p *firewall.Program) error {
	k, err := kernel.Open()
	if err != nil {
		return err
	}
	defer k.Close()
	plan, err := k.Plan(p)
	if err != nil {
		return err
	}
	return k.Apply(plan)
}

// Close removes the host with all that is in it.
func (h *Host) Close() error {
	var failed []error
	for _, d := range h.devices {
		failed = append(failed, d.Close())
	}
	for _, c := range h.raw {
		if c != nil {
			failed = append(failed, c.Close())
		}
	}
	if h.log != nil {
		failed = append(failed, h.log.Close())
	}
	return errors.Join(append(failed, h.namespace.Close())...)
}

func (h *Host) build(interfaces []Interface, routes []Route) error {
	configure()
	for _, i := range interfaces {
		if err := h.open(i.Name); err != nil {
			return err
		}
	}
	if err := h.connect(interfaces, routes); err != nil {
		return err
	}
	var err error
	for i, network := range []string{"ip4:255", "ip6:255"} { // IPPROTO_RAW: packets with their headers
		if h.raw[i], err = net.ListenPacket(network, []string{"0.0.0.0", "::"}[i]); err != nil {
			return fmt.Errorf("open raw socket: %w", err)
		}
	}
	return h.watch()
}

func (h *Host) open(name string) error {
	if name == "lo" || h.devices[name] != nil {
		return nil
	}
	opened, err := tap.Open(name, tap.Frames)
	if err != nil {
		return err
	}
	d := &device{Device: opened}
	h.devices[name] = d
	link, err := net.InterfaceByName(name)
	if err != nil {
		return err
	}
	d.index, d.address = link.Index, link.HardwareAddr
	return nil
}

// connect turns the interfaces on and gives them addresses and routes.
func (h *Host) connect(interfaces []Interface, routes []Route) error {
	conn, err := netlink.Dial(unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer conn.Close()
	l := &links{conn: conn}
	l.up(1, "lo")
	for name, d := range h.devices {
		l.up(d.index, name)
	}
	for _, i := range interfaces {
		index := 1
		if d := h.devices[i.Name]; d != nil {
			index = d.index
		}
		for _, p := range i.Prefixes {
			l.address(index, p)
			if d := h.devices[i.Name]; d != nil && p.Addr().Is4() && p.Bits() < 31 {
				d.broadcasts = append(d.broadcasts, broadcast(p))
			}
		}
	}
	for _, r := range routes {
		if d := h.devices[r.Out]; d != nil {
			l.route(d.index, r.To)
		}
	}
	if err := l.commit(); err != nil {
		return err
	}
	for _, i := range interfaces {
		for _, p := range i.Prefixes {
			if err := l.settle(p.Addr()); err != nil {
				return err
			}
		}
	}
	return nil
}

// watch loads the table that watches, and listens to it.
func (h *Host) watch() (err error) {
	err = load(watcher())
	if err == nil {
		h.log, err = netlink.Dial(unix.NETLINK_NETFILTER)
	}
	if err == nil {
		err = h.log.Log(watchGroup, 1)
	}
	return err
}

// watcher returns the table that watches.
func watcher() *firewall.Program {
	chain := func(prefix string, hook firewall.Hook, priority int32, verdict firewall.VerdictKind) firewall.Chain {
		log := &firewall.Log{Prefix: prefix, Group: watchGroup, HasGroup: true}
		return firewall.Chain{
			Name: prefix, Hook: hook, Priority: priority, Policy: firewall.Accept,
			Rules: []firewall.Rule{{Effects: firewall.Effects{Log: log}, Verdict: firewall.Verdict{Kind: verdict}}},
		}
	}
	return &firewall.Program{Family: firewall.AnyFamily, Table: watchTable, Chains: []firewall.Chain{
		chain(atInput, firewall.Input, watchPriority, firewall.Drop),
		chain(atPostrouting, firewall.Postrouting, watchPriority, firewall.Drop),
		chain(atOutput, firewall.Output, firstPriority, firewall.Continue),
	}}
}

// Try gives the packets to the kernel, one after the other, and returns what
// became of each. A packet that comes in by an interface that the host does not have
// is an error.
func (h *Host) Try(packets []Packet) ([]Outcome, error) {
	outcomes := make([]Outcome, len(packets))
	for start := 0; start < len(packets); start += together {
		end := min(start+together, len(packets))
		for i := range packets[start:end] {
			if err := h.put(&packets[start+i], i+1); err != nil {
				return nil, err
			}
		}
		if err := h.collect(outcomes[start:end]); err != nil {
			return nil, err
		}
	}
	return outcomes, nil
}

func (h *Host) put(p *Packet, identity int) error {
	h.buffer = h.buffer[:0]
	if p.In == "" {
		h.buffer = p.appendPacket(h.buffer, identity)
		return h.send(p.Destination, h.buffer)
	}
	d := h.devices[p.In]
	if d == nil {
		return fmt.Errorf("put a packet into interface %s: %w", p.In, unix.ENODEV)
	}
	h.buffer = append(h.buffer, d.linkDestination(p.Destination)...)
	h.buffer = append(h.buffer, 2, 0, 0, 0, 0, 1)
	if p.Source.Is4() {
		h.buffer = append(h.buffer, 8, 0)
	} else {
		h.buffer = append(h.buffer, 0x86, 0xdd)
	}
	h.buffer = p.appendPacket(h.buffer, identity)
	_, err := d.Write(h.buffer)
	return err
}

// linkDestination returns the Ethernet address that a packet goes to.
func (d *device) linkDestination(a netip.Addr) []byte {
	raw := a.AsSlice()
	switch {
	case a.Is4() && a.IsMulticast():
		return []byte{1, 0, 0x5e, raw[1] & 0x7f, raw[2], raw[3]}
	case a.IsMulticast():
		return append([]byte{0x33, 0x33}, raw[12:]...)
	case a == netip.AddrFrom4([4]byte{255, 255, 255, 255}), slices.Contains(d.broadcasts, a):
		return []byte{255, 255, 255, 255, 255, 255}
	}
	return d.address
}

// send sends a packet of the host's own. The kernel says so when it drops one;
// that is an outcome like another.
func (h *Host) send(to netip.Addr, packet []byte) error {
	conn := h.raw[0]
	if to.Is6() {
		conn = h.raw[1]
	}
	_, err := conn.WriteTo(packet, &net.IPAddr{IP: to.AsSlice()})
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EHOSTUNREACH) || errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.EACCES) {
		return nil
	}
	return err
}

// collect reads what was logged.
func (h *Host) collect(outcomes []Outcome) error {
	for h.log.Pending() {
		messages, err := h.log.Receive()
		if err != nil {
			return &sys.OpError{Op: "watch packets", Err: err}
		}
		for m := range messages.All() {
			logged, ok, err := netlink.ParseLog(m)
			if err != nil {
				return err
			}
			if ok {
				note(outcomes, logged)
			}
		}
	}
	return nil
}

func note(outcomes []Outcome, logged netlink.LoggedPacket) {
	s, ok := parse(logged.Payload)
	if !ok {
		return
	}
	if logged.Prefix == atOutput {
		if identity, text := s.reply(); !s.ours && identity > 0 && identity <= len(outcomes) {
			outcomes[identity-1].Reply = text
		}
		return
	}
	if !s.ours || s.identity < 1 || s.identity > len(outcomes) {
		return
	}
	o := &outcomes[s.identity-1]
	o.Accepted, o.Hook, o.Source, o.Destination = true, firewall.Input, s.source, s.destination
	if logged.Prefix == atPostrouting {
		o.Hook = firewall.Postrouting
	}
}
