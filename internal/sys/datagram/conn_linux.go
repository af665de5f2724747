package datagram

import (
	"errors"
	"net/netip"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"wirelab/internal/sys"
	"wirelab/internal/sys/sockaddr"
)

// A Conn is a UDP socket that reads and writes datagrams in batches,
// each with its kernel receive stamp, TTL and local address as far as the kernel
// supplies them.
//
// Who waits for datagrams occupies an OS thread. Go's network poller would not, but
// there each datagram that arrives, and each that has left, would wake the poller's own
// thread (its epoll set is edge-triggered): measured, a quarter of a sender's time.
//
// One goroutine may read through a Reader while another writes through
// a Writer. Close makes both return os.ErrClosed.
type Conn struct {
	file  *os.File
	raw   syscall.RawConn
	local netip.AddrPort
	is6   bool // the socket's family is IPv6, so that it names IPv4 addresses in mapped form

	wake         *os.File // an eventfd: signals a reader that waits to look at deadline and closed
	wakeRaw      syscall.RawConn
	readDeadline deadline
	sendDeadline deadline

	prompt    bool // a reader keeps its processor for a moment
	connected bool // datagrams go to one peer, and come from it alone
	gro, gso  bool // what the kernel has

	sendStamps bool          // datagrams can be stamped as they leave
	reports    bool          // see Config.Reports
	stamped    atomic.Uint32 // how many were sent to be stamped; written by the writer
	sending    atomic.Uint32 // and how many with those that Write is sending, whose stamps may come first
	stampBase  atomic.Uint32 // how many before the kernel's counter began anew

	closed atomic.Bool
}

// Listen opens a socket that is bound to cfg.Addr. Kernel stamps,
// TTLs, local addresses and the count of drops are asked for; where the kernel has none,
// the datagrams and Dropped say so. Errors are those of socket, setsockopt and bind.
func Listen(cfg Config) (*Conn, error) {
	return openDatagrams(cfg, bindDatagrams)
}

// ListenGroup opens count sockets, at least one, on one address; the kernel
// gives each peer to one of them (SO_REUSEPORT in socket(7)). The option is set when the
// address is had, because two programs that both begin with it would quietly share a
// port. Errors are as for Listen; on an error no socket is left open.
func ListenGroup(cfg Config, count int) ([]*Conn, error) {
	first, err := Listen(cfg)
	if err != nil {
		return nil, err
	}
	group := []*Conn{first}
	if count > 1 {
		err = first.share()
	}
	cfg.Addr = netip.AddrPortFrom(cfg.Addr.Addr(), first.local.Port())
	for err == nil && len(group) < count {
		var next *Conn
		if next, err = openDatagrams(cfg, bindShared); err == nil {
			group = append(group, next)
		}
	}
	if err != nil {
		for _, c := range group {
			c.Close()
		}
		return nil, err
	}
	return group, nil
}

// Dial opens a socket that sends to peer and receives from it alone. Of cfg
// the address may be zero: the kernel chooses. That a datagram of its own was discarded
// before it left this host is reported by Write (ENOBUFS; IP_RECVERR in ip(7)).
func Dial(cfg Config, peer netip.AddrPort) (*Conn, error) {
	if !cfg.Addr.IsValid() {
		cfg.Addr = netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
		if peer.Addr().Unmap().Is6() {
			cfg.Addr = netip.AddrPortFrom(netip.IPv6Unspecified(), 0)
		}
	}
	c, err := openDatagrams(cfg, func(fd, family int, sa unix.Sockaddr, cfg Config) (netip.AddrPort, error) {
		return connectDatagrams(fd, family, sa, cfg, peer)
	})
	if err == nil {
		c.connected = true
	}
	return c, err
}

// openDatagrams opens a socket and has bind set it up.
func openDatagrams(cfg Config, bind func(fd, family int, sa unix.Sockaddr, cfg Config) (netip.AddrPort, error)) (*Conn, error) {
	family, sa := sockaddr.Of(cfg.Addr)
	// In blocking mode, so that os.File leaves it out of the poller; no call here blocks.
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.IPPROTO_UDP)
	if err != nil {
		return nil, sys.NewOpError("socket", err)
	}
	local, err := bind(fd, family, sa, cfg)
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	c := &Conn{local: local, is6: family == unix.AF_INET6, sendStamps: cfg.SendStamps, reports: cfg.Reports}
	c.prompt = cfg.Prompt && runtime.GOMAXPROCS(0) > 1
	c.gro = cfg.GRO && unix.SetsockoptInt(fd, unix.SOL_UDP, unix.UDP_GRO, 1) == nil
	// Kernels before 4.18 ignore UDP_SEGMENT beside a datagram, but refuse it here.
	c.gso = unix.SetsockoptInt(fd, unix.SOL_UDP, unix.UDP_SEGMENT, 0) == nil
	c.file = os.NewFile(uintptr(fd), "udp "+local.String())
	if err := c.prepareWaiting(); err != nil {
		c.file.Close()
		return nil, err
	}
	return c, nil
}

func bindShared(fd, family int, sa unix.Sockaddr, cfg Config) (netip.AddrPort, error) {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		return netip.AddrPort{}, sys.NewOpError("setsockopt SO_REUSEPORT", err)
	}
	return bindDatagrams(fd, family, sa, cfg)
}

