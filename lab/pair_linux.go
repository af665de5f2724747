package lab

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"wirelab/internal/netlink"
	"wirelab/internal/sys/netns"
)

// vethInfoPeer is VETH_INFO_PEER of linux/veth.h.
const vethInfoPeer = 1

// OpenPair makes two hosts, a wire between them, and their addresses. It needs
// CAP_SYS_ADMIN and CAP_NET_ADMIN, which [RunAsRoot] gives; the error says what is missing.
func OpenPair() (*Pair, error) {
	p := &Pair{
		Client: &Host{Name: "client", Addr: netip.MustParseAddr(clientAddr)},
		Server: &Host{Name: "server", Addr: netip.MustParseAddr(serverAddr)},
	}
	if err := p.open(); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

func (p *Pair) open() error {
	for _, h := range []*Host{p.Client, p.Server} {
		n, err := netns.New()
		if err != nil {
			return err
		}
		h.namespace = n
	}
	if err := p.Client.Do(func() error { return createWire(p.Server.namespace) }); err != nil {
		return err
	}
	for _, h := range []*Host{p.Client, p.Server} {
		if err := h.Do(h.configure); err != nil {
			return err
		}
	}
	return nil
}

// createWire makes both ends of a veth at once, one here and one there, so that a kill
// in between leaves neither.
func createWire(there *netns.Namespace) error {
	var e netlink.Encoder
	e.Message(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL)
	e.Raw(make([]byte, unix.SizeofIfInfomsg))
	e.String(unix.IFLA_IFNAME, Link)
	info := e.Nest(unix.IFLA_LINKINFO)
	e.String(unix.IFLA_INFO_KIND, "veth")
	options := e.Nest(unix.IFLA_INFO_DATA)
	peer := e.Nest(vethInfoPeer)
	e.Raw(make([]byte, unix.SizeofIfInfomsg))
	e.String(unix.IFLA_IFNAME, Link)
	e.Uint32(unix.IFLA_NET_NS_FD, uint32(there.Descriptor()))
	e.End(peer)
	e.End(options)
	e.End(info)
	return execute(&e, "create veth", Link)
}

// configure turns the host's links on and gives it its address. What it does is for
// IPv4, without the second that IPv6 takes to find out whether an address is free.
func (h *Host) configure() error {
	_ = os.WriteFile("/proc/sys/net/ipv6/conf/"+Link+"/accept_dad", []byte("0"), 0) // no IPv6, no need
	link, err := net.InterfaceByName(Link)
	if err != nil {
		return err
	}
	var e netlink.Encoder
	for _, index := range []int{1, link.Index} { // 1 is lo, in every namespace
		e.Message(unix.RTM_NEWLINK, 0)
		header := make([]byte, unix.SizeofIfInfomsg)
		binary.NativeEndian.PutUint32(header[4:], uint32(index))
		binary.NativeEndian.PutUint32(header[8:], unix.IFF_UP)
		binary.NativeEndian.PutUint32(header[12:], unix.IFF_UP)
		e.Raw(header)
	}
	e.Message(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL)
	e.Raw(binary.NativeEndian.AppendUint32([]byte{unix.AF_INET, prefixBits, 0, 0}, uint32(link.Index)))
	e.Bytes(unix.IFA_LOCAL, h.Addr.AsSlice())
	e.Bytes(unix.IFA_ADDRESS, h.Addr.AsSlice())
	return execute(&e, "set up host", h.Name)
}

func execute(e *netlink.Encoder, op, object string) error {
	conn, err := netlink.Dial(unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Execute(e, netlink.Named(op, object))
}
