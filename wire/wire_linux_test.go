package wire

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
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
	"wirelab/internal/sys"
	"wirelab/internal/sys/netns"
	"wirelab/wire/capfile"
)

// space is a namespace with two veth pairs: va with its peer vb in the same one, and
// vo with its peer vi in the named namespace peer.
type space struct {
	namespace *netns.Namespace
	peer      string
}

func newSpace(t *testing.T) *space {
	t.Helper()
	require.Root(t)
	require.Program(t, "ip")
	n, err := netns.New()
	require.Supported(t, err)
	t.Cleanup(func() { n.Close() })
	s := &space{n, fmt.Sprintf("wire-test-%d", os.Getpid())}
	other, err := netns.Add(s.peer)
	require.Supported(t, err)
	t.Cleanup(func() { other.Close(); _ = netns.Delete(s.peer) })
	s.do(t, func() {
		ip(t, "link add name va type veth peer name vb")
		ip(t, "link add name vo type veth peer name vi netns "+s.peer)
		for _, name := range []string{"va", "vb", "vo"} {
			silence(name)
			ip(t, "link set "+name+" up")
		}
		ip(t, "link set lo up")
		ip(t, "address add 10.99.0.1/24 dev vo")
	})
	if err := other.Do(func() error {
		silence("vi")
		ip(t, "link set vi up")
		ip(t, "address add 10.99.0.2/24 dev vi")
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return s
}

// do runs f in the namespace. f may call t.Fatal.
func (s *space) do(t *testing.T, f func()) {
	t.Helper()
	if err := s.namespace.Do(func() error { f(); return nil }); err != nil && !t.Failed() {
		t.Fatal(err)
	}
}

func ip(t *testing.T, line string) {
	t.Helper()
	if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v: %s", line, err, out)
	}
}

// silence keeps IPv6 from talking on an interface by itself.
func silence(name string) {
	_ = os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/disable_ipv6", []byte("1"), 0)
}

func device(t *testing.T, name string) Device {
	t.Helper()
	d, err := FindDevice(name)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// numbered writes Ethernet frames of 60 bytes to nobody that hold their numbers.
func numbered(memory []byte, stride int, n uint64, count int) {
	for i := range count {
		b := memory[i*stride:][:60]
		clear(b)
		copy(b, []byte{2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1, 0x88, 0xb5})
		binary.BigEndian.PutUint64(b[20:], n+uint64(i))
	}
}

func numbering() Fill { return numbered }

// Every back end sends every frame, and the counts agree to the frame.
func TestFloodCountsAgree(t *testing.T) {
	s := newSpace(t)
	s.do(t, func() {
		for _, d := range []Device{device(t, "va"), device(t, "vo")} {
			for _, via := range []string{"live", "xdp", "sendmmsg", "sendto"} {
				if via == "live" {
					acceptLive(t, s, d)
				}
				f := Flood{Device: d, Size: 60, Filler: numbering, Varies: true, Count: 50_000, Via: via}
				got, err := f.Run(context.Background())
				require.Supported(t, err)
				if got.Accepted != f.Count || got.Interface != f.Count || got.Peer == nil || got.Received != f.Count || got.Check(d.Name) != nil {
					t.Errorf("%s on %s: %+v, %v", via, d.Name, got, got.Check(d.Name))
				}
				if got.Via != via || got.Rate <= 0 {
					t.Errorf("%+v", got)
				}
			}
		}
	})
}

// Two workers send each frame once, by every back end, and the counts agree to the frame.
func TestFloodOfWorkers(t *testing.T) {
	s := newSpace(t)
	s.do(t, func() {
		ip(t, "link add name wa numtxqueues 2 numrxqueues 2 type veth peer name wb numtxqueues 2 numrxqueues 2")
		for _, name := range []string{"wa", "wb"} {
			silence(name)
			ip(t, "link set "+name+" up")
		}
		if err := turnGROOn("wb"); err != nil {
			t.Fatal(err)
		}
		const count = 5000
		for _, via := range []string{"live", "xdp", "sendmmsg", "sendto"} {
			c, err := OpenCapture(CaptureConfig{Device: device(t, "wb"), Filter: "ether proto 0x88b5", Latency: time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			told := uint64(0)
			f := Flood{Device: device(t, "wa"), Size: 60, Filler: numbering, Varies: true, Count: count, Via: via, Workers: 2, Progress: func(n uint64) { told = n }}
			got, err := f.Run(context.Background())
			require.Supported(t, err)
			if got.Accepted != count || got.Interface != count || got.Received != count || got.Interrupted || told != count || got.Check("wa") != nil {
				t.Errorf("%s: %+v, told of %d, %v", via, got, told, got.Check("wa"))
			}
			seen := make(map[uint64]bool)
			var frame capfile.Frame
			for range count {
				if ok, err := c.Next(&frame, 5*time.Second); !ok || err != nil {
					t.Fatal(via, "no frame", err)
				}
				seen[binary.BigEndian.Uint64(frame.Data[20:])] = true
			}
			for n := range uint64(count) {
				if !seen[n] {
					t.Fatalf("%s: frame %d is missing, %d of %d came", via, n, len(seen), count)
				}
			}
		}
	})
}

// Several workers keep the rate that all have together, and their results when they are
// interrupted.
func TestWorkersKeepTheirRate(t *testing.T) {
	s := newSpace(t)
	s.do(t, func() {
		f := Flood{Device: device(t, "va"), Size: 60, Filler: numbering, Varies: true, Count: 10_000, Rate: 20_000, Via: "sendmmsg", Workers: 2}
		got, err := f.Run(context.Background())
		if err != nil || got.Rate < f.Rate*0.5 || got.Rate > f.Rate*1.01 || got.Late.Count == 0 || got.Received != f.Count {
			t.Errorf("%+v, %v", got, err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		f.Count, f.Rate = 1<<40, 1000
		got, err = f.Run(ctx)
		if err != nil || !got.Interrupted || got.Accepted == 0 || got.Accepted > 1000 || got.Interface != got.Accepted {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

// More workers than queues are refused where they would get into each other's way.
func TestWorkersNeedQueues(t *testing.T) {
	s := newSpace(t)
	s.do(t, func() {
		acceptLive(t, s, device(t, "va"))
		f := Flood{Device: device(t, "va"), Size: 60, Filler: numbering, Count: 10, Workers: 2}
		for _, via := range []string{"live", "xdp"} {
			f.Via = via
			if _, err := f.Run(context.Background()); !errors.Is(err, sys.ErrUnsupported) || !strings.Contains(err.Error(), "2 workers need as many queues") {
				t.Errorf("%s: %v", via, err)
			}
		}
		f.Via = ""
		got, err := f.Run(context.Background())
		if err != nil || got.Via != "sendmmsg" || len(got.Refused) != 2 || got.Received != 10 {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

// acceptLive makes a device take live frames: GRO on its peer does.
func acceptLive(t *testing.T, s *space, d Device) {
	t.Helper()
	var err error
	if d.Name == "va" {
		err = turnGROOn("vb")
	} else {
		err = netns.Do(netns.Dir+"/"+s.peer, func() error { return turnGROOn("vi") })
	}
	if err != nil {
		t.Fatal(err)
	}
}

// turnGROOn is ethtool -K NAME gro on.
func turnGROOn(name string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	value := struct{ command, on uint32 }{unix.ETHTOOL_SGRO, 1}
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

func TestLiveIsRefusedWhereItWouldLie(t *testing.T) {
	s := newSpace(t)
	s.do(t, func() {
		f := Flood{Device: device(t, "va"), Size: 60, Filler: numbering, Count: 10, Via: "live"}
		_, err := f.Run(context.Background())
		var via *ViaError
		if !errors.As(err, &via) || !errors.Is(err, sys.ErrUnsupported) || !strings.Contains(err.Error(), "GRO") {
			t.Errorf("%v", err)
		}
		// Unasked, the next way is taken, and says why.
		f.Via = ""
		got, err := f.Run(context.Background())
		if err != nil || got.Via != "xdp" || len(got.Refused) != 1 || got.Received != 10 {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

func TestFloodKeepsItsRate(t *testing.T) {
	s := newSpace(t)
	s.do(t, func() {
		for _, rate := range []float64{1000, 20_000} {
			f := Flood{Device: device(t, "va"), Size: 60, Filler: numbering, Varies: true, Count: uint64(rate / 2), Rate: rate, Via: "sendmmsg"}
			got, err := f.Run(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			// A busy machine may delay the last frame; it never makes the series drift.
			if got.Rate < rate*0.5 || got.Rate > rate*1.01 || got.Late.Count == 0 {
				t.Errorf("%v/s became %v/s; late %+v", rate, got.Rate, got.Late)
			}
		}
	})
}

func TestFloodEndsWithItsContext(t *testing.T) {
	s := newSpace(t)
	s.do(t, func() {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		f := Flood{Device: device(t, "va"), Size: 60, Filler: numbering, Varies: true, Count: 1 << 40, Rate: 1000}
		got, err := f.Run(ctx)
		if err != nil || !got.Interrupted || got.Accepted == 0 || got.Accepted > 1000 || got.Interface != got.Accepted {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

func TestCaptureInTheKernelAndHere(t *testing.T) {
	s := newSpace(t)
	s.do(t, func() {
		for _, where := range []Device{device(t, "vb"), {}} {
			c, err := OpenCapture(CaptureConfig{Device: where, Filter: "ether[27] = 7 and inbound", Latency: time.Millisecond, SnapLength: 40})
			if where.Index == 0 {
				if err != nil {
					t.Fatal(err)
				}
				c.Close()
				c, err = OpenCapture(CaptureConfig{Device: where, Filter: "ether[27] = 7", Latency: time.Millisecond, SnapLength: 40})
			}
			if err != nil {
				t.Fatal(err)
			}
			f := Flood{Device: device(t, "va"), Size: 60, Filler: numbering, Varies: true, Count: 20, Via: "sendmmsg"}
			if _, err := f.Run(context.Background()); err != nil {
				t.Fatal(err)
			}
			var got capfile.Frame
			for {
				ok, err := c.Next(&got, 5*time.Second)
				if !ok || err != nil {
					t.Fatal("no frame", err)
				}
				if c.Interfaces()[got.Interface].Name == "vb" {
					break
				}
			}
			if len(got.Data) != 40 || got.Length != 60 || got.Data[27] != 7 || got.Flags&capfile.FlagInbound == 0 || got.Link != capfile.LinkEthernet {
				t.Errorf("%+v", got)
			}
			c.Close()
		}
		if _, err := OpenCapture(CaptureConfig{Device: device(t, "vb"), Filter: "nonsense"}); err == nil {
			t.Error("a wrong filter was taken")
		}
	})
}

func TestLiveVLANFilter(t *testing.T) {
	s := newSpace(t)
	s.do(t, func() {
		c, err := OpenCapture(CaptureConfig{Device: device(t, "vb"), Filter: "vlan 5 and ether[12:2] = 0x88b5 or vlan 6", Latency: time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		f := Flood{Device: device(t, "va"), Size: 60, Varies: true, Count: 20, Via: "sendmmsg", Filler: func() Fill {
			return func(memory []byte, stride int, n uint64, count int) {
				numbered(memory, stride, n, count)
				for i := range count {
					copy(memory[i*stride+12:], []byte{0x81, 0, 0, byte(n) + byte(i), 0x88, 0xb5})
				}
			}
		}}
		if _, err := f.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		var got capfile.Frame
		ok, err := c.Next(&got, 5*time.Second)
		if !ok || err != nil || !bytes.Equal(got.Data[12:18], []byte{0x81, 0, 0, 5, 0x88, 0xb5}) || got.Length != 60 {
			t.Errorf("%x, %v", got.Data, err)
		}
	})
}

func TestReplayInItsOwnTime(t *testing.T) {
	s := newSpace(t)
	s.do(t, func() {
		c, err := OpenCapture(CaptureConfig{Device: device(t, "vb"), Latency: time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		var sent [][]byte
		r := Replay{Device: device(t, "va"), Speed: 2, Next: func(f *capfile.Frame) error {
			if len(sent) == 5 {
				return io.EOF
			}
			b := make([]byte, 60+len(sent))
			numbered(b, len(b), uint64(len(sent)), 1)
			*f = capfile.Frame{Data: b, Length: len(b), Link: capfile.LinkEthernet, Timed: true, Time: 1_000_000_000 + int64(len(sent))*40e6}
			sent = append(sent, b)
			return nil
		}}
		begun := time.Now().UnixNano()
		d, err := r.Run(context.Background())
		if err != io.EOF || d.Asked != 5 || d.Accepted != 5 || d.Interface != 5 || d.Received != 5 {
			t.Fatalf("%+v, %v", d, err)
		}
		for i, want := range sent {
			var got capfile.Frame
			ok, err := c.Next(&got, 5*time.Second)
			if !ok || err != nil || !bytes.Equal(got.Data, want) {
				t.Fatalf("frame %d: %x, %v", i, got.Data, err)
			}
			if late := got.Time - begun - int64(i)*20e6; late < 0 || late > 200e6 { // the first may be late, too
				t.Errorf("frame %d is late by %d ns", i, late)
			}
		}
	})
}

func TestRoute(t *testing.T) {
	s := newSpace(t)
	s.do(t, func() {
		r, err := FindRoute(netip.MustParseAddr("10.99.0.2"), Device{})
		if err != nil || r.Device.Name != "vo" || r.Source != netip.MustParseAddr("10.99.0.1") || r.Local {
			t.Fatalf("%+v, %v", r, err)
		}
		header, err := r.EthernetHeader(2 * time.Second)
		if err != nil || len(header) != 14 || bytes.Equal(header[:6], make([]byte, 6)) || !bytes.Equal(header[12:], []byte{8, 0}) {
			t.Errorf("%x, %v", header, err)
		}
		r, _ = FindRoute(netip.MustParseAddr("10.99.0.77"), Device{})
		if _, err := r.EthernetHeader(100 * time.Millisecond); !errors.Is(err, ErrUnresolved) {
			t.Errorf("nobody: %v", err)
		}
		if r, err := FindRoute(netip.MustParseAddr("10.99.0.1"), Device{}); err != nil || !r.Local {
			t.Errorf("%+v, %v", r, err)
		}
		if _, err := FindRoute(netip.MustParseAddr("192.0.2.1"), Device{}); err == nil {
			t.Error("a route to nowhere")
		}
	})
}

func TestHarmless(t *testing.T) {
	for text, want := range map[string]bool{
		"127.0.0.1": true, "10.1.2.3": true, "192.0.2.35": true, "169.254.1.1": true, "224.0.0.1": true, "::1": true, "fe80::1": true,
		"2001:db8::1": true, "fd00::1": true, "::ffff:8.8.8.8": false, "8.8.8.8": false, "2606:4700::1": false, "100.64.0.1": true, "198.18.5.5": true,
	} {
		if got := Harmless(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %t", text, got)
		}
	}
}

func TestFindDevice(t *testing.T) {
	if _, err := FindDevice("nosuchdevice"); err == nil || !strings.Contains(err.Error(), "ip link") {
		t.Error(err)
	}
	lo, err := FindDevice("lo")
	if err != nil || !lo.Loopback || lo.Link != capfile.LinkEthernet || lo.Peer() == nil || lo.Peer().Name != "lo" {
		t.Errorf("%+v, %v", lo, err)
	}
	i, _ := net.InterfaceByName("lo")
	if lo.Index != i.Index || lo.MTU != i.MTU {
		t.Errorf("%+v", lo)
	}
}

// Only a veth has a peer; a macvlan is tied to another device too, which is none.
func TestPeers(t *testing.T) {
	s := newSpace(t)
	s.do(t, func() {
		ip(t, "link add link va name over type macvlan")
		for name, want := range map[string]string{"va": "vb", "vb": "va", "vo": "vi", "over": ""} {
			d := device(t, name)
			p := d.Peer()
			if (p != nil) != (want != "") || p != nil && p.Name != want {
				t.Errorf("%s: %+v", name, p)
			}
			if name == "vo" && p != nil && p.Namespace != s.peer || d.Up != (want != "") {
				t.Errorf("%s: %+v, %+v", name, d, p)
			}
		}
	})
}

// Frames that are on their way still are waited for, and those that are lost not for ever.
func TestCountsWaitForFrames(t *testing.T) {
	s := newSpace(t)
	s.do(t, func() {
		for arrive, calls := range map[uint64]int{3: 3, 2: 51} {
			c := counting{device: device(t, "va")}
			now, err := c.device.Counters()
			if err != nil {
				t.Fatal(err)
			}
			looked := 0
			c.before.Sent, c.past.Received = now.Sent-3, 100
			c.peer = &Peer{Name: "vb", counters: func() (Counters, error) {
				looked++
				return Counters{Received: 100 + min(uint64(looked), arrive)}, nil
			}}
			d := Delivery{Accepted: 3}
			if err := c.finish(&d); err != nil || d.Interface != 3 || d.Received != arrive || looked != calls {
				t.Errorf("%d arrive: looked %d times, want %d: %+v, %v", arrive, looked, calls, d, err)
			}
		}
	})
}
