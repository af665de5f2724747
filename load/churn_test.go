package load

import (
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func TestReconnect(t *testing.T) {
	for _, rate := range []float64{0, 3000} {
		var accepted atomic.Uint64
		addr := serveStream(t, func(c *net.TCPConn) {
			accepted.Add(1)
			echo(c)
		})
		r := mustRun(t, Config{Target: addr, Clients: 3, Messages: 10, Reconnect: 3, Rate: rate, Loops: 2})
		// After 3, 6 and 9 messages, and not after the last.
		if err := r.Verify(); err != nil || r.Verified() != 30 || r.Connected != 3 || r.Connections != 12 || accepted.Load() != 12 {
			t.Errorf("rate %v: %v: %d accepted: %+v", rate, err, accepted.Load(), r)
		}
	}
}

func TestReconnectAfterEveryMessage(t *testing.T) {
	r := mustRun(t, Config{Target: serveStream(t, echo), Clients: 4, Messages: 25, Reconnect: 1})
	if err := r.Verify(); err != nil || r.Connections != 100 || r.ConnectUS == nil {
		t.Errorf("%v: %+v", err, r)
	}
	r = mustRun(t, Config{Target: serveStream(t, echo), Clients: 4, Duration: 50 * time.Millisecond, Reconnect: 1})
	if err := r.Verify(); err != nil || r.Connections < r.Sent {
		t.Errorf("%v: %+v", err, r)
	}
}

// A server that goes away between two connections of a client.
func TestReconnectRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var server sync.WaitGroup
	server.Go(func() {
		c, err := l.Accept()
		l.Close()
		if err == nil {
			echo(c.(*net.TCPConn))
			c.Close()
		}
	})
	defer server.Wait()
	r := mustRun(t, Config{Target: l.Addr().(*net.TCPAddr).AddrPort(), Clients: 1, Messages: 10, Reconnect: 2, FailFast: true})
	if r.Received != 2 || r.Lost != 0 || r.Verify() == nil {
		t.Errorf("%v: %+v", r.Verify(), r)
	}
	wantErrors(t, r, map[string]uint64{"connection refused": 1})
}

// Descriptors that run out during a run end a client, and nothing else.
func TestReconnectWithoutDescriptors(t *testing.T) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	restore := func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			t.Error(err)
		}
	}
	defer restore()
	few := limit
	few.Cur = 3
	accepted := make(chan struct{}, 10)
	addr := serveStream(t, func(c *net.TCPConn) {
		accepted <- struct{}{}
		echo(c)
	})
	r := mustRun(t, Config{Target: addr, Clients: 2, Messages: 4, Reconnect: 2, FailFast: true, Begin: func() {
		<-accepted // the server, which is in this process too, needs no more
		<-accepted
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &few); err != nil {
			t.Error(err)
		}
	}})
	restore()
	if r.Received != 4 || r.Lost != 0 || r.Verify() == nil {
		t.Errorf("%v: %+v", r.Verify(), r)
	}
	wantErrors(t, r, map[string]uint64{"no descriptor left": 2})
}

// peers collects where connections come from.
type peers struct {
	mutex sync.Mutex
	seen  map[netip.Addr]int
}

func (p *peers) serve(c *net.TCPConn) {
	p.mutex.Lock()
	p.seen[c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr()]++
	p.mutex.Unlock()
	echo(c)
}

func TestSourcesAndTargetsAreUsedInTurn(t *testing.T) {
	one, two := peers{seen: map[netip.Addr]int{}}, peers{seen: map[netip.Addr]int{}}
	sources, err := ParseSources("127.0.0.2-127.0.0.4")
	if err != nil {
		t.Fatal(err)
	}
	targets := []netip.AddrPort{serveStream(t, one.serve), serveStream(t, two.serve)}
	r := mustRun(t, Config{Targets: targets, Sources: sources, Clients: 12, Messages: 2, Loops: 3})
	if err := r.Verify(); err != nil || len(r.Targets) != 2 || r.Target != targets[0].String() || r.Sources != sources.String() {
		t.Errorf("%v: %+v", err, r)
	}
	for _, p := range []*peers{&one, &two} {
		p.mutex.Lock()
		for _, source := range sources.list() {
			if p.seen[source] != 2 || len(p.seen) != 3 {
				t.Errorf("clients came from %v", p.seen)
			}
		}
		p.mutex.Unlock()
	}
}

// A queue of connections that overflows again and again: dropped connects are begun
// anew, and all clients get theirs.
func TestConnectsThatAreDroppedAreBegunAnew(t *testing.T) {
	t.Parallel()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	syscall.CloseOnExec(fd)
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 4); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	const clients = 100
	addr := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(name.(*syscall.SockaddrInet4).Port))
	file := os.NewFile(uintptr(fd), "listener")
	listener, err := net.FileListener(file)
	file.Close()
	if err != nil {
		t.Fatal(err)
	}
	var server sync.WaitGroup
	server.Go(func() {
		for {
			time.Sleep(time.Millisecond) // as a busy server does
			c, err := listener.Accept()
			if err != nil {
				return
			}
			server.Go(func() {
				defer c.Close()
				echo(c.(*net.TCPConn))
			})
		}
	})
	r, err := Run(t.Context(), Config{Network: "tcp", Target: addr, Clients: clients, Messages: 1, Payload: mustParse(t, "seq", 64), Timeout: 20 * time.Second})
	listener.Close()
	server.Wait()
	if err != nil || r.Connected != clients || r.Verify() != nil || r.Generator.Redials == 0 {
		t.Errorf("%v: %+v", err, r)
	}
}

func TestDialerLearnsAndBacksOff(t *testing.T) {
	d := newDialer(10, 8)
	for i := range uint32(10) {
		d.enqueue(i)
	}
	if d.suspicion(0) != firstSuspicion {
		t.Errorf("suspicious after %v", d.suspicion(0))
	}
	for range 100 {
		d.took(10 * time.Millisecond)
	}
	if s := d.suspicion(0); s < 79*time.Millisecond || s > 81*time.Millisecond || d.suspicion(1) != 2*s {
		t.Errorf("suspicious after %v", s)
	}
	d.backOff(time.Second)
	d.backOff(time.Second) // for the same reason
	if d.limit != 4 || d.pause != 2*dialPause {
		t.Errorf("%d at once, pause %v", d.limit, d.pause)
	}
	if _, ok := d.next(time.Second); ok {
		t.Error("no pause is made")
	}
	for i := range uint32(10) {
		if index, ok := d.next(2 * time.Second); !ok || index != i {
			t.Errorf("client %d, %v, want %d", index, ok, i)
		}
	}
	if _, ok := d.next(2 * time.Second); ok || !d.idle() {
		t.Error("a client out of nothing")
	}
	d.took(time.Millisecond)
	if d.limit != 5 || d.pause != dialPause {
		t.Errorf("%d at once, pause %v", d.limit, d.pause)
	}
}
