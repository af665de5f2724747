package load

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"slices"
	"time"

	"wirelab/internal/sys"
	"wirelab/internal/sys/process"
	"wirelab/internal/sys/socket"
	"wirelab/load/payload"
)

// Bounds of a run.
const (
	MaxClients  = 1 << 20
	MaxMessages = 1_000_000_000_000 // a client; seq messages number so many
	MaxTimeout  = time.Hour         // longer latencies do not fit the histograms
	MaxDatagram = 65507             // bytes that a UDP datagram over IPv4 carries
	MaxRate     = 1e8               // messages/s
	MaxTargets  = 1024
	maxLoops    = 1024

	MaxOutstanding = 1 << 17 // messages of a client

	leastOutstanding = 128 // unless told otherwise
	leastInterval    = 50 * time.Millisecond
	defaultTimeout   = 5 * time.Second
)

// Config says what a run does.
//
// Without a Rate each client sends a message as soon as its last one was answered: a
// closed loop. With a Rate messages have their times, whatever the answers do: an open
// loop. A Flood sends without waiting for answers.
type Config struct {
	Network  string           // "tcp" or "udp"
	Target   netip.AddrPort   // of the server
	Targets  []netip.AddrPort // of several servers, instead of Target, dealt out to the clients in turn
	Sources  Sources          // that clients connect from; zero: as the kernel chooses
	Clients  int              // concurrent clients, each with a socket of its own
	Messages uint64           // that each client sends; 0: as many as fit in Duration
	Duration time.Duration    // after which no message is sent; 0: when all Messages were sent
	Payload  *payload.Payload
	Timeout  time.Duration // of a connect and of an answer; 0: 5 s
	Loops    int           // event loops, each on an OS thread of its own; 0: one a core, half of them for a server on this host

	Rate        float64       // messages/s of all clients together; 0: a closed loop or a flood
	Ramp        time.Duration // for which the rate, or in a closed loop the number of clients, rises from 0
	Outstanding int           // messages that a client awaits answers to at once, in an open loop, from 1 to MaxOutstanding; 0: enough
	Flood       bool          // TCP only
	FailFast    bool          // a TCP client whose connection fails ends, and does not connect anew
	Reconnect   uint64        // messages after which a client connects anew, TCP only; 0: never

	// AskReceiver has a wirelab server asked, before and after a run of datagrams, what
	// it counted. Any other server gets a datagram that it does not understand.
	AskReceiver bool

	TLS         *tls.Config    // of TCP clients; nil: none
	Socket      socket.Options // of all clients
	Percentiles []float64      // that are reported beside the usual ones, from 0 to less than 100

	// Interval is for how long each of the parts is that Report, if not nil, is told of while
	// the run goes on; 0: there are none. The last one is what is left, and their sum is
	// what the report of the run says.
	Interval time.Duration
	Report   func(Part)

	// Progress, if not nil, is called now and then while the run goes on, and never
	// once Run has returned. It should return soon.
	Progress func(Progress)
	// Begin and End, if not nil, are called once each: Begin when all clients are
	// connected and none has sent a message yet, End when the last answer has come and
	// the connections are still open; those of a Flood have ended by then. Nothing is
	// measured while they run. They are for who accounts for what the server needs for
	// the messages alone.
	Begin, End func()
	Log        *slog.Logger // nil: nothing is logged
}

// Progress is how far a run has come.
type Progress struct {
	Elapsed    time.Duration // since the first message; 0 while clients connect
	Clients    int
	Connected  int
	Messages   uint64 // to be sent in all; 0: not known
	Sent       uint64
	Received   uint64
	Mismatched uint64
	Errors     uint64
}

// ErrConfig reports a run that makes no sense.
var ErrConfig = errors.New("cannot run that")

// A DescriptorError reports that this process may not open as many descriptors
// as the clients need. It matches sys.ErrNotPermitted.
type DescriptorError struct{ Clients, Need, Limit int }

