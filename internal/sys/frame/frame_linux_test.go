package frame

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"wirelab/internal/require"
	"wirelab/internal/sys/netns"
)

// inPair runs f in a new namespace that holds a pair of veth interfaces, va and vb.
func inPair(t testing.TB, receive string, f func(a, b *net.Interface)) {
	t.Helper()
	require.Root(t)
	ip := require.Program(t, "ip")
	n, err := netns.New()
	require.Supported(t, err)
	defer n.Close()
	err = n.Do(func() error {
		if err := command(ip, "link add name va type veth peer name vb"); err != nil {
			return err
		}
		// Nothing else may talk on the pair.
		for _, file := range []string{"va", "vb"} {
			_ = os.WriteFile("/proc/sys/net/ipv6/conf/"+file+"/disable_ipv6", []byte("1"), 0)
		}
		for _, name := range []string{"va", "vb", "lo"} {
			if err := command(ip, "link set "+name+" up"); err != nil {
				return err
			}
		}
		if receive != "" {
			if err := setGRO("vb", receive == "on"); err != nil {
				return err
			}
		}
		a, err := net.InterfaceByName("va")
		if err != nil {
			return err
		}
		b, err := net.InterfaceByName("vb")
		if err == nil {
			f(a, b)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func command(program, line string) error {
	out, err := exec.Command(program, strings.Fields(line)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %v: %s", program, line, err, out)
	}
	return nil
}

// setGRO is ethtool -K NAME gro on|off.
func setGRO(name string, on bool) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	value := struct{ command, data uint32 }{unix.ETHTOOL_SGRO, 0}
	if on {
		value.data = 1
	}
	var request struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}
	copy(request.name[:], name)
	request.data = unsafe.Pointer(&value)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request))); errno != 0 {
		return errno
	}
	return nil
}

func received(t *testing.T, name string) (n int) {
	t.Helper()
	text, err := os.ReadFile("/proc/thread-self/net/dev")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(text), "\n") {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), name+":"); ok {
			var octets int
			fmt.Sscan(rest, &octets, &n)
		}
	}
	return n
}

// series are frames to a foreign address that differ in a few bytes.
func series(count, length int) [][]byte {
	frames := make([][]byte, count)
	for i := range frames {
		f := make([]byte, length)
		copy(f, []byte{2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1, 0x88, 0xb5})
		binary.BigEndian.PutUint32(f[20:], uint32(i))
		f[len(f)-1] = byte(i * 7)
		frames[i] = f
	}
	return frames
}

type sender interface {
	Send(first uint64, count int) (int, error)
	Close() error
}

// packetSender sends a series by way of Packets.
type packetSender struct {
	*Packets
	frames [][]byte
}

func (p packetSender) Send(first uint64, count int) (int, error) {
	return p.Packets.Send(p.frames[first:min(int(first)+count, int(first)+maxBatch)])
}

func openSender(name string, index int, frames [][]byte) (sender, error) {
	s := Series{Size: len(frames[0]), Varies: true, Fill: func(memory []byte, stride int, n uint64, count int) {
		for i, frame := range frames[n:][:count] {
			copy(memory[i*stride:], frame)
		}
	}}
	switch name {
	case "live":
		return OpenLive(index, s)
	case "xdp":
		return OpenXDP(index, 0, s)
	}
	p, err := OpenPackets(index, name == "sendto")
	return packetSender{p, frames}, err
}

// Every sender delivers every frame, unchanged and in order, more of them than any
// ring has room for.
func TestSendersDeliver(t *testing.T) {
	for _, name := range []string{"sendmmsg", "sendto", "xdp", "live"} {
		t.Run(name, func(t *testing.T) {
			inPair(t, "on", func(a, b *net.Interface) {
				ring, err := OpenRing(RingConfig{Interface: b.Index, Latency: 1000})
				if err != nil {
					t.Fatal(err)
				}
				defer ring.Close()
				for _, length := range []int{60, 61, 1514} {
					frames := series(20_000, length)
					deliver(t, name, a.Index, frames)
					expect(t, ring, frames)
				}
				if n := received(t, "vb"); n != 60_000 {
					t.Errorf("vb received %d", n)
				}
			})
		})
	}
}

func deliver(t *testing.T, name string, index int, frames [][]byte) {
	t.Helper()
	s, err := openSender(name, index, frames)
	require.Supported(t, err)
	defer s.Close()
	for sent := 0; sent < len(frames); {
		n, err := s.Send(uint64(sent), min(7000, len(frames)-sent))
		if err != nil {
			t.Fatal(err)
		}
		sent += n
	}
}

