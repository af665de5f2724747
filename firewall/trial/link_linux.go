package trial

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"wirelab/internal/netlink"
)

// settings are the kernel's, inside the namespace, for packets from anywhere to be
// taken, passed on and answered at any rate. Those that a kernel lacks do not matter.
var settings = [][2]string{
	{"net/ipv4/conf/all/rp_filter", "0"}, {"net/ipv4/conf/default/rp_filter", "0"},
	{"net/ipv4/conf/all/accept_local", "1"}, {"net/ipv4/conf/default/accept_local", "1"},
	{"net/ipv4/ip_forward", "1"}, {"net/ipv6/conf/all/forwarding", "1"},
	{"net/ipv6/conf/all/accept_dad", "0"}, {"net/ipv6/conf/default/accept_dad", "0"},
	{"net/ipv6/conf/default/router_solicitations", "0"}, {"net/ipv6/conf/default/addr_gen_mode", "1"},
	{"net/ipv4/icmp_ratelimit", "0"}, {"net/ipv4/icmp_ratemask", "0"}, {"net/ipv6/icmp/ratelimit", "0"},
	{"net/ipv4/icmp_msgs_per_sec", "1000000"}, {"net/ipv4/icmp_msgs_burst", "1000000"}, {"net/ipv6/icmp/ratemask", "255"},
}

// configure writes the settings into the namespace of the calling thread.
func configure() {
	for _, s := range settings {
		_ = os.WriteFile("/proc/sys/"+s[0], []byte(s[1]), 0)
	}
}

// links changes the interfaces of one namespace over one connection.
type links struct {
	conn *netlink.Conn
	e    netlink.Encoder
	what []string // of each message
}

func (l *links) message(kind, flags uint16, what string) {
	l.e.Message(kind, flags)
	l.what = append(l.what, what)
}

func (l *links) commit() error {
	return l.conn.Execute(&l.e, func(i int) (string, string) { return "set up", l.what[i] })
}

// up turns an interface on. It needs no neighbours to be found.
func (l *links) up(index int, name string) {
	l.message(unix.RTM_NEWLINK, 0, "interface "+name)
	var header [unix.SizeofIfInfomsg]byte
	binary.NativeEndian.PutUint32(header[4:], uint32(index))
	flags := uint32(unix.IFF_UP)
	change := flags
	if name != "lo" {
		flags |= unix.IFF_NOARP
		change = flags
	}
	binary.NativeEndian.PutUint32(header[8:], flags)
	binary.NativeEndian.PutUint32(header[12:], change)
	l.e.Raw(header[:])
}

func family(a netip.Addr) uint8 {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

func (l *links) address(index int, p netip.Prefix) {
	l.message(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, fmt.Sprintf("address %s", p))
	header := []byte{family(p.Addr()), byte(p.Bits()), unix.IFA_F_NODAD, 0}
	l.e.Raw(binary.NativeEndian.AppendUint32(header, uint32(index)))
	l.e.Bytes(unix.IFA_LOCAL, p.Addr().AsSlice())
	l.e.Bytes(unix.IFA_ADDRESS, p.Addr().AsSlice())
	if p.Addr().Is4() && p.Bits() < 31 {
		l.e.Bytes(unix.IFA_BROADCAST, broadcast(p).AsSlice())
	}
}

// broadcast returns the last address of a network of IPv4.
func broadcast(p netip.Prefix) netip.Addr {
	last := p.Masked().Addr().As4()
	binary.BigEndian.PutUint32(last[:], binary.BigEndian.Uint32(last[:])|uint32(1<<(32-p.Bits())-1))
	return netip.AddrFrom4(last)
}

func (l *links) route(index int, to netip.Prefix) {
	l.message(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, fmt.Sprintf("route to %s", to))
	l.e.Raw([]byte{
		family(to.Addr()), byte(to.Bits()), 0, 0,
		unix.RT_TABLE_MAIN, unix.RTPROT_STATIC, unix.RT_SCOPE_LINK, unix.RTN_UNICAST, 0, 0, 0, 0,
	})
	if to.Bits() > 0 {
		l.e.Bytes(unix.RTA_DST, to.Masked().Addr().AsSlice())
	}
	l.e.Uint32(unix.RTA_OIF, uint32(index))
}

// settle waits until the kernel takes packets to an address for its own: of IPv6 it
// makes the route some time after it has taken the address.
func (l *links) settle(a netip.Addr) error {
	for range 1000 {
		var e netlink.Encoder
		e.Message(unix.RTM_GETROUTE, 0)
		e.Raw([]byte{family(a), byte(a.BitLen()), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
		e.Bytes(unix.RTA_DST, a.AsSlice())
		m, err := l.conn.Get(&e, netlink.Named("find the route to", a.String()))
		if err == nil && len(m.Body) > 7 && m.Body[7] == unix.RTN_LOCAL {
			return nil
		}
		time.Sleep(2 * time.Millisecond)
	}
	return fmt.Errorf("the address %s did not come into use", a)
}