func (e *DescriptorError) Error() string {
	return fmt.Sprintf("%d clients need %d descriptors and this process may open %d; raise the limit (ulimit -Hn %d) or use fewer clients",
		e.Clients, e.Need, e.Limit, e.Need)
}

// Is makes a DescriptorError match sys.ErrNotPermitted.
func (e *DescriptorError) Is(target error) bool { return target == sys.ErrNotPermitted }

// enoughLoops returns one loop for each core, or half as many when the server is
// on this host and needs cores too: more would only take turns with it.
func (c *Config) enoughLoops() int {
	cores := runtime.GOMAXPROCS(0)
	targets := c.Targets
	if len(targets) == 0 {
		targets = []netip.AddrPort{c.Target}
	}
	for _, t := range targets {
		if !t.Addr().IsLoopback() {
			return cores
		}
	}
	return max(cores/2, 1)
}

// FixLoops sets Loops, if it is 0, to as many as Run would take, and returns how many
// goroutines Go should run at a time (see runtime.GOMAXPROCS) for the run to go well: one
// more than there are loops. Else Go's monitor has to take the place of every loop that
// sleeps in the kernel away. The setting is the process's, so its owner makes it, after
// this call: how many loops Run takes depends on it.
func (c *Config) FixLoops() (processors int) {
	if c.Loops == 0 {
		c.Loops = c.enoughLoops()
	}
	return max(min(c.Loops, c.Clients, maxLoops), 1) + 1
}

