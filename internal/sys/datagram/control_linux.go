package datagram

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// controlSize has room for every message that askForControl asks for, and more.
const controlSize = 256

// A controlBuffer holds ancillary data (cmsg(3)), whose headers are aligned to words.
type controlBuffer [controlSize / 8]uint64

func (c *controlBuffer) bytes() []byte {
	return (*[controlSize]byte)(unsafe.Pointer(c))[:]
}

// parseControl reads the ancillary data that came with a datagram into d, and
// the count of drops, if it is there, into dropped. What is unknown or cut is skipped.
func parseControl(d *Datagram, dropped *uint32, b []byte) {
	const header = unix.SizeofCmsghdr
	for len(b) >= header {
		length, level, kind := readCmsghdr(b)
		if length < header || length > uint64(len(b)) {
			return
		}
		parseControlMessage(d, dropped, level, kind, b[header:length])
		b = b[min(uint64(unix.CmsgSpace(int(length-header))), uint64(len(b))):]
	}
}

// readCmsghdr reads struct cmsghdr, whose first field is a size_t.
func readCmsghdr(b []byte) (length uint64, level, kind int32) {
	const word = unix.SizeofCmsghdr - 8
	if word == 8 {
		length = binary.NativeEndian.Uint64(b)
	} else {
		length = uint64(binary.NativeEndian.Uint32(b))
	}
	return length, int32(binary.NativeEndian.Uint32(b[word:])), int32(binary.NativeEndian.Uint32(b[word+4:]))
}

func parseControlMessage(d *Datagram, dropped *uint32, level, kind int32, data []byte) {
	switch {
	case level == unix.SOL_SOCKET && kind == unix.SO_TIMESTAMPING_NEW && len(data) >= 3*timespec64:
		if at, source := parseStamp(data); source == Kernel {
			d.Time, d.Source = at, Kernel
		}
		if at, source := parseStamp(data[2*timespec64:]); source != User { // the third alone
			d.Hardware = at
		}
	case level == unix.SOL_UDP && kind == unix.UDP_GRO && len(data) >= 4:
		d.Segment = int(min(binary.NativeEndian.Uint32(data), MaxRead))
	case level == unix.SOL_SOCKET && kind == unix.SO_RXQ_OVFL && len(data) >= 4:
		*dropped = binary.NativeEndian.Uint32(data)
	case level == unix.IPPROTO_IP && kind == unix.IP_TTL && len(data) >= 4,
		level == unix.IPPROTO_IPV6 && kind == unix.IPV6_HOPLIMIT && len(data) >= 4:
		d.TTL = uint8(binary.NativeEndian.Uint32(data))
	case level == unix.IPPROTO_IP && kind == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
		// struct in_pktinfo: the interface, the local address, the packet's destination. They
		// differ when that is not one host's. An IPv6 socket reports both kinds of pktinfo for IPv4.
		d.Interface = binary.NativeEndian.Uint32(data)
		d.Local = netip.AddrFrom4([4]byte(data[4:]))
		d.Group = d.Local != netip.AddrFrom4([4]byte(data[8:]))
	case level == unix.IPPROTO_IPV6 && kind == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
		addr := netip.AddrFrom16([16]byte(data))
		if addr.Is4In6() {
			return
		}
		d.Local, d.Group = addr, addr.IsMulticast()
		d.Interface = binary.NativeEndian.Uint32(data[16:])
	}
}

// putLocal writes the ancillary data that makes d leave from its Local address,
// and returns its length; 0 if the socket's own address will do.
func putLocal(c *controlBuffer, d *Datagram) int {
	switch b := c.bytes(); {
	case d.Local.Is4():
		data := putCmsghdr(b, unix.IPPROTO_IP, unix.IP_PKTINFO, unix.SizeofInet4Pktinfo)
		clear(data) // no interface: the route decides
		addr := d.Local.As4()
		copy(data[4:], addr[:])
		return unix.CmsgSpace(unix.SizeofInet4Pktinfo)
	case d.Local.Is6():
		data := putCmsghdr(b, unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, unix.SizeofInet6Pktinfo)
		clear(data)
		addr := d.Local.As16()
		copy(data, addr[:])
		if d.Local.IsLinkLocalUnicast() {
			binary.NativeEndian.PutUint32(data[16:], d.Interface)
		}
		return unix.CmsgSpace(unix.SizeofInet6Pktinfo)
	}
	return 0
}

// putStamp writes the ancillary data that asks for a send stamp, and returns its length.
func putStamp(b []byte) int {
	data := putCmsghdr(b, unix.SOL_SOCKET, unix.SO_TIMESTAMPING_NEW, 4)
	binary.NativeEndian.PutUint32(data, perDatagram)
	return unix.CmsgSpace(4)
}

// putSegment writes the ancillary data that makes the kernel cut a payload into
// datagrams of that length, and returns its length.
func putSegment(b []byte, segment int) int {
	data := putCmsghdr(b, unix.SOL_UDP, unix.UDP_SEGMENT, 2)
	binary.NativeEndian.PutUint16(data, uint16(segment))
	return unix.CmsgSpace(2)
}

// putCmsghdr writes the header of a message with size bytes of data and returns where those go.
func putCmsghdr(b []byte, level, kind int32, size int) []byte {
	h := (*unix.Cmsghdr)(unsafe.Pointer(unsafe.SliceData(b)))
	h.Level, h.Type = level, kind
	h.SetLen(unix.CmsgLen(size))
	return b[unix.SizeofCmsghdr:][:size]
}
