package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"

	"wirelab/internal/netlink"
	"wirelab/internal/sys"
	"wirelab/internal/sys/netns"
	"wirelab/wire/capfile"
)

// Device is a network interface.
type Device struct {
	Index    int
	Name     string
	MTU      int
	Link     capfile.LinkType
	Address  [6]byte
	Up       bool
	Loopback bool
	Kind     string // "veth", "bridge" and so on; "" for hardware

	peer      int   // index of what it is tied to
	peerSpace int32 // the other namespace, as the kernel numbers it here; -1: the same one
}

// Counters are what the kernel counts for an interface.
type Counters struct {
	Received, Sent               uint64 // frames
	ReceivedDropped, SentDropped uint64
}

// Numbers of rtnetlink (linux/rtnetlink.h, linux/if_link.h).
const (
	routeProtocol = 0
	getLink       = 18
	getRoute      = 26
	newNeighbour  = 28
	getNeighbour  = 30
	getNamespace  = 90

	linkAddress   = 1
	linkName      = 3
	linkMTU       = 4
	linkPeer      = 5
	linkInfo      = 18
	linkStats     = 23
	linkNamespace = 37
	infoKind      = 1

	flagUp       = 1
	flagLoopback = 8
)

// FindDevice looks up an interface by its name.
func FindDevice(name string) (Device, error) {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return Device{}, fmt.Errorf("interface %s: %w", name, errNoDevice)
	}
	d, _, err := deviceAt(i.Index)
	return d, err
}

var errNoDevice = errors.New("there is none; see them with: ip link")

// Counters reads the counters of the interface.
func (d Device) Counters() (Counters, error) {
	_, c, err := deviceAt(d.Index)
	return c, err
}

// deviceAt asks the kernel for an interface and its counters.
func deviceAt(index int) (Device, Counters, error) {
	conn, err := netlink.Dial(routeProtocol)
	if err != nil {
		return Device{}, Counters{}, err
	}
	defer conn.Close()
	var e netlink.Encoder
	e.Message(getLink, 0)
	e.Raw(binary.NativeEndian.AppendUint64(make([]byte, 4, 16), uint64(uint32(index)))) // struct ifinfomsg
	e.Raw(make([]byte, 4))
	m, err := conn.Get(&e, netlink.Named("look up interface", fmt.Sprint(index)))
	if err != nil {
		return Device{}, Counters{}, err
	}
	return readDevice(m)
}

func readDevice(m netlink.Message) (Device, Counters, error) {
	if len(m.Body) < 16 {
		return Device{}, Counters{}, netlink.ErrMalformed
	}
	hardware := binary.NativeEndian.Uint16(m.Body[2:])
	flags := binary.NativeEndian.Uint32(m.Body[8:])
	d := Device{Index: int(binary.NativeEndian.Uint32(m.Body[4:])), Link: linkTypeOf(hardware), peerSpace: -1}
	d.Up, d.Loopback = flags&flagUp != 0, flags&flagLoopback != 0
	var c Counters
	attributes := m.Attributes(16)
	for attributes.Next() {
		switch attributes.Kind() {
		case linkName:
			d.Name = attributes.String()
		case linkMTU:
			d.MTU = int(attributes.Uint32())
		case linkAddress:
			copy(d.Address[:], attributes.Bytes())
		case linkPeer:
			d.peer = int(attributes.Uint32())
		case linkNamespace:
			d.peerSpace = int32(attributes.Uint32())
		case linkInfo:
			for info := attributes.Nested(); info.Next(); {
				if info.Kind() == infoKind {
					d.Kind = info.String()
				}
			}
		case linkStats:
			c = readCounters(attributes.Bytes())
		}
	}
	return d, c, attributes.Err()
}

// readCounters reads struct rtnl_link_stats64.
func readCounters(b []byte) Counters {
	if len(b) < 64 {
		return Counters{}
	}
	at := func(i int) uint64 { return binary.NativeEndian.Uint64(b[8*i:]) }
	return Counters{Received: at(0), Sent: at(1), ReceivedDropped: at(6), SentDropped: at(7)}
}

// linkTypeOf says what the frames of a type of hardware (ARPHRD_…) begin with, as a
// packet socket shows them.
func linkTypeOf(hardware uint16) capfile.LinkType {
	switch hardware {
	case 1, 772: // Ethernet, loopback
		return capfile.LinkEthernet
	case 512: // PPP
		return 9
	case 65534, 768, 769, 776, 778, 823: // tun, and tunnels of IP in IP
		return capfile.LinkRaw
	}
	return 147 // LINKTYPE_USER0: nobody else knows
}

// Peer is the other end of a device of kind veth.
type Peer struct {
	Name      string
	Namespace string // its name; "" for this one
	queues    int    // to receive; 0: nobody knows
	counters  func() (Counters, error)
}

// Counters reads the counters of the peer.
func (p *Peer) Counters() (Counters, error) { return p.counters() }

// Peer finds the other end of a veth, in this network namespace or in one that has a
// name; a loopback is its own. It returns nil if there is none, or nobody knows where.
func (d Device) Peer() *Peer {
	here := func(f func() error) error { return f() }
	if d.Loopback {
		return peerAt(d.Index, "", here)
	}
	if d.Kind != "veth" || d.peer == 0 {
		return nil
	}
	if d.peerSpace < 0 {
		return peerAt(d.peer, "", here)
	}
	names, err := netns.Names()
	if err != nil {
		return nil
	}
	for _, name := range names {
		if space, err := netns.Named(name); err == nil {
			id, err := namespaceID(space.Descriptor())
			space.Close()
			if err == nil && id == d.peerSpace {
				return peerAt(d.peer, name, func(f func() error) error { return netns.Do(netns.Dir+"/"+name, f) })
			}
		}
	}
	return nil
}

func peerAt(index int, namespace string, within func(func() error) error) *Peer {
	read := func() (d Device, c Counters, err error) {
		err = within(func() error {
			d, c, err = deviceAt(index)
			return err
		})
		return d, c, err
	}
	receive := 0
	d, _, err := read()
	if err == nil {
		err = within(func() error {
			receive, _ = queues(index)
			return nil
		})
	}
	if err != nil {
		return nil
	}
	return &Peer{Name: d.Name, Namespace: namespace, queues: receive, counters: func() (Counters, error) {
		_, c, err := read()
		return c, err
	}}
}

// namespaceID returns how the kernel numbers another namespace in this one.
func namespaceID(descriptor int) (int32, error) {
	const byDescriptor, id = 3, 1 // NETNSA_FD, NETNSA_NSID
	conn, err := netlink.Dial(routeProtocol)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	var e netlink.Encoder
	e.Message(getNamespace, 0)
	e.Raw([]byte{0}) // struct rtgenmsg
	e.Uint32(byDescriptor, uint32(descriptor))
	m, err := conn.Get(&e, netlink.Named("look up namespace", ""))
	if err != nil {
		return 0, err
	}
	for attributes := m.Attributes(4); attributes.Next(); {
		if attributes.Kind() == id {
			return int32(attributes.Uint32()), nil
		}
	}
	return 0, &sys.OpError{Op: "look up namespace", Err: netlink.ErrMalformed}
}