// withDefaults returns the configuration with zeros replaced, or why it cannot be run.
func (c Config) withDefaults() (Config, error) {
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if len(c.Targets) == 0 {
		c.Targets = []netip.AddrPort{c.Target}
	}
	if c.Loops == 0 {
		c.Loops = c.enoughLoops()
	}
	c.Loops = min(c.Loops, c.Clients)
	if c.Outstanding == 0 {
		c.Outstanding = c.enoughOutstanding()
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	for _, rule := range c.rules() {
		if rule.broken {
			return c, fmt.Errorf("%w: %s", ErrConfig, rule.text)
		}
	}
	return c, c.reserveDescriptors()
}

type configRule struct {
	broken bool
	text   string
}

func (c *Config) rules() []configRule {
	return slices.Concat([]configRule{
		{c.Network != "tcp" && c.Network != "udp", fmt.Sprintf("network %q is neither tcp nor udp", c.Network)},
		{c.Clients < 1 || c.Clients > MaxClients, fmt.Sprintf("clients must be between 1 and %d, not %d", MaxClients, c.Clients)},
		{c.Messages > MaxMessages, fmt.Sprintf("messages must be at most %d, not %d", uint64(MaxMessages), c.Messages)},
		{c.Duration < 0, "the duration is negative"},
		{c.Messages == 0 && c.Duration == 0, "neither messages nor duration say when to end"},
		{c.Timeout < time.Millisecond || c.Timeout > MaxTimeout, fmt.Sprintf("timeout must be between 1ms and %v, not %v", MaxTimeout, c.Timeout)},
		{c.Loops < 1 || c.Loops > maxLoops, fmt.Sprintf("loops must be between 1 and %d, not %d", maxLoops, c.Loops)},
		{c.Payload == nil, "no payload"},
		{c.Network == "udp" && c.Payload != nil && c.Payload.Len() > MaxDatagram,
			fmt.Sprintf("a datagram carries at most %d bytes", MaxDatagram)},
		{c.Network != "tcp" && c.TLS != nil, "only TCP clients speak TLS"},
		{c.Interval < 0 || c.Interval > 0 && c.Interval < leastInterval, fmt.Sprintf("an interval takes at least %v", leastInterval)},
		{slices.ContainsFunc(c.Percentiles, func(p float64) bool { return !(p >= 0 && p < 100) }), "percentiles are from 0 to less than 100"},
	}, c.addressRules(), c.paceRules())
}

func (c *Config) addressRules() []configRule {
	source := c.Sources.first
	unlike := func(a netip.AddrPort) bool { return source.IsValid() && a.Addr().Unmap().Is4() != source.Is4() }
	nowhere := func(a netip.AddrPort) bool { return !a.IsValid() || a.Port() == 0 }
	return []configRule{
		{slices.ContainsFunc(c.Targets, nowhere), "the target has no address or no port"},
		{len(c.Targets) > MaxTargets, fmt.Sprintf("at most %d targets, not %d", MaxTargets, len(c.Targets))},
		{slices.ContainsFunc(c.Targets, unlike), "sources and targets are not of one family (IPv4, IPv6)"},
	}
}

func (c *Config) paceRules() []configRule {
	return []configRule{
		{!(c.Rate >= 0 && c.Rate <= MaxRate), fmt.Sprintf("the rate must be at most %g messages/s", float64(MaxRate))},
		{c.Rate > 0 && c.Rate < 0.001, "the rate must be at least 0.001 messages/s"},
		{c.Ramp < 0, "the ramp is negative"},
		{c.Duration > 0 && c.Ramp > c.Duration, fmt.Sprintf("the ramp of %v does not end within the duration of %v", c.Ramp, c.Duration)},
		{c.Outstanding < 1, fmt.Sprintf("outstanding messages must be between 1 and %d", MaxOutstanding)},
		{c.Outstanding > MaxOutstanding, fmt.Sprintf("a client can have at most %d outstanding messages, not %d: use more clients or a shorter timeout",
			MaxOutstanding, c.Outstanding)},
		{c.Network == "udp" && c.Rate > 0 && c.Payload != nil && !c.Payload.TellsApart(),
			"datagrams at a rate need answers that can be told apart: payload seq (22 bytes or more), random:SEED (8 or more) or stamp"},
		{c.Flood && c.Network != "tcp", "a flood of answered datagrams makes no sense; for one-way datagrams use --fast"},
		{c.Flood && c.Rate > 0, "a flood has no rate: it sends what the peer takes"},
		{c.Flood && c.Payload != nil && c.Payload.Stamped(), "a flood does not carry the time: use another payload"},
		{c.Reconnect > 0 && (c.Network != "tcp" || c.Flood), "only TCP clients that await answers reconnect"},
		{c.Reconnect > MaxMessages, fmt.Sprintf("reconnect after at most %d messages", uint64(MaxMessages))},
	}
}

// enoughOutstanding returns how many answers a client of an open loop may await: so
// many that those that are missing hold back no message until they are given up, and
// twice as many where that is allowed. Of datagrams it may be more than
// MaxOutstanding, which is refused: one that is lost would hold back others. Over TCP
// answers are lost with their connection only, and a window that fills up is told.
func (c *Config) enoughOutstanding() int {
	if c.Rate == 0 {
		return 1
	}
	awaited := c.Rate * c.awaitedPerRate()
	enough := max(min(2*awaited, MaxOutstanding), leastOutstanding)
	if c.Network == "udp" {
		enough = max(enough, awaited)
	}
	return int(enough)
}

// awaitedPerRate returns how many messages a client has begun, at one message/s of all
// clients, by the time that it gives the first of them up (see loop.expire).
func (c *Config) awaitedPerRate() float64 {
	return (c.Timeout + c.Timeout/8).Seconds() / float64(max(c.Clients, 1))
}

// mostRate returns the highest rate for which there is an Outstanding that is enough.
func (c *Config) mostRate() float64 {
	if c.Network != "udp" || c.Outstanding > 0 {
		return MaxRate
	}
	return min(MaxOutstanding/c.awaitedPerRate(), MaxRate)
}

// DescriptorReserve is kept for log files, the terminal and the Go runtime.
const DescriptorReserve = 16

func (c *Config) reserveDescriptors() error {
	limit, used, err := process.DescriptorLimit()
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	need := used + c.Clients + 2*c.Loops + DescriptorReserve
	if need > limit {
		return &DescriptorError{Clients: c.Clients, Need: need, Limit: limit}
	}
	if err := process.ReserveDescriptors(need); err != nil { // or dialling would wait for it
		return fmt.Errorf("load: %w", err)
	}
	return nil
}
