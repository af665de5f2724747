package tcp_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"wirelab/internal/require"
	"wirelab/server/tcp"
)

// A peer that first sends and reads nothing, until the server can neither send nor
// take more, and then reads, gets every byte.
func TestLateReaderGetsEverything(t *testing.T) {
	onEveryEngine(t, func(t *testing.T, engine string) {
		s := serve(t, engine, "echo", narrow, func(cfg *tcp.Config) { cfg.Loops = 1 })
		const peers = 3
		size := require.Volume(2, 20) << 20
		want := randomBytes(7, size)
		var wg sync.WaitGroup
		for range peers {
			c := s.dial()
			wg.Go(func() {
				c.Write(want)
				c.CloseWrite()
			})
			t.Cleanup(func() { c.Close() })
			defer func() {
				if got := readAll(t, c); got != string(want) {
					t.Errorf("%d bytes came back, or others than the %d sent", len(got), size)
				}
			}()
		}
		s.stalls()
		if got := roundTrip(t, s.dial(), "others"); got != "others" {
			t.Errorf("meanwhile another peer is answered %q", got)
		}
		t.Cleanup(wg.Wait)
	})
}

// Many peers send at once more than a loop has buffers for.
func TestManyLargeMessagesAtOnce(t *testing.T) {
	onEveryEngine(t, func(t *testing.T, engine string) {
		s := &abused{running: serve(t, engine, "echo", func(cfg *tcp.Config) { cfg.Loops = 1 })}
		s.each(100, 50, func(i int) error {
			c, err := s.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			want := randomBytes(byte(i), 1+rand.IntN(100_000))
			got := make([]byte, len(want))
			for range 5 {
				go c.Write(want) // ends with the connection
				if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, want) {
					return fmt.Errorf("the answer of %d bytes differs: %w", len(want), err)
				}
			}
			return nil
		})
	})
}

// Peers that send without end, and whom no answer slows down, leave nobody else of
// their loop unheard.
func TestFloodsLeaveRoomForOthers(t *testing.T) {
	onEveryEngine(t, func(t *testing.T, engine string) {
		s := &abused{running: serve(t, engine, "chat", func(cfg *tcp.Config) { cfg.Loops = 1 })}
		for range 2 {
			go io.Copy(s.dial(), emptyLines{}) // ends with the connection
		}
		s.eventually("the floods have begun", func(st tcp.Status) bool { return st.Traffic.BytesIn > 1<<20 })
		s.each(12, 12, func(int) error {
			c, err := s.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			for range require.Volume(2, 5) {
				if err := whatNames(c); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// whatNames asks a chat what names it takes, and waits for the answer.
func whatNames(c net.Conn) error {
	if _, err := io.WriteString(c, "/nick\n"); err != nil {
		return err
	}
	for said := bufio.NewReader(c); ; { // others come and go meanwhile
		line, err := said.ReadString('\n')
		if err != nil || strings.Contains(line, "a nickname is") {
			return err
		}
	}
}

// emptyLines is a file of them without end.
type emptyLines struct{}

func (emptyLines) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '\n'
	}
	return len(p), nil
}

// measuring is an echo that notes how much it is given at once.
type measuring struct{ most *atomic.Int64 }

func (h measuring) Open(*tcp.Conn) tcp.Session { return h }
func (measuring) Close()                       {}
func (h measuring) Handle(in []byte, _ bool, out []byte) (int, []byte, tcp.Next) {
	if n := int64(len(in)); n > h.most.Load() {
		h.most.Store(n)
	}
	return len(in), append(out, in...), tcp.Wait
}

func TestSessionIsGivenNoMoreThanTheBuffer(t *testing.T) {
	onEveryEngine(t, func(t *testing.T, engine string) {
		most := new(atomic.Int64)
		s := serve(t, engine, "echo", func(cfg *tcp.Config) {
			cfg.Handler, cfg.Buffer, cfg.Loops = measuring{most}, 100, 1
		})
		want := string(randomBytes(3, 50_000))
		if got := roundTrip(t, s.dial(), want); got != want {
			t.Errorf("%d bytes came back", len(got))
		}
		if n := most.Load(); n > 100 || n == 0 {
			t.Errorf("it was given %d bytes at once", n)
		}
	})
}

// A message and its answer make no garbage, whichever engine moves them.
func TestEchoDoesNotAllocate(t *testing.T) {
	onEachEngineAlone(t, func(t *testing.T, engine string) {
		s := serve(t, engine, "echo")
		message, got := make([]byte, 64), make([]byte, 64)
		c := s.dial()
		exchange := func() {
			c.Write(message)
			if _, err := io.ReadFull(c, got); err != nil {
				t.Fatal(err)
			}
		}
		exchange()
		// Less than one for each: the server's ticker and the collector allocate now and then.
		if allocs := testing.AllocsPerRun(500, exchange); allocs > 0 {
			t.Errorf("%v allocations for each message", allocs)
		}
	})
}

// pieces answers each byte with many pieces, one in each turn.
type pieces struct{ left int }

const (
	pieceCount = 200
	pieceSize  = 64
)

func (h *pieces) Open(*tcp.Conn) tcp.Session { return h }
func (h *pieces) Close()                     {}
func (h *pieces) Handle(in []byte, _ bool, out []byte) (int, []byte, tcp.Next) {
	if h.left += len(in) * pieceCount; h.left == 0 {
		return len(in), out, tcp.Wait
	}
	h.left--
	return len(in), append(out, make([]byte, pieceSize)...), tcp.More
}

// Nor does a connection that has always more to do than its loop's other
// connections leave it time for.
func TestBusyConnectionDoesNotAllocate(t *testing.T) {
	onEachEngineAlone(t, func(t *testing.T, engine string) {
		s := serve(t, engine, "echo", func(cfg *tcp.Config) { cfg.Handler = new(pieces) })
		got := make([]byte, pieceCount*pieceSize)
		c := s.dial()
		exchange := func() {
			c.Write(got[:1])
			if _, err := io.ReadFull(c, got); err != nil {
				t.Fatal(err)
			}
		}
		exchange()
		// A few for each answer as a whole, at the most, and none for its pieces.
		if allocs := testing.AllocsPerRun(50, exchange); allocs > 4 {
			t.Errorf("%v allocations for an answer of %d pieces", allocs, pieceCount)
		}
	})
}

func BenchmarkEcho(b *testing.B) {
	for _, kind := range tcp.Engines() {
		b.Run(kind.Name, func(b *testing.B) {
			require.Supported(b, kind.Check())
			s, err := tcp.Listen(tcp.Config{
				Addr: netip.MustParseAddrPort("127.0.0.1:0"), Engine: kind.Name, Handler: measuring{new(atomic.Int64)},
			})
			if err != nil {
				b.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error, 1)
			go func() { done <- s.Run(ctx) }()
			defer func() {
				cancel()
				<-done
			}()
			c, err := net.Dial("tcp", s.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			message := make([]byte, 64)
			b.ReportAllocs()
			for b.Loop() {
				c.Write(message)
				io.ReadFull(c, message)
			}
		})
	}
}
