package packet

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"wirelab/cli/term"
	"wirelab/internal/sys"
	"wirelab/packet"
	"wirelab/wire"
)

// wayFlags are the flags of commands that send a packet that is described.
type wayFlags struct {
	specFlags
	device string
	via    string
	public bool
	routed bool // an IP packet goes by a raw socket where the kernel knows a way
}

func (f *wayFlags) add(cmd *cobra.Command, vias string) {
	f.specFlags.add(cmd)
	flags := cmd.Flags()
	flags.StringVarP(&f.device, "iface", "i", "", "`interface` to send on (default the one of the route)")
	flags.StringVar(&f.via, "via", "", "`way` to send: "+vias+" (default the first that will do)")
	flags.BoolVar(&f.public, "allow-public", false, "let packets go to public addresses")
}

// way is how a packet leaves the machine.
type way struct {
	spec     *packet.Spec
	template *packet.Template
	device   wire.Device
	source   netip.Addr // of the route; not valid if there is none
	raw      bool       // an IP packet whose way the kernel finds
	first    []byte     // the first frame
}

// resolveTime is how long a next hop has to answer who has its address.
const resolveTime = 2 * time.Second

// find completes the packet for the way that it, and count-1 more after it, is going to
// take. It refuses public destinations.
func (f *wayFlags) find(args []string, count uint64) (*way, error) {
	s, err := f.spec(args)
	if err != nil {
		return nil, err
	}
	w := &way{spec: s}
	s.Complete(false)
	if err := w.compile(); err != nil {
		return nil, err
	}
	if err := w.allowed(f, count); err != nil {
		return nil, err
	}
	if f.device != "" {
		if f.device == "any" {
			return nil, term.Usagef("--iface any: frames leave by one interface; say which")
		}
		if w.device, err = findDevice(f.device); err != nil {
			return nil, err
		}
	}
	switch w.template.Link() {
	case packet.LinkEthernet:
		err = w.onLink(f)
	case packet.LinkRaw:
		err = w.onRoute(f)
	default:
		err = term.Usagef("a packet that begins with %v is for capture files; it cannot be sent", s.Layers()[0])
	}
	if err != nil {
		return nil, err
	}
	return w, w.compile()
}

func (w *way) compile() error {
	t, err := compile(w.spec)
	if err != nil {
		return err
	}
	w.template = t
	w.first = t.Append(nil, 0, time.Now().UnixNano())
	return nil
}

// set gives a field a value that the machine knows, unless it has one.
func (w *way) set(layer packet.Layer, name, value string) error {
	return w.spec.Set(layer, name, value, packet.ByDevice)
}

// onLink completes a frame with a header of its own.
func (w *way) onLink(f *wayFlags) error {
	switch {
	case w.device.Index == 0:
		return term.Usagef("--iface is missing: a frame with an Ethernet header goes out of an interface, not by a route")
	case f.via == "raw":
		return term.Usagef("--via raw: a raw socket sends IP packets, and this frame begins with %v", w.spec.Layers()[0])
	}
	w.spec.Complete(true)
	address := net.HardwareAddr(w.device.Address[:]).String()
	err := w.set(packet.Ethernet, "src", address)
	if has(w.spec, packet.ARP) {
		own, _ := addressOf(w.device.Name, true)
		err = firstError(err, w.set(packet.ARP, "sha", address))
		if own.IsValid() {
			err = firstError(err, w.set(packet.ARP, "spa", own.String()))
		}
	}
	return firstError(err, w.ownSource())
}

// ownSource gives the outermost IP header the address of the interface that suits it.
func (w *way) ownSource() error {
	to, ok := wire.Destination(w.ip(w.first))
	if !ok {
		return nil
	}
	own, _ := addressOf(w.device.Name, to.Is4())
	if route, err := wire.FindRoute(to, w.device); err == nil && route.Device.Index == w.device.Index && route.Source.IsValid() {
		own = route.Source
	}
	if !own.IsValid() {
		return nil
	}
	ip := packet.IPv6
	if to.Is4() {
		ip = packet.IPv4
	}
	return w.set(ip, "src", own.String())
}

// local returns the source address and port of the first frame, if it is of that
// protocol.
func (w *way) local(protocol packet.Layer) (netip.AddrPort, bool) {
	var h packet.Headers
	packet.Scan(w.template.Link(), w.first, len(w.first), &h)
	e, _, ok := endpointsOf(w.first, &h)
	return e.from, ok && e.protocol == protocol
}

func has(s *packet.Spec, layer packet.Layer) bool {
	for _, l := range s.Layers() {
		if l == layer {
			return true
		}
	}
	return false
}

// addressOf returns an address of an interface.
func addressOf(name string, four bool) (netip.Addr, bool) {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return netip.Addr{}, false
	}
	addresses, err := i.Addrs()
	if err != nil {
		return netip.Addr{}, false
	}
	for _, a := range addresses {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() == four {
			return p.Addr(), true
		}
	}
	return netip.Addr{}, false
}

