package tcp_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"wirelab/server/tcp"
)

// silentPeers is how many peers do not read: enough for what they cost to be seen.
const silentPeers = 50

// neverRead makes peers that send a text over and over, as long as the server takes
// it, and read nothing of the answers. It must stop reading them, not hoard, and serve
// others meanwhile, whose line "others" gets the wanted answer if there is one. What it
// may hold for each, in bytes, are the answers of a turn, and with io_uring also what came before
// the kernel ceased to receive.
func neverRead(text string, most int, want string) func(*abused) {
	return func(r *abused) {
		before := heapInUse()
		conns := make([]*net.TCPConn, silentPeers)
		r.each(silentPeers, silentPeers, func(i int) (err error) {
			if conns[i], err = r.connect(); err != nil {
				return err
			}
			return sendUntilStuck(conns[i], text)
		})
		r.eventually("a busy loop has accepted all of them", func(st tcp.Status) bool { return st.Active == silentPeers })
		if grown := heapInUse() - before; grown > int64(silentPeers*most) {
			r.t.Errorf("the process has grown by %d bytes for %d peers", grown, silentPeers)
		}
		other := newLines(r.t, r.dial())
		other.send("others")
		if got := other.next(); want != "" && got != want {
			r.t.Errorf("meanwhile another peer is answered %q", got)
		}
		other.Close()
		for _, c := range r.Status().Connections {
			r.Kick(c.ID)
		}
		r.eventually("the kicked are gone", func(st tcp.Status) bool {
			return st.Active == 0 && st.Closed["kicked"] >= silentPeers
		})
		for _, c := range conns {
			c.Close()
		}
	}
}

// sendUntilStuck writes a text over and over until nothing has been taken for a while.
func sendUntilStuck(c *net.TCPConn, text string) error {
	narrowPeer(c)
	chunk := bytes.Repeat([]byte(text), 64<<10/len(text))
	for sent := 0; sent < 64<<20; {
		c.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
		n, err := c.Write(chunk)
		sent += n
		if err != nil && n == 0 {
			return nil
		}
	}
	return fmt.Errorf("the server takes everything")
}

// heapInUse returns the bytes of live objects.
func heapInUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// neverReadTorrent peers leave a handler that talks without end untaken.
func neverReadTorrent(r *abused) {
	before := heapInUse()
	for range silentPeers {
		narrowPeer(r.dial())
	}
	r.stalls()
	if grown := heapInUse() - before; grown > silentPeers*256<<10 {
		r.t.Errorf("the process has grown by %d bytes for %d peers", grown, silentPeers)
	}
	got := make([]byte, 72)
	c := r.dial()
	if _, err := io.ReadFull(c, got); err != nil || got[0] != ' ' {
		r.t.Errorf("meanwhile another peer gets %q, %v", got, err)
	}
	c.Close()
	// The idle timeout ends them: what is not taken is silence.
	r.eventually("the deaf are given up", func(st tcp.Status) bool { return st.Closed["idle"] == silentPeers })
}

// talker echoes through the server until it is cut off, and counts what comes back.
type talker struct {
	conn     *net.TCPConn
	answered chan struct{} // closed when the first bytes come back
	got      atomic.Int64
	wrong    atomic.Bool
}

const talkPiece = 8000 // bytes

// talk runs until the connection ends: one direction of it in the background.
func (k *talker) talk() {
	var wg sync.WaitGroup
	wg.Go(func() {
		piece := make([]byte, talkPiece)
		for i := byte(0); ; i++ {
			for j := range piece {
				piece[j] = i
			}
			if _, err := k.conn.Write(piece); err != nil {
				return
			}
		}
	})
	buf := make([]byte, 32<<10)
	for first := true; ; first = false {
		n, err := k.conn.Read(buf)
		k.check(buf[:n])
		if first {
			close(k.answered)
		}
		if err != nil {
			break
		}
	}
	k.conn.Close()
	wg.Wait()
}

// check compares what came back with what was sent at that place.
func (k *talker) check(b []byte) {
	for len(b) > 0 {
		at := k.got.Load()
		n := min(len(b), talkPiece-int(at%talkPiece))
		want := byte(at / talkPiece)
		if bytes.Count(b[:n], []byte{want}) != n {
			k.wrong.Store(true)
		}
		k.got.Add(int64(n))
		b = b[n:]
	}
}

// startTalkers has n peers talk at full speed. wait returns when all were cut off.
func (r *abused) startTalkers(n int) (talkers []*talker, wait func()) {
	r.t.Helper()
	var wg sync.WaitGroup
	for range n {
		k := &talker{conn: r.dial(), answered: make(chan struct{})}
		talkers = append(talkers, k)
		wg.Go(k.talk)
	}
	for _, k := range talkers {
		<-k.answered // the deadline of dial ends it at the latest
	}
	return talkers, wg.Wait
}

// kickWhileBusy ends every second of many busy connections; the others do not notice.
func kickWhileBusy(r *abused) {
	const peers = 8
	talkers, wait := r.startTalkers(peers)
	kicked := map[string]bool{}
	for i, c := range r.Status().Connections {
		if i%2 == 0 {
			kicked[c.Peer] = r.Kick(c.ID)
		}
	}
	r.eventually("half are gone", func(st tcp.Status) bool {
		return st.Closed["kicked"] == uint64(len(kicked)) && st.Active == peers-len(kicked)
	})
	for _, k := range talkers {
		if at := k.got.Load(); !kicked[k.conn.LocalAddr().String()] {
			r.eventually("the others go on", func(tcp.Status) bool { return k.got.Load() > at })
		}
	}
	for _, k := range talkers {
		abort(k.conn)
	}
	wait()
	for i, k := range talkers {
		if k.wrong.Load() {
			r.t.Errorf("talker %d got other bytes than it sent", i)
		}
	}
}

// A server that stops while everyone talks answers what it has taken: every byte
// that it counted in is counted out, and arrives.
func TestAbuseDrainWhileBusy(t *testing.T) {
	// One after the other: a peer that finds no time to read for as long as the server
	// lingers loses what is on its way.
	onEachEngineAlone(t, func(t *testing.T, engine string) {
		s := &abused{running: serve(t, engine, "echo", func(cfg *tcp.Config) { cfg.DrainTimeout = patience })}
		talkers, wait := s.startTalkers(8)
		s.stop()
		wait()
		st := s.Status()
		if st.Traffic.BytesIn != st.Traffic.BytesOut {
			t.Errorf("%d bytes in, %d out", st.Traffic.BytesIn, st.Traffic.BytesOut)
		}
		if st.Closed["drained"] != uint64(len(talkers)) {
			t.Errorf("closed %v", st.Closed)
		}
		arrived := uint64(0)
		for _, k := range talkers {
			arrived += uint64(k.got.Load())
			if k.wrong.Load() {
				t.Error("a talker got other bytes than it sent")
			}
		}
		if arrived != st.Traffic.BytesOut {
			t.Errorf("%d bytes sent by the server, %d arrived", st.Traffic.BytesOut, arrived)
		}
	})
}
