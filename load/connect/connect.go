// Package connect is one client by hand: it connects or waits for a peer, sends what it
// is given, and shows both directions to a View, over TCP, TLS, UDP and Unix sockets.
package connect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"wirelab/clock"
	"wirelab/internal/sys/socket"
)

// Config says whom Run talks to, what it says, and who is shown
// the conversation.
type Config struct {
	Network string     // "tcp", "udp", "unix" for a stream, "unixgram" for datagrams
	Address string     // "HOST:PORT" or "[IPv6]:PORT"; HOST may be a name; of a Unix socket, its path
	Family  string     // "4" or "6": only such addresses of a name; "": all
	TLS     *TLSConfig // nil: none; TCP only

	Source netip.AddrPort // to connect from, over TCP and UDP; zero address or port: any
	Socket socket.Options // of the socket
	// Others are further addresses of a peer over UDP. They are tried in turn as long as
	// those before refuse datagrams or cannot be reached, and what was sent is sent again.
	Others []netip.AddrPort

	// DialTimeout bounds one attempt to connect, TLS handshake included; 0
	// means no bound but the operating system's.
	DialTimeout time.Duration
	// IdleTimeout ends the conversation. TCP: after so long without a byte in
	// either direction, with ErrIdle; 0 means never. UDP: after so long without a
	// datagram from the peer once the input has ended; 0 means at once.
	IdleTimeout time.Duration
	// Retries is how many more times a failed connect is tried, for failures
	// that may pass: refused, timed out, unreachable. TCP only.
	Retries int

	// Input is what is sent. TCP: all of it, then the direction is shut down. UDP:
	// one datagram for each Read. Run closes Input before it returns, whatever
	// happens; Close must unblock a Read (as that of net.Conn and file.Input does).
	Input io.ReadCloser
	CRLF  bool // ends the lines of Input with CR LF, unless they have it
	// Message, if not nil, is sent Count times in place of Input. It appends
	// message n, counted from 0, to dst. Over UDP, with an IdleTimeout, the next one
	// is sent when the last one is answered or IdleTimeout has passed.
	Message func(dst []byte, n uint64, now time.Time) []byte
	Count   uint64
	// Interval is the time from one Message to the next. Over UDP, with an IdleTimeout, the
	// answers to earlier ones are waited for meanwhile. 0: none.
	Interval time.Duration
	// Reflections says that what the peer answers over UDP are STAMP packets
	// (RFC 8762); their events carry a Reflection.
	Reflections bool

	// EndWithPeer ends the conversation when the peer sends no more (TCP), as a
	// person expects. Otherwise, Input is sent to its end first.
	EndWithPeer bool

	// View is shown every event, never by two goroutines at once. An error from it
	// ends the conversation. It may be nil.
	View View
}

// Conversation is what Run has done when it returns.
type Conversation struct {
	Network     string
	Local       string // an address and port, a path, or Unnamed; "" until connected
	Remote      string
	Attempts    int // to connect, the last one included
	BytesOut    uint64
	BytesIn     uint64
	MessagesOut uint64 // writes, or datagrams
	MessagesIn  uint64 // reads, or datagrams

	// Of Config.Message over UDP, with an IdleTimeout: messages that were answered in time
	// and too late, and further answers to messages that had one.
	Answered, Late, Duplicates uint64
	RoundTrip                  RoundTrips // of those answered in time
	Duration                   time.Duration
}

// RoundTrips sums up how long answers took, less the time in a reflector.
type RoundTrips struct {
	Min, Mean, Max time.Duration
	Deviation      time.Duration // the standard deviation
	Stamps         clock.Source  // of the times; User where a single one is
}

// The ways in which a conversation ends early although nothing broke.
var (
	// ErrIdle: neither side sent anything for IdleTimeout.
	ErrIdle = errors.New("silence on both sides")
	// ErrNoAnswer: datagrams were sent and not answered within IdleTimeout.
	ErrNoAnswer = errors.New("no answer")
	// ErrUnsent: the peer closed the connection while there was more to send.
	ErrUnsent = errors.New("the peer closed the connection before everything was sent")
)

// Error is a failure of the network or of the peer.
type Error struct {
	Op       string // one of the Op constants
	Network  string
	Address  string
	Attempts int // how often connecting was tried; 1 otherwise
	Err      error
}

// What a Error says could not be done.
const (
	OpConnect = "connect to"
	OpTLS     = "TLS with"
	OpSend    = "send to"
	OpReceive = "receive from"
)

func (e *Error) Error() string {
	text := fmt.Sprintf("%s %s: %v", e.Op, e.Address, cause(e.Err))
	if e.Attempts > 1 {
		text += fmt.Sprintf(" (tried %d times)", e.Attempts)
	}
	return text
}