// onRoute completes an IP packet: by a raw socket the kernel finds its way, on an
// Ethernet it gets a header for the next hop.
func (w *way) onRoute(f *wayFlags) error {
	to, ok := wire.Destination(w.first)
	if !ok {
		return term.Usagef("the packet has no IP header that says where it goes")
	}
	ip := w.spec.Layers()[0]
	onLink := to.IsLinkLocalUnicast() || to.IsLinkLocalMulticast()
	if onLink && w.device.Index == 0 {
		return term.Usagef("%v is an address of a link: say with --iface of which", to)
	}
	route, err := wire.FindRoute(to, w.device)
	routed := f.routed && !onLink // a raw socket would want to be told the link too
	switch {
	case err == nil && (w.device.Index == 0 || w.device.Index == route.Device.Index):
		w.device, w.source = route.Device, route.Source
	case w.device.Index == 0:
		return err
	default: // no route leads there by this interface: the destination is on its link
		route, routed = wire.Route{Device: w.device, Gateway: to}, false
		w.source, _ = addressOf(w.device.Name, to.Is4())
	}
	if w.source.IsValid() {
		if err := w.set(ip, "src", w.source.String()); err != nil {
			return err
		}
	}
	if f.via == "raw" || f.via == "" && (routed || route.Local || w.device.Loopback || w.device.Link != 1) {
		w.raw = true
		return w.compile()
	}
	return w.onEthernet(route)
}

// onEthernet puts an Ethernet header in front.
func (w *way) onEthernet(route wire.Route) error {
	if route.Local || w.device.Loopback {
		if err := loopbackTakes(w.device); err != nil {
			return err
		}
	}
	if w.device.Link != 1 {
		return nil // IP packets are its frames
	}
	w.spec.Complete(true)
	if !w.spec.Has(packet.Ethernet, "dst") {
		header, err := route.EthernetHeader(resolveTime)
		if errors.Is(err, wire.ErrUnresolved) {
			return fmt.Errorf("%w; say where the frame goes with: eth dst=ADDRESS / …", err)
		}
		if err != nil {
			return err
		}
		if err := w.set(packet.Ethernet, "dst", net.HardwareAddr(header[:6]).String()); err != nil {
			return err
		}
	}
	return w.set(packet.Ethernet, "src", net.HardwareAddr(w.device.Address[:]).String())
}

// loopbackTakes says why frames that a packet socket puts into the loopback would get
// lost: the kernel takes their local addresses for forged ones.
func loopbackTakes(d wire.Device) error {
	for _, name := range []string{"route_localnet", "accept_local"} {
		if off(d.Name, name) && off("all", name) {
			return &sys.OpError{
				Op: "send frames into " + d.Name, Err: sys.ErrUnsupported,
				Message: "the kernel drops them as forged unless net.ipv4.conf." + d.Name + "." + name + " is 1; --via raw works",
			}
		}
	}
	return nil
}

// off reports whether a setting of IPv4 is 0 for an interface.
func off(device, name string) bool {
	value, err := os.ReadFile("/proc/sys/net/ipv4/conf/" + device + "/" + name)
	return err == nil && strings.TrimSpace(string(value)) == "0"
}

// allowed refuses public destinations, of the first frame as it was built and of all
// that its fields say.
func (w *way) allowed(f *wayFlags, count uint64) error {
	if f.public {
		return nil
	}
	if to, ok := wire.Destination(w.ip(w.first)); ok && !wire.Harmless(to) {
		return publicError(to.String())
	}
	for _, r := range w.spec.Destinations(count) {
		if !wire.HarmlessRange(r[0], r[1]) {
			return publicError(fmt.Sprintf("one of the addresses from %v to %v", r[0], r[1]))
		}
	}
	return nil
}

// ip returns the IP packet in a frame, nil if it holds none.
func (w *way) ip(frame []byte) []byte {
	return ipOf(w.template.Link(), frame)
}

func ipOf(link packet.LinkType, frame []byte) []byte {
	var h packet.Headers
	packet.Scan(link, frame, len(frame), &h)
	for _, one := range h.All() {
		if one.Layer == packet.IPv4 || one.Layer == packet.IPv6 {
			return frame[one.Offset:]
		}
	}
	return nil
}

// rawCorrects says what a raw socket would silently correct in an IPv4 packet; "" if
// it sends the packet as it is.
func rawCorrects(p []byte) string {
	if len(p) < 20 || p[0]>>4 != 4 {
		return ""
	}
	var h packet.Headers
	packet.Scan(packet.LinkRaw, p, len(p), &h)
	checks := packet.Verify(p, &h, packet.OffloadUnknown, nil)
	switch {
	case int(p[2])<<8|int(p[3]) != len(p):
		return "the total length"
	case p[4] == 0 && p[5] == 0:
		return "the identification 0"
	case p[12]|p[13]|p[14]|p[15] == 0:
		return "the source address 0.0.0.0"
	case len(checks) > 0 && checks[0].Layer == packet.IPv4 && checks[0].Verdict != packet.Good:
		return "the header checksum"
	}
	return ""
}