// connectDatagrams asks for less than bindDatagrams, unless send stamps are asked
// for: one who only sends takes no stamps.
func connectDatagrams(fd, family int, sa unix.Sockaddr, cfg Config, peer netip.AddrPort) (netip.AddrPort, error) {
	if err := setReceiveBuffer(fd, cfg.ReceiveBuffer); err != nil {
		return netip.AddrPort{}, err
	}
	if err := cfg.Socket.Set(fd); err != nil {
		return netip.AddrPort{}, err
	}
	if cfg.SendStamps {
		askForControl(fd, family, false, true)
	}
	if err := unix.Bind(fd, sa); err != nil {
		return netip.AddrPort{}, sys.NewOpError("bind", err)
	}
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_RECVERR, 1) // what it lacks is not counted; see discardErrors
	if family == unix.AF_INET6 {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVERR, 1)
	}
	peerFamily, to := sockaddr.Of(peer)
	if peerFamily != family {
		return netip.AddrPort{}, sys.NewOpError("connect", unix.EAFNOSUPPORT)
	}
	if err := unix.Connect(fd, to); err != nil {
		return netip.AddrPort{}, sys.NewOpError("connect", err)
	}
	return sockaddr.Local(fd)
}

// bindDatagrams sets options before it binds, so that they hold for the first datagram.
func bindDatagrams(fd, family int, sa unix.Sockaddr, cfg Config) (netip.AddrPort, error) {
	if family == unix.AF_INET6 {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0); err != nil {
			return netip.AddrPort{}, sys.NewOpError("setsockopt IPV6_V6ONLY", err)
		}
	}
	if err := setReceiveBuffer(fd, cfg.ReceiveBuffer); err != nil {
		return netip.AddrPort{}, err
	}
	if err := cfg.Socket.Set(fd); err != nil {
		return netip.AddrPort{}, err
	}
	askForControl(fd, family, cfg.Addr.Addr().IsUnspecified(), cfg.SendStamps)
	if err := unix.Bind(fd, sa); err != nil {
		return netip.AddrPort{}, sys.NewOpError("bind", err)
	}
	return sockaddr.Local(fd)
}

// setReceiveBuffer asks for size bytes, past the system's limit if the process may.
func setReceiveBuffer(fd, size int) error {
	if size <= 0 || unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, size) == nil {
		return nil
	}
	return sys.NewOpError("setsockopt SO_RCVBUF", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, size))
}

// askForControl asks for what is reported beside each datagram. A kernel that
// knows an option less supplies less, which each datagram shows: no error. Local
// addresses cost a little and are only in doubt on a socket for all of them.
func askForControl(fd, family int, allAddresses, sendStamps bool) {
	set := func(level, name, value int) { _ = unix.SetsockoptInt(fd, level, name, value) }
	set(unix.SOL_SOCKET, unix.SO_TIMESTAMPING_NEW, receiveStamps)
	if sendStamps { // all at once: a kernel that lacks one refuses them
		set(unix.SOL_SOCKET, unix.SO_TIMESTAMPING_NEW, bothWays)
	}
	set(unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1)
	// An IPv6 socket takes the IPv4 options too, for the IPv4 datagrams it receives.
	set(unix.IPPROTO_IP, unix.IP_RECVTTL, 1)
	if allAddresses {
		set(unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
	}
	if family == unix.AF_INET6 {
		set(unix.IPPROTO_IPV6, unix.IPV6_RECVHOPLIMIT, 1)
		if allAddresses {
			set(unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
		}
	}
}

// LocalAddr returns the address that the socket is bound to.
func (c *Conn) LocalAddr() netip.AddrPort { return c.local }

// GRO reports whether datagrams can come as segments of one: the configuration asks for
// it, and the kernel has UDP_GRO (5.0).
func (c *Conn) GRO() bool { return c.gro }

// GSO reports whether datagrams can be sent as segments of one: the kernel has
// UDP_SEGMENT (4.18). The device may still refuse it, see ErrSegmentation.
func (c *Conn) GSO() bool { return c.gso }

// share lets further sockets of this user bind to the address.
func (c *Conn) share() error {
	var failed error
	err := c.raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	})
	return sys.NewOpError("setsockopt SO_REUSEPORT", errors.Join(err, failed))
}

// waitError names the operation that failed, by errno or by err where waiting for
// the socket failed.
func (c *Conn) waitError(op string, err error, errno syscall.Errno) error {
	switch {
	case err != nil && c.closed.Load():
		err = os.ErrClosed
	case err == nil && errno != 0:
		err = errno
	}
	return sys.NewOpError(op, err)
}

// Dropped returns how many datagrams the kernel has discarded since the socket
// was opened, for want of space in its receive buffer or for a bad checksum: SO_MEMINFO of
// socket(7). It counts up to 2^32 and begins again. Unlike Reader.Dropped it
// includes those after which none has come yet.
func (c *Conn) Dropped() (uint32, error) {
	var memory [9]uint32 // linux/sock_diag.h: SK_MEMINFO_VARS
	const drops = 8      // SK_MEMINFO_DROPS
	length := uint32(unsafe.Sizeof(memory))
	var errno syscall.Errno
	err := c.raw.Control(func(fd uintptr) {
		_, _, errno = unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
			uintptr(unsafe.Pointer(&memory)), uintptr(unsafe.Pointer(&length)), 0)
	})
	if err == nil && errno == 0 && length < uint32(unsafe.Sizeof(memory)) {
		errno = unix.ENOPROTOOPT // a kernel before 4.12, which does not count
	}
	return memory[drops], c.waitError("getsockopt SO_MEMINFO", err, errno)
}

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	unix.Msghdr
	Len uint32
}