// Unwrap returns the cause, which matches syscall.ECONNREFUSED and the like.
func (e *Error) Unwrap() error { return e.Err }

// cause strips what packages net and os repeat: operation and addresses.
func cause(err error) error {
	switch e := err.(type) {
	case *net.OpError:
		return cause(e.Err)
	case *os.SyscallError:
		return e.Err
	}
	return err
}

// Run talks to one peer until the conversation has ended: TCP, when both
// sides have closed their direction; UDP, when the input has ended and the
// answers have. It returns a *Error, ErrIdle, ErrNoAnswer, an error of
// Input or View, or the context's cause; the Conversation is valid with any of
// them. A cancelled context ends it at once, what is unsent included.
//
// Nothing that Run starts outlives it, and a panic in one of its
// goroutines is raised again in the caller's.
func Run(ctx context.Context, cfg Config) (Conversation, error) {
	if !slices.Contains(networks[:], cfg.Network) {
		return Conversation{}, networkError(cfg.Network)
	}
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	s := &session{cfg: &cfg, source: newSource(&cfg), end: end, result: Conversation{Network: cfg.Network}}
	defer s.source.Close()

	conn, err := s.dial(ctx)
	if err != nil {
		return s.result, err
	}
	defer conn.Close()
	s.conn = conn
	s.start = time.Now()
	err = s.run(ctx)
	s.result.Duration = time.Since(s.start)
	return s.result, err
}

var networks = [...]string{"tcp", "udp", "unix", "unixgram"}

func networkError(network string) error {
	return fmt.Errorf("connect: network %q is none of tcp, udp, unix and unixgram", network)
}

// datagramNetwork reports whether network carries datagrams.
func datagramNetwork(network string) bool { return network == "udp" || network == "unixgram" }

// Reasons to end a conversation that are not errors.
var (
	errFinished = errors.New("finished")
	errPanicked = errors.New("panicked")
)

// session is one conversation. Its sender and its receiver own their halves
// of result; end, show and touch may be called by both.
type session struct {
	cfg    *Config
	conn   net.Conn
	source source
	end    context.CancelCauseFunc // the first cause given counts
	active atomic.Int64            // when a byte last came or went, in ns since start
	start  time.Time

	showing sync.Mutex
	result  Conversation
	sendErr error // why sending stopped early; receiving goes on
}

func (s *session) run(ctx context.Context) error {
	var watchers sync.WaitGroup
	defer watchers.Wait()
	defer s.end(errFinished)
	watchers.Go(func() {
		<-ctx.Done()
		_ = s.conn.SetDeadline(time.Unix(1, 0)) // fails only when closed already
		s.source.Close()
	})
	if datagramNetwork(s.cfg.Network) {
		return s.runDatagrams(ctx)
	}
	if s.cfg.IdleTimeout > 0 {
		watchers.Go(func() { s.watchIdle(ctx, s.cfg.IdleTimeout) })
	}
	return s.runStream(ctx)
}

// show passes an event on to the view; a view that fails ends everything.
func (s *session) show(e *Event) {
	if s.cfg.View == nil {
		return
	}
	s.showing.Lock()
	defer s.showing.Unlock()
	if err := s.cfg.View(e); err != nil {
		s.end(err)
	}
}

// touch says that the conversation is alive.
func (s *session) touch() { s.active.Store(int64(time.Since(s.start))) }

// watchIdle ends a conversation that has been silent for limit. The time in which
// the view holds the receiver up is not the peer's silence.
func (s *session) watchIdle(ctx context.Context, limit time.Duration) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if s.showing.TryLock() {
			s.showing.Unlock()
		} else {
			s.touch()
		}
		silence := time.Since(s.start) - time.Duration(s.active.Load())
		if silence >= limit {
			s.end(fmt.Errorf("%w for %v", ErrIdle, limit))
			return
		}
		timer.Reset(limit - silence)
	}
}

func (s *session) fail(op string, err error) error {
	return &Error{Op: op, Network: s.cfg.Network, Address: s.cfg.Address, Attempts: 1, Err: err}
}

// together runs the halves of a conversation and waits for both. A panic ends
// the conversation and goes on in the caller's goroutine, whose deferred calls
// (a terminal to restore) would not run otherwise.
func (s *session) together(halves ...func()) {
	panics := make(chan string, len(halves))
	var wg sync.WaitGroup
	for _, half := range halves {
		wg.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					panics <- fmt.Sprintf("%v\n\n%s", p, debug.Stack())
					s.end(errPanicked)
				}
			}()
			half()
		})
	}
	wg.Wait()
	select {
	case p := <-panics:
		panic(p)
	default:
	}
}
