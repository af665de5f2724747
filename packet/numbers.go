package packet

import "encoding/binary"

// A LinkType says what a frame begins with, as capture files number it
// (LINKTYPE_ values of tcpdump.org).
type LinkType uint16

// The link types that Scan reads. Frames of others are Data.
const (
	LinkNull     LinkType = 0
	LinkEthernet LinkType = 1
	LinkRawBSD   LinkType = 12
	LinkRaw      LinkType = 101
	LinkLoop     LinkType = 108
	LinkCooked   LinkType = 113
	LinkIPv4     LinkType = 228
	LinkIPv6     LinkType = 229
	LinkCooked2  LinkType = 276
	// LinkUser frames have no header at all: they are Data (LINKTYPE_USER0).
	LinkUser LinkType = 147
)

// A numbered layer is one entry of a space.
type numbered struct {
	number uint32
	layer  Layer
}

var etherNumbers = [...]numbered{
	{0x0800, IPv4}, {0x86dd, IPv6}, {0x8100, VLAN}, {0x88a8, VLAN}, {0x9100, VLAN}, {0x0806, ARP}, {0x8864, PPPoE}, {0x6558, Ethernet},
}

var protocolNumbers = [...]numbered{
	{6, TCP}, {17, UDP}, {1, ICMP}, {58, ICMPv6}, {47, GRE}, {4, IPv4}, {41, IPv6}, {0, HopByHop}, {43, Routing}, {44, Fragment}, {60, Destination},
}

// familyNumbers are the address families of BSD, macOS and Linux in the order of
// bytes that a little-endian host writes.
var familyNumbers = [...]numbered{
	{0x02000000, IPv4}, {0x1e000000, IPv6}, {0x18000000, IPv6}, {0x1c000000, IPv6}, {0x0a000000, IPv6},
	{2, IPv4}, {30, IPv6}, {24, IPv6}, {28, IPv6}, {10, IPv6},
}

var pppNumbers = [...]numbered{{0x0021, IPv4}, {0x0057, IPv6}}

// portNumbers are the UDP ports behind which a layer is looked for.
var portNumbers = [...]numbered{{53, DNS}, {123, NTP}, {862, STAMP}, {4789, VXLAN}, {12123, NTP}}

// layerOfNumber returns the layer with that number, Data if none has it.
func layerOfNumber(s space, n uint32) Layer {
	for _, e := range numbersOf(s) {
		if e.number == n {
			return e.layer
		}
	}
	return Data
}

// numberOfLayer returns the number that says that layer follows. Data has the
// number for experiments.
func numberOfLayer(s space, layer Layer) uint32 {
	for _, e := range numbersOf(s) {
		if e.layer == layer {
			return e.number
		}
	}
	switch s {
	case etherTypes:
		return 0x88b5 // IEEE 802: local experiments
	case ipProtocols:
		return 253 // RFC 3692
	case pppProtocols:
		return 0xc021
	}
	return 0
}

func numbersOf(s space) []numbered {
	switch s {
	case etherTypes:
		return etherNumbers[:]
	case ipProtocols:
		return protocolNumbers[:]
	case loopbackFamilies:
		return familyNumbers[:]
	case pppProtocols:
		return pppNumbers[:]
	}
	return nil
}

// firstLayer returns the layer that a frame of the link type begins with.
func firstLayer(link LinkType, frame []byte) Layer {
	switch link {
	case LinkEthernet:
		return Ethernet
	case LinkNull, LinkLoop:
		return Loopback
	case LinkCooked:
		return LinuxCooked
	case LinkCooked2:
		return LinuxCooked2
	case LinkIPv4:
		return IPv4
	case LinkIPv6:
		return IPv6
	case LinkRaw, LinkRawBSD:
		if len(frame) > 0 && frame[0]>>4 == 6 {
			return IPv6
		}
		return IPv4
	}
	return Data
}

// linkOf returns the link type of a frame that begins with the layer.
func linkOf(first Layer) LinkType {
	switch first {
	case Ethernet:
		return LinkEthernet
	case Loopback:
		return LinkNull
	case LinuxCooked:
		return LinkCooked
	case LinuxCooked2:
		return LinkCooked2
	case IPv4, IPv6:
		return LinkRaw
	}
	return LinkUser
}

// guess looks behind UDP for a layer by its port, and takes it only if the bytes
// can be that. It returns Data otherwise.
func guess(udp, content []byte) Layer {
	sport, dport := binary.BigEndian.Uint16(udp), binary.BigEndian.Uint16(udp[2:])
	for _, e := range portNumbers {
		port := uint16(e.number)
		switch {
		case port != sport && port != dport:
		case e.layer == STAMP && dport != port && plausible(STAMPReply, content):
			return STAMPReply
		case e.layer == VXLAN && dport != port:
		case plausible(e.layer, content):
			return e.layer
		}
	}
	return Data
}

// plausible reports whether content can be the layer.
func plausible(layer Layer, content []byte) bool {
	if len(content) < layouts[layer].fixed {
		return false
	}
	switch layer {
	case NTP:
		version, mode := content[0]>>3&7, content[0]&7
		return version >= 1 && version <= 4 && mode >= 1 && mode <= 5
	case VXLAN:
		return content[0] == 0x08
	case DNS:
		return plausibleDNS(content)
	}
	return true
}

// plausibleDNS reports whether there are no more records than bytes for them.
func plausibleDNS(content []byte) bool {
	records := 0
	for i := 4; i < 12; i += 2 {
		records += int(binary.BigEndian.Uint16(content[i:]))
	}
	return records*5 <= len(content)-12
}
