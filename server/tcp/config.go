package tcp

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"time"

	"wirelab/internal/sys/socket"
	"wirelab/server"
)

// Defaults and bounds of Config.
const (
	DefaultBuffer       = 16 << 10
	MinBuffer           = 64
	MaxBuffer           = 16 << 20
	MaxLoops            = 1024
	DefaultDrainTimeout = 5 * time.Second
)

// Config says what a TCP server does. Zero values are the defaults.
type Config struct {
	Addr        netip.AddrPort // where to listen; port 0 takes a free one
	AutoPort    bool           // take the next free port when Addr's is busy
	Engine      string         // a name of Engines, or AutoEngine; default the first
	Handler     Handler        // required
	HandlerName string         // for the status and the logs
	Buffer      int            // bytes read at once, and the most that may wait unconsumed
	Loops       int            // event loops of the engines that have them; 0: one for each core
	MaxConns    int            // connections at one time; 0: as many as the machine can hold
	MaxPerIP    int            // connections at one time from one address; 0: no limit
	IdleTimeout time.Duration  // silence after which a connection is ended; 0: never
	// DrainTimeout bounds how long connections may take to finish after Run's
	// context has ended; 0 is DefaultDrainTimeout.
	DrainTimeout time.Duration
	Access       *server.Access // from where connections are taken; nil: from everywhere
	TLS          *tls.Config    // nil: plain TCP
	Socket       socket.Options // of all connections
	Log          *slog.Logger
}

func (cfg *Config) complete() error {
	if cfg.Handler == nil {
		return errors.New("a TCP server needs a handler")
	}
	if cfg.Engine == "" {
		cfg.Engine = Engines()[0].Name
	}
	if cfg.Buffer == 0 {
		cfg.Buffer = DefaultBuffer
	}
	if cfg.Buffer < MinBuffer || cfg.Buffer > MaxBuffer {
		return fmt.Errorf("a buffer of %d bytes is outside %d to %d", cfg.Buffer, MinBuffer, MaxBuffer)
	}
	if cfg.Loops == 0 {
		cfg.Loops = runtime.GOMAXPROCS(0)
	}
	if cfg.Loops < 0 || cfg.Loops > MaxLoops {
		return fmt.Errorf("%d event loops are outside 1 to %d", cfg.Loops, MaxLoops)
	}
	if cfg.DrainTimeout == 0 {
		cfg.DrainTimeout = DefaultDrainTimeout
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}
