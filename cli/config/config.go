// Package config reads wirelab.yaml, the WIRELAB_* environment and the values
// of flags into one typed Config, and knows where each value comes from.
//
// One table (Keys) drives it all: what the file may hold, the names of the
// variables, the flags that cli offers, ranges, defaults, `wirelab config init`
// and docs/configuration.md. Load is a pure function of its Input, so that a
// running server can call it again.
package config

import (
	"log/slog"
	"net/netip"
	"time"

	"wirelab/internal/setting"
	"wirelab/internal/sys/socket"
)

// A Config is a complete configuration: every key has a value.
type Config struct {
	Server Server
	Client Client
	Time   Time
	Logs   Logs

	file     string
	origins  map[string]string
	sections map[string]setting.Value
}

// Server holds what the TCP server does, and what both servers share.
type Server struct {
	Enabled      bool // whether up starts the TCP server
	Bind         netip.Addr
	Port         uint16 // 0: any free one
	AutoPort     bool
	Engine       string
	Loops        int // 0: one for each core
	Handler      string
	Buffer       int64         // bytes
	MaxConns     int           // 0: no limit
	MaxPerIP     int           // 0: no limit
	IdleTimeout  time.Duration // 0: none
	DrainTimeout time.Duration
	Allow        []netip.Prefix // empty: all
	Deny         []netip.Prefix
	TLS          bool   // with a generated certificate, unless TLSCert is set
	TLSCert      string // set together with TLSKey, or not at all
	TLSKey       string
	Socket       socket.Options
	UDP          UDPServer
	NTP          NTPServer
}

// UDPServer holds what differs for the UDP server.
type UDPServer struct {
	Enabled  bool // whether up starts it
	Bind     netip.Addr
	Port     uint16
	AutoPort bool
	Handler  string
	Buffer   int64 // bytes
	Workers  int   // 0: one a core
	Batch    int
	GRO      bool
	GSO      bool

	ClockOffset time.Duration
	Socket      socket.Options
}

// NTPServer holds what the NTP server does.
type NTPServer struct {
	Enabled      bool // whether up starts it
	Bind         netip.Addr
	Port         uint16
	AutoPort     bool
	LocalStratum int // 0: not synchronised
	Rate         int // requests a second from one address; 0: no limit
	Burst        int // of them at once
	NTS          bool
	NTSPort      uint16
	NTSCert      string // set together with NTSKey, or not at all; empty: a generated one
	NTSKey       string
	NTSCertOut   string // where a generated certificate is written to; empty: nowhere
}

// Client holds where clients connect to unless told.
type Client struct {
	Server string // an address or a host name
	Port   uint16
}

// Time holds how this host's clock is kept in step with NTP servers.
type Time struct {
	Enabled     bool // whether up does it
	Servers     []string
	Steer       bool // correct the clock, not only measure it
	Step        string
	MinPoll     time.Duration // 0: as the servers call for
	MaxPoll     time.Duration
	Panic       time.Duration // 0: no correction is too great
	MaxDistance time.Duration
	Burst       int
	DriftFile   string // empty: none
	AllowPublic bool
	NTS         bool
	NTSPort     uint16
	NTSCA       string // empty: what the system trusts
}

// Logs holds where log files go and what is in them.
type Logs struct {
	Dir     string // empty: no log files
	Level   slog.Level
	MaxSize int64 // bytes
	Keep    int
	MaxAge  time.Duration // 0: for ever
}

// File returns the name of the file that was read; empty: none was.
func (c *Config) File() string { return c.file }

// Origin says where the value of a key comes from: "default", a place in the
// file such as "wirelab.yaml:3:9", a variable such as "WIRELAB_SERVER_PORT", a
// flag such as "--port", or the name of the key whose value it follows.
func (c *Config) Origin(key string) string { return c.origins[key] }

// Section returns the value of an open section of the file, which its owner has
// checked; Null where the file has none.
func (c *Config) Section(name string) setting.Value { return c.sections[name] }
