package datagram

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// stampedPair returns a stamping socket and one for it to send to.
func stampedPair(t *testing.T, host string) (conn, other *Conn) {
	t.Helper()
	conn, err := Listen(Config{Addr: netip.MustParseAddrPort(host), SendStamps: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	other, err = Listen(Config{Addr: netip.MustParseAddrPort(host)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close() })
	return conn, other
}

// Only datagrams that ask for it are stamped and numbered, each between the clock
// before and after its Write and before it was received.
func TestSendStamps(t *testing.T) {
	for _, host := range []string{"127.0.0.1:0", "[::1]:0"} {
		conn, other := stampedPair(t, host)
		r, w, far := conn.NewReader(4, 100), conn.NewWriter(8), other.NewReader(8, 100)
		before := time.Now()
		batch := make([]Datagram, 8)
		for i := range batch {
			batch[i] = Datagram{Payload: []byte("x"), Peer: other.LocalAddr(), Stamp: i%2 == 1}
		}
		if n, err := w.Write(batch); n != len(batch) || err != nil {
			t.Fatal(n, err)
		}
		stamps := r.SendStamps(time.Second)
		if len(stamps) != 4 {
			t.Fatalf("%s: %d stamps", host, len(stamps))
		}
		received, err := far.Read()
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range stamps {
			d := received[2*i+1]
			if s.ID != batch[2*i+1].ID || s.ID != uint32(i) || s.Source != Kernel || s.Time.Before(before) || s.Time.After(d.Time) {
				t.Errorf("%s: stamp %d is %+v, of datagram %d, received %v", host, i, s, batch[2*i+1].ID, d.Time)
			}
		}
		if again := r.SendStamps(0); len(again) != 0 {
			t.Errorf("%s: again %v", host, again)
		}
	}
}

// A reader that waits for datagrams is told of stamps, and goes on waiting after.
func TestReadReturnsForStamps(t *testing.T) {
	conn, other := stampedPair(t, "127.0.0.1:0")
	r, w := conn.NewReader(4, 100), conn.NewWriter(1)
	if _, err := w.Write([]Datagram{{Payload: []byte("x"), Peer: other.LocalAddr(), Stamp: true}}); err != nil {
		t.Fatal(err)
	}
	if batch, err := r.Read(); len(batch) != 0 || err != nil {
		t.Fatalf("%v, %v", batch, err)
	}
	if stamps := r.SendStamps(0); len(stamps) != 1 {
		t.Errorf("%v", stamps)
	}
	if err := conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if batch, err := r.Read(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v, %v", batch, err)
	}
}

// A datagram that the kernel refuses, in whose place it may have counted, costs no other its stamp.
func TestSendStampsAfterARefusal(t *testing.T) {
	conn, other := stampedPair(t, "127.0.0.1:0")
	r, w := conn.NewReader(4, 100), conn.NewWriter(4)
	good := Datagram{Payload: []byte("x"), Peer: other.LocalAddr(), Stamp: true}
	bad := Datagram{Payload: make([]byte, 65508), Peer: other.LocalAddr(), Stamp: true}
	for range 3 {
		batch := []Datagram{good, bad, good}
		if n, err := w.Write(batch); n != 1 || !errors.Is(err, unix.EMSGSIZE) {
			t.Fatal(n, err)
		}
		r.SendStamps(time.Second)
		after := []Datagram{good}
		if _, err := w.Write(after); err != nil {
			t.Fatal(err)
		}
		if stamps := r.SendStamps(time.Second); len(stamps) != 1 || stamps[0].ID != after[0].ID {
			t.Errorf("%v of datagram %d", stamps, after[0].ID)
		}
	}
}

// A reader that waits while another goroutine writes gets every stamp, though they come
// before Write returns.
func TestSendStampsWhileWriting(t *testing.T) {
	conn, other := stampedPair(t, "127.0.0.1:0")
	const n = 200
	go func() {
		w, one := conn.NewWriter(1), make([]Datagram, 1)
		for range n {
			one[0] = Datagram{Payload: []byte("x"), Peer: other.LocalAddr(), Stamp: true}
			if _, err := w.Write(one); err != nil {
				t.Error(err)
				return
			}
			time.Sleep(50 * time.Microsecond)
		}
	}()
	r := conn.NewReader(1, 100)
	seen := map[uint32]bool{}
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for len(seen) < n {
		if _, err := r.Read(); err != nil {
			t.Fatalf("%d of %d stamps: %v", len(seen), n, err)
		}
		for _, s := range r.SendStamps(0) {
			seen[s.ID] = true
		}
	}
}

// A refusal that comes with stamps, to a reader that waits, is not lost.
func TestReadReportsRefusals(t *testing.T) {
	for _, host := range []string{"127.0.0.1:0", "[::1]:0"} {
		gone, err := Listen(Config{Addr: netip.MustParseAddrPort(host)})
		if err != nil {
			t.Fatal(err)
		}
		peer := gone.LocalAddr()
		gone.Close()
		conn, err := Dial(Config{SendStamps: true, Reports: true}, peer)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		go func() {
			time.Sleep(20 * time.Millisecond) // until the reader waits
			_, _ = conn.NewWriter(1).Write([]Datagram{{Payload: []byte("x"), Stamp: true}})
		}()
		if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		r := conn.NewReader(1, 100)
		for err == nil {
			_, err = r.Read()
		}
		if !errors.Is(err, unix.ECONNREFUSED) {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func TestSendStampsDoNotAllocate(t *testing.T) {
	conn, other := stampedPair(t, "127.0.0.1:0")
	r, w := conn.NewReader(4, 100), conn.NewWriter(1)
	batch := []Datagram{{Payload: []byte("x"), Peer: other.LocalAddr(), Stamp: true}}
	allocs := testing.AllocsPerRun(100, func() {
		if _, err := w.Write(batch); err != nil {
			t.Fatal(err)
		}
		if stamps := r.SendStamps(time.Second); len(stamps) != 1 {
			t.Fatalf("%d stamps", len(stamps))
		}
	})
	if allocs > 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func FuzzParseSendStamp(f *testing.F) {
	var c controlBuffer
	b := c.bytes()
	stamp := putCmsghdr(b, unix.SOL_SOCKET, unix.SO_TIMESTAMPING_NEW, 3*timespec64)
	binary.NativeEndian.PutUint64(stamp, 1795341784)
	at := unix.CmsgSpace(3 * timespec64)
	extended := putCmsghdr(b[at:], unix.IPPROTO_IP, unix.IP_RECVERR, sizeofExtendedErr)
	extended[4] = originTimestamping
	binary.NativeEndian.PutUint32(extended[12:], 7)
	f.Add(bytes.Clone(b[:at+unix.CmsgSpace(sizeofExtendedErr)]))
	extended[4] = originICMP
	binary.NativeEndian.PutUint32(extended, uint32(unix.ECONNREFUSED))
	if errno := parseReport(b[:at+unix.CmsgSpace(sizeofExtendedErr)]); errno != unix.ECONNREFUSED {
		f.Errorf("a refusal reads %v", errno)
	}
	f.Add(bytes.Clone(b[:at+unix.CmsgSpace(sizeofExtendedErr)]))
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = parseReport(b)
		if s, ok := parseSendStamp(b); ok && s.Source == User {
			t.Errorf("%+v", s)
		}
	})
}
