package wire

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"wirelab/wire/capfile"
)

func openCapture(t *testing.T, config CaptureConfig) *Capture {
	t.Helper()
	config.Latency = time.Millisecond
	c, err := OpenCapture(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// The sender's end sees what leaves, and Next waits for frames that come later.
func TestCaptureOutgoing(t *testing.T) {
	s := newSpace(t)
	s.do(t, func() {
		va := device(t, "va")
		c := openCapture(t, CaptureConfig{Device: va})
		var f capfile.Frame
		begun := time.Now()
		if ok, err := c.Next(&f, 20*time.Millisecond); ok || err != nil || time.Since(begun) < 20*time.Millisecond {
			t.Fatalf("%t, %v after %v", ok, err, time.Since(begun))
		}
		sender, err := OpenSender(va, false)
		if err != nil {
			t.Fatal(err)
		}
		defer sender.Close()
		frame := make([]byte, 60)
		numbered(frame, 60, 7, 1)
		time.AfterFunc(30*time.Millisecond, func() { _ = sender.Send(frame) }) // its loss is noticed below
		ok, err := c.Next(&f, 5*time.Second)
		if !ok || err != nil || !bytes.Equal(f.Data, frame) || f.Flags&capfile.FlagOutbound != capfile.FlagOutbound || f.Flags&capfile.FlagInbound == capfile.FlagInbound {
			t.Errorf("%t, %+v, %v", ok, f, err)
		}
		if sender.Send(nil) == nil {
			t.Error("a frame without bytes was sent")
		}
		if received, dropped, err := c.Counts(); received != 1 || dropped != 0 || err != nil {
			t.Errorf("received %d, dropped %d, %v", received, dropped, err)
		}
	})
}

// A frame passes the loopback twice and is shown once; its checksum is left to a device.
func TestCaptureLoopbackOnce(t *testing.T) {
	s := newSpace(t)
	s.do(t, func() {
		held, err := HoldPort("udp", netip.MustParseAddrPort("127.0.0.1:0")) // nobody answers
		if err != nil {
			t.Fatal(err)
		}
		defer held.Close()
		c := openCapture(t, CaptureConfig{Device: device(t, "lo"), Filter: "udp"})
		conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), held.Port)))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		for range 3 {
			if _, err := conn.Write([]byte("hello")); err != nil {
				t.Fatal(err)
			}
		}
		var f capfile.Frame
		for n := range 4 {
			ok, err := c.Next(&f, 200*time.Millisecond)
			if ok != (n < 3) || err != nil {
				t.Fatalf("frame %d: %t, %v", n, ok, err)
			}
			if ok && (f.Flags&3 != capfile.FlagInbound || f.Flags&capfile.FlagChecksumNotReady == 0 || f.Flags&capfile.FlagChecksumValid != 0 || f.Flags&capfile.FlagSegmented != 0) {
				t.Errorf("frame %d has flags %x", n, f.Flags)
			}
		}
	})
}

// An interface that goes down ends the capture with an error.
func TestCaptureOfInterfaceThatGoesDown(t *testing.T) {
	s := newSpace(t)
	s.do(t, func() {
		c := openCapture(t, CaptureConfig{Device: device(t, "vb")})
		ip(t, "link set vb down")
		var f capfile.Frame
		if ok, err := c.Next(&f, 5*time.Second); ok || !errors.Is(err, unix.ENETDOWN) {
			t.Errorf("%t, %v", ok, err)
		}
	})
}

// Run hands over what there is, is idle without frames, and ends with its context or
// with the error of its handler.
func TestCaptureRun(t *testing.T) {
	s := newSpace(t)
	s.do(t, func() {
		c := openCapture(t, CaptureConfig{Device: device(t, "vb")})
		f := Flood{Device: device(t, "va"), Size: 60, Filler: numbering, Varies: true, Count: 5, Via: "sendmmsg"}
		if _, err := f.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		frames, idle := 0, 0
		err := c.Run(ctx, func(*capfile.Frame) error { frames++; return nil }, func() error {
			if idle++; frames == 5 {
				cancel()
			}
			return nil
		})
		if frames != 5 || idle == 0 || err != nil {
			t.Errorf("%d frames, idle %d times, %v", frames, idle, err)
		}
		want := errors.New("enough")
		if err := c.Run(context.Background(), nil, func() error { return want }); err != want {
			t.Error(err)
		}
	})
}
