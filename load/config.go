package load

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"time"

	"wirelab/internal/sys"
)

// Bounds of a run.
const (
	MaxClients  = 1 << 20
	MaxMessages = 1_000_000_000_000 // a client; seq messages number so many
	MaxTimeout  = time.Hour         // longer latencies do not fit the histograms
	MaxDatagram = 65507             // bytes that a UDP datagram over IPv4 carries
)

// Config says what a run does.
type Config struct {
	Network  string         // "tcp" or "udp"
	Target   netip.AddrPort // of the server
	Clients  int            // concurrent clients, each with a socket of its own
	Messages uint64         // that each client sends; 0: as many as fit in Duration
	Duration time.Duration  // after which no message is sent; 0: when all Messages were sent
	Payload  *Payload
	Timeout  time.Duration // of a connect and of an answer; 0: 5 s
	Loops    int           // event loops, each on an OS thread of its own; 0: one a core

	// Progress, if not nil, is called now and then while the run goes on, and never
	// once Run has returned. It should return soon.
	Progress func(Progress)
	// Begin and End, if not nil, are called once each: Begin when all clients are
	// connected and none has sent a message yet, End when the last answer has come and
	// the connections are still open. Nothing is measured while they run. They are
	// for who accounts for what the server needs for the messages alone.
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

// withDefaults returns the configuration with zeros replaced, or why it cannot be run.
func (c Config) withDefaults() (Config, error) {
	if c.Timeout == 0 {
		c.Timeout = 5 * time.Second
	}
	if c.Loops == 0 {
		c.Loops = runtime.GOMAXPROCS(0)
	}
	c.Loops = min(c.Loops, c.Clients)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	for _, rule := range c.rules() {
		if rule.broken {
			return c, fmt.Errorf("%w: %s", ErrConfig, rule.text)
		}
	}
	return c, c.checkDescriptors()
}

type configRule struct {
	broken bool
	text   string
}

func (c *Config) rules() []configRule {
	return []configRule{
		{c.Network != "tcp" && c.Network != "udp", fmt.Sprintf("network %q is neither tcp nor udp", c.Network)},
		{!c.Target.IsValid() || c.Target.Port() == 0, "the target has no address or no port"},
		{c.Clients < 1 || c.Clients > MaxClients, fmt.Sprintf("clients must be between 1 and %d, not %d", MaxClients, c.Clients)},
		{c.Messages > MaxMessages, fmt.Sprintf("messages must be at most %d, not %d", uint64(MaxMessages), c.Messages)},
		{c.Duration < 0, "the duration is negative"},
		{c.Messages == 0 && c.Duration == 0, "neither messages nor duration say when to end"},
		{c.Timeout < time.Millisecond || c.Timeout > MaxTimeout, fmt.Sprintf("timeout must be between 1ms and %v, not %v", MaxTimeout, c.Timeout)},
		{c.Loops < 1 || c.Loops > 1024, fmt.Sprintf("loops must be between 1 and 1024, not %d", c.Loops)},
		{c.Payload == nil, "no payload"},
		{c.Network == "udp" && c.Payload != nil && c.Payload.Len() > MaxDatagram,
			fmt.Sprintf("a datagram carries at most %d bytes", MaxDatagram)},
	}
}

// descriptorReserve is kept for log files, the terminal and the Go runtime.
const descriptorReserve = 16

func (c *Config) checkDescriptors() error {
	limit, used, err := sys.DescriptorLimit()
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	need := used + c.Clients + 2*c.Loops + descriptorReserve
	if need > limit {
		return &DescriptorError{Clients: c.Clients, Need: need, Limit: limit}
	}
	return nil
}
