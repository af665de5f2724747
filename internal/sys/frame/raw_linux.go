package frame

import (
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"

	"wirelab/internal/sys"
	"wirelab/internal/sys/sockaddr"
)

// Raw sends IP packets with their headers through a raw socket: the kernel finds the
// way, and the next hop's address on the link.
type Raw struct {
	fd  int
	six bool
}

// OpenRaw opens a raw socket for IPv4, or for IPv6.
func OpenRaw(six bool) (*Raw, error) {
	family, level, option := unix.AF_INET, unix.IPPROTO_IP, unix.IP_HDRINCL
	if six {
		family, level, option = unix.AF_INET6, unix.IPPROTO_IPV6, unix.IPV6_HDRINCL
	}
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return nil, sys.NewOpError("open raw socket", err)
	}
	if err := unix.SetsockoptInt(fd, level, option, 1); err != nil {
		unix.Close(fd)
		return nil, sys.NewOpError("setsockopt HDRINCL", err)
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BROADCAST, 1) // cannot fail on a raw socket
	return &Raw{fd, six}, nil
}

// Send sends one packet to the destination in its header, given once more because the
// kernel wants it so.
func (r *Raw) Send(packet []byte, to netip.Addr) error {
	_, address := sockaddr.Of(netip.AddrPortFrom(to, 0))
	if a, ok := address.(*unix.SockaddrInet6); ok && to.Zone() != "" {
		a.ZoneId = sockaddr.ZoneID(to.Zone())
	}
	err := unix.Sendto(r.fd, packet, 0, address)
	if err != nil {
		return &sys.OpError{Op: "send to", Object: to.String(), Err: err}
	}
	return nil
}

// Close closes the socket.
func (r *Raw) Close() error { return sys.NewOpError("close raw socket", unix.Close(r.fd)) }

// Hold keeps the kernel from answering to a port that a connection by hand uses, with a
// reset or with an ICMP error: a socket of the kernel's own has the port, and its filter
// drops all that comes. Packet sockets see it all the same. Nothing of it outlives
// the process.
type Hold struct {
	fd   int
	Port uint16
}

// HoldPort takes a port of a local address for TCP, or for UDP; port 0 takes any. The
// filter is attached before the socket can receive.
func HoldPort(network string, local netip.AddrPort) (*Hold, error) {
	family, address := sockaddr.Of(local)
	kind := unix.SOCK_STREAM
	if network == "udp" {
		kind = unix.SOCK_DGRAM
	}
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, sys.NewOpError("open socket", err)
	}
	h := &Hold{fd: fd}
	if err := h.take(kind, address); err != nil {
		unix.Close(fd)
		if operation, ok := err.(*sys.OpError); ok {
			operation.Object = network + " port " + strconv.Itoa(int(local.Port())) + " of " + local.Addr().String()
		}
		return nil, err
	}
	return h, nil
}

func (h *Hold) take(kind int, address unix.Sockaddr) error {
	const returnValue = 0x06
	if err := attachFilter(h.fd, []Instruction{{Op: returnValue, K: 0}}); err != nil {
		return err
	}
	if err := unix.Bind(h.fd, address); err != nil {
		return sys.NewOpError("hold", err)
	}
	if kind == unix.SOCK_STREAM {
		if err := unix.Listen(h.fd, 1); err != nil {
			return sys.NewOpError("hold", err)
		}
	}
	local, err := sockaddr.Local(h.fd)
	h.Port = local.Port()
	return err
}

// Close gives the port back.
func (h *Hold) Close() error { return sys.NewOpError("give port back", unix.Close(h.fd)) }