func expect(t *testing.T, ring *Ring, frames [][]byte) {
	t.Helper()
	var c Captured
	deadline := time.Now().Add(5 * time.Second)
	for i := 0; i < len(frames); {
		if !ring.Next(&c) {
			if err := ring.Wait(100 * time.Millisecond); err != nil {
				t.Fatal(err)
			}
			if time.Now().After(deadline) {
				counts, _ := ring.Counts()
				t.Fatalf("%d of %d frames came; %+v", i, len(frames), counts)
			}
			continue
		}
		if !bytes.Equal(c.Data, frames[i]) {
			t.Fatalf("frame %d is %x, want %x", i, c.Data, frames[i])
		}
		if c.Kind == Outgoing || c.Length != len(frames[i]) {
			t.Fatalf("frame %d: %+v", i, c)
		}
		i++
	}
}

func TestRingPutsVLANTagsBack(t *testing.T) {
	inPair(t, "", func(a, b *net.Interface) {
		ring, err := OpenRing(RingConfig{Interface: b.Index, Latency: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer ring.Close()
		s, err := OpenPackets(a.Index, true)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		frame := series(1, 80)[0]
		copy(frame[12:], []byte{0x81, 0, 0x20, 5, 0x88, 0xb5})
		if _, err := s.Send([][]byte{frame}); err != nil {
			t.Fatal(err)
		}
		expect(t, ring, [][]byte{frame})
	})
}

func TestRingFiltersInTheKernel(t *testing.T) {
	inPair(t, "", func(a, b *net.Interface) {
		// ldb [23]; jeq #7, 0, 1; ret #-1; ret #0
		filter := []Instruction{{Op: 0x30, K: 23}, {Op: 0x15, Jf: 1, K: 7}, {Op: 0x06, K: 1 << 18}, {Op: 0x06}}
		ring, err := OpenRing(RingConfig{Interface: b.Index, Filter: filter, Latency: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer ring.Close()
		s, err := OpenPackets(a.Index, false)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		frames := series(256, 60)
		if n, err := s.Send(frames); n != 256 || err != nil {
			t.Fatal(n, err)
		}
		expect(t, ring, frames[7:8])
		if counts, err := ring.Counts(); err != nil || counts.Packets != 1 {
			t.Errorf("%+v, %v", counts, err)
		}
	})
}

func TestCapturedSaysWhatTheKernelKnows(t *testing.T) {
	inPair(t, "", func(_, _ *net.Interface) {
		lo, err := net.InterfaceByName("lo")
		if err != nil {
			t.Fatal(err)
		}
		ring, err := OpenRing(RingConfig{Interface: lo.Index, Latency: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer ring.Close()
		fd, _ := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
		defer unix.Close(fd)
		before := time.Now()
		if err := unix.Sendto(fd, []byte("hello"), 0, &unix.SockaddrInet4{Port: 9, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
			t.Fatal(err)
		}
		var c Captured
		for !ring.Next(&c) {
			if err := ring.Wait(time.Second); err != nil {
				t.Fatal(err)
			}
		}
		if !c.ChecksumNotReady || c.Kind != Outgoing || c.Hardware != unix.ARPHRD_LOOPBACK || c.Interface != lo.Index {
			t.Errorf("%+v", c)
		}
		if at := time.Unix(0, c.Time); at.Before(before) || at.After(time.Now()) {
			t.Errorf("time %v", at)
		}
	})
}

// A held port takes what comes and answers nothing.
func TestHold(t *testing.T) {
	inPair(t, "", func(_, _ *net.Interface) {
		local := netip.MustParseAddrPort("127.0.0.1:0")
		h, err := HoldPort("tcp", local)
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		fd, _ := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
		defer unix.Close(fd)
		_ = unix.Connect(fd, &unix.SockaddrInet4{Port: int(h.Port), Addr: [4]byte{127, 0, 0, 1}})
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
		if n, _ := unix.Poll(fds, 200); n != 0 {
			t.Errorf("a connection to a held port was answered: %x", fds[0].Revents)
		}
		if _, err := HoldPort("tcp", netip.AddrPortFrom(local.Addr(), h.Port)); !errors.Is(err, unix.EADDRINUSE) {
			t.Errorf("held twice: %v", err)
		}
	})
}

func TestRaw(t *testing.T) {
	inPair(t, "", func(_, _ *net.Interface) {
		r, err := OpenRaw(false)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		packet := []byte{0x45, 0, 0, 24, 0, 1, 0, 0, 64, 253, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1, 1, 2, 3, 4}
		if err := r.Send(packet, netip.MustParseAddr("127.0.0.1")); err != nil {
			t.Error(err)
		}
		if err := r.Send(packet, netip.MustParseAddr("192.0.2.1")); !errors.Is(err, unix.ENETUNREACH) {
			t.Errorf("without a route: %v", err)
		}
	})
}

func TestHardware(t *testing.T) {
	lo, err := Hardware("lo")
	if err != nil || lo.Hardware != unix.ARPHRD_LOOPBACK {
		t.Errorf("%+v, %v", lo, err)
	}
	if _, err := Hardware("nosuchdevice"); !errors.Is(err, unix.ENODEV) {
		t.Error(err)
	}
}
