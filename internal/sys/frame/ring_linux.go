package frame

import (
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"wirelab/internal/sys"
)

const (
	blockSize  = 512 << 10
	tagLength  = 4
	addressEnd = 12 // of the two addresses of Ethernet, where a VLAN tag goes

	// What x/sys/unix lacks of linux/if_packet.h.
	statusSegmented = 1 << 8 // TP_STATUS_GSO_TCP
)

// Ring captures frames into memory that the kernel and this process share
// (TPACKET_V3).
type Ring struct {
	fd     int
	memory []byte
	blocks int

	block  int            // the one that is being read, or waited for
	left   uint32         // frames in it that were not handed out
	next   unsafe.Pointer // the next of them
	counts RingCounts
}

// OpenRing begins to capture.
func OpenRing(config RingConfig) (*Ring, error) {
	fd, err := openPacket()
	if err != nil {
		return nil, err
	}
	r := &Ring{fd: fd}
	if err := r.prepare(config); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// prepare sets up everything before the socket is bound, so that no frame comes
// that the filter does not want.
func (r *Ring) prepare(config RingConfig) error {
	if config.Memory == 0 {
		config.Memory = 64 << 20
	}
	if config.Latency == 0 {
		config.Latency = 60
	}
	r.blocks = max(2, (config.Memory+blockSize-1)/blockSize)
	if err := r.setOptions(config); err != nil {
		return err
	}
	if err := attachFilter(r.fd, config.Filter); err != nil {
		return err
	}
	memory, err := unix.Mmap(r.fd, 0, r.blocks*blockSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return sys.NewOpError("map the capture ring", err)
	}
	r.memory = memory
	address := &unix.SockaddrLinklayer{Protocol: bigEndian(unix.ETH_P_ALL), Ifindex: config.Interface}
	if err := unix.Bind(r.fd, address); err != nil {
		return sys.NewOpError("bind packet socket", err)
	}
	if config.Promiscuous && config.Interface != 0 {
		request := unix.PacketMreq{Ifindex: int32(config.Interface), Type: unix.PACKET_MR_PROMISC}
		return sys.NewOpError("set promiscuous mode", unix.SetsockoptPacketMreq(r.fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &request))
	}
	return nil
}

func (r *Ring) setOptions(config RingConfig) error {
	options := []struct {
		name  string
		level int
		id    int
		value int
	}{
		{"PACKET_VERSION", unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3},
		{"PACKET_RESERVE", unix.SOL_PACKET, unix.PACKET_RESERVE, tagLength},
	}
	for _, o := range options {
		if err := unix.SetsockoptInt(r.fd, o.level, o.id, o.value); err != nil {
			return sys.NewOpError("setsockopt "+o.name, err)
		}
	}
	if config.Inbound {
		if err := unix.SetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1); err != nil {
			return sys.NewOpError("setsockopt PACKET_IGNORE_OUTGOING", err)
		}
	}
	request := unix.TpacketReq3{
		Block_size: blockSize, Block_nr: uint32(r.blocks),
		Frame_size: 2048, Frame_nr: uint32(r.blocks * blockSize / 2048),
		Retire_blk_tov: uint32(config.Latency),
	}
	return sys.NewOpError("make the capture ring", unix.SetsockoptTpacketReq3(r.fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &request))
}

// Next returns the next frame, or false if there is none now. What it returned
// before is given back to the kernel.
func (r *Ring) Next(c *Captured) bool {
	for r.left == 0 {
		if r.next != nil { // the block has been read
			atomic.StoreUint32(&r.header().Block_status, unix.TP_STATUS_KERNEL)
			r.next = nil
			r.block = (r.block + 1) % r.blocks
		}
		header := r.header()
		if atomic.LoadUint32(&header.Block_status)&unix.TP_STATUS_USER == 0 {
			return false
		}
		r.left = header.Num_pkts
		r.next = unsafe.Pointer(&r.memory[r.block*blockSize+int(header.Offset_to_first_pkt)])
	}
	header := (*unix.Tpacket3Hdr)(r.next)
	r.read(header, c)
	if r.left--; r.left > 0 {
		r.next = unsafe.Add(r.next, header.Next_offset)
	}
	return true
}

// header returns the description of the present block.
func (r *Ring) header() *unix.TpacketHdrV1 {
	return (*unix.TpacketHdrV1)(unsafe.Pointer(&r.memory[r.block*blockSize+8]))
}

func (r *Ring) read(header *unix.Tpacket3Hdr, c *Captured) {
	address := (*unix.RawSockaddrLinklayer)(unsafe.Add(unsafe.Pointer(header), unix.SizeofTpacket3Hdr))
	c.Data = unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(header), header.Mac)), header.Snaplen)
	c.Length = int(header.Len)
	c.Time = int64(header.Sec)*1e9 + int64(header.Nsec)
	c.Interface, c.Hardware, c.Kind = int(address.Ifindex), address.Hatype, address.Pkttype
	c.ChecksumNotReady = header.Status&unix.TP_STATUS_CSUMNOTREADY != 0
	c.ChecksumValid = header.Status&unix.TP_STATUS_CSUM_VALID != 0
	c.Segmented = header.Status&statusSegmented != 0
	if header.Status&unix.TP_STATUS_VLAN_VALID != 0 && header.Snaplen >= addressEnd {
		putTagBack(header, c)
	}
}

// putTagBack moves the addresses forward into the reserved bytes and writes the VLAN
// tag behind them, where it was on the wire.
func putTagBack(header *unix.Tpacket3Hdr, c *Captured) {
	protocol := uint16(0x8100)
	if header.Status&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
		protocol = header.Hv1.Vlan_tpid
	}
	whole := unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(header), int(header.Mac)-tagLength)), int(header.Snaplen)+tagLength)
	copy(whole[:addressEnd], whole[tagLength:tagLength+addressEnd])
	tag := header.Hv1.Vlan_tci
	copy(whole[addressEnd:], []byte{byte(protocol >> 8), byte(protocol), byte(tag >> 8), byte(tag)})
	c.Data, c.Length = whole, c.Length+tagLength
}

// Wait waits until Next has a frame, at most for the time given.
func (r *Ring) Wait(limit time.Duration) error {
	fds := []unix.PollFd{{Fd: int32(r.fd), Events: unix.POLLIN}}
	_, err := unix.Poll(fds, int(limit.Milliseconds()))
	switch {
	case err == unix.EINTR:
		return nil
	case err != nil:
		return sys.NewOpError("poll", err)
	case fds[0].Revents&unix.POLLERR != 0:
		errno, _ := unix.GetsockoptInt(r.fd, unix.SOL_SOCKET, unix.SO_ERROR)
		if errno != 0 { // the interface went down
			return sys.NewOpError("capture", unix.Errno(errno))
		}
	}
	return nil
}

// Counts returns what the ring saw and lost so far.
func (r *Ring) Counts() (RingCounts, error) {
	stats, err := unix.GetsockoptTpacketStatsV3(r.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return r.counts, sys.NewOpError("getsockopt PACKET_STATISTICS", err)
	}
	r.counts.Packets += uint64(stats.Packets)
	r.counts.Dropped += uint64(stats.Drops)
	return r.counts, nil
}

// Close ends the capture. Frames that it handed out are gone.
func (r *Ring) Close() error {
	if r.memory != nil {
		unix.Munmap(r.memory)
		r.memory = nil
	}
	return sys.NewOpError("close packet socket", unix.Close(r.fd))
}
