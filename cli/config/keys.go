package config

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"wirelab/internal/setting"
)

// A Key is one setting.
type Key struct {
	Name    string // path in the file, such as "server.udp.port"
	Kind    string // what kind of value, such as "port" or "duration"
	Allowed string // which values, in words
	Doc     string // what it does: one or two sentences
	List    bool   // takes any number of values
	Switch  bool   // true or false
	Follows string // has the value of that key unless it is set itself

	initial []string // the default, as it would be written
	binding
}

// Section returns the part of the name before the last dot.
func (k Key) Section() string { return k.Name[:strings.LastIndexByte(k.Name, '.')] }

// Leaf returns the part of the name after the last dot.
func (k Key) Leaf() string { return k.Name[strings.LastIndexByte(k.Name, '.')+1:] }

// Env returns the name of the environment variable that sets the key.
func (k Key) Env() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(k.Name, ".", "_"))
}

// Flag returns the name of the key's flag, without dashes in front.
func (k Key) Flag() string { return strings.ReplaceAll(k.Leaf(), "_", "-") }

// Default returns the default as it would be written in the file, or for a
// key that follows another "as" and its name.
func (k Key) Default() string {
	if k.Follows != "" {
		return "as " + k.Follows
	}
	return k.format(k.initial)
}

// Text returns the key's value in c, as it would be written in the file.
func (k Key) Text(c *Config) string { return k.format(k.items(c)) }

// Value returns the key's value in c for JSON: a bool, a number, a string as
// it would be written in the file, or a list of such strings.
func (k Key) Value(c *Config) any { return k.json(c) }

func (k Key) format(items []string) string {
	if !k.List {
		return setting.QuoteYAML(items[0])
	}
	quoted := make([]string, len(items))
	for i, item := range items {
		quoted[i] = setting.QuoteYAML(item)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// Lookup returns the key of that name.
func Lookup(name string) (Key, bool) {
	for _, section := range sections() {
		for i := range section {
			if section[i].Name == name {
				return section[i], true
			}
		}
	}
	return Key{}, false
}

// Keys returns all keys in the order in which they are shown. The slice
// belongs to the caller.
func Keys() []Key {
	return slices.Concat(sections()...)
}

func sections() [][]Key {
	return [][]Key{serverKeys, udpKeys, ntpKeys, clientKeys, timeKeys, logKeys}
}

const (
	day     = 24 * time.Hour
	maxList = 10_000 // entries of one list
)

var serverKeys = []Key{
	one("server.enabled", "true", boolean(), func(c *Config) *bool { return &c.Server.Enabled },
		"Whether 'wirelab up' starts the TCP server."),
	one("server.bind", "127.0.0.1", address(), func(c *Config) *netip.Addr { return &c.Server.Bind },
		"Address to listen on. 0.0.0.0 and :: mean every interface, and so everyone who can reach this host."),
	one("server.port", "12345", port(), func(c *Config) *uint16 { return &c.Server.Port },
		"Port to listen on; 0 takes a free one."),
	one("server.auto_port", "false", boolean(), func(c *Config) *bool { return &c.Server.AutoPort },
		"When the port is taken, take the next free one."),
	one("server.engine", "goroutine", name(), func(c *Config) *string { return &c.Server.Engine },
		"How TCP connections share the machine."),
	one("server.loops", "0", count(0, 1024), func(c *Config) *int { return &c.Server.Loops },
		"Event loops of the engines that have them. 0: one for each core."),
	one("server.handler", "echo", name(), func(c *Config) *string { return &c.Server.Handler },
		"What the TCP server does with what it receives."),
	one("server.buffer", "16KiB", size(64, 16<<20), func(c *Config) *int64 { return &c.Server.Buffer },
		"What is read at once of a TCP connection, and the longest line that it takes, with its end."),
	one("server.max_conns", "0", count(0, 1_000_000), func(c *Config) *int { return &c.Server.MaxConns },
		"TCP connections at one time; more are refused. 0: as many as there are descriptors, less a few for ps and logs."),
	one("server.max_per_ip", "0", count(0, 1_000_000), func(c *Config) *int { return &c.Server.MaxPerIP },
		"TCP connections from one address at one time. 0: no limit of its own."),
	one("server.idle_timeout", "0s", duration(0, 30*day), func(c *Config) *time.Duration { return &c.Server.IdleTimeout },
		"Closes a TCP connection that is silent for so long. 0s: never."),
	one("server.drain_timeout", "5s", duration(time.Millisecond, time.Hour), func(c *Config) *time.Duration { return &c.Server.DrainTimeout },
		"How long running answers may take to finish when the server is told to end."),
	many("server.allow", nil, prefix(), func(c *Config) *[]netip.Prefix { return &c.Server.Allow },
		"Networks and addresses that are served, over TCP and UDP; none means all. Read again on SIGHUP."),
	many("server.deny", nil, prefix(), func(c *Config) *[]netip.Prefix { return &c.Server.Deny },
		"Networks and addresses that are refused, whatever allow says. Read again on SIGHUP."),
	one("server.tls", "false", boolean(), func(c *Config) *bool { return &c.Server.TLS },
		"Speak TLS over TCP; without tls_cert, with a certificate made at start, whose fingerprint is printed."),
	one("server.tls_cert", "", path(), func(c *Config) *string { return &c.Server.TLSCert },
		"Certificate file in PEM; means TLS. Needs tls_key."),
	one("server.tls_key", "", path(), func(c *Config) *string { return &c.Server.TLSKey },
		"Private key file in PEM."),
	one("server.dscp", "0", dscp(), func(c *Config) *int { return &c.Server.Socket.DSCP },
		"Differentiated services code point of what is sent."),
	one("server.send_buffer", "0", bytes(0, 1<<30), func(c *Config) *int { return &c.Server.Socket.SendBuffer },
		"Bytes that may wait to be sent on a connection. 0: the kernel's choice, which grows."),
	one("server.receive_buffer", "0", bytes(0, 1<<30), func(c *Config) *int { return &c.Server.Socket.ReceiveBuffer },
		"Bytes that may wait to be read on a connection. 0: the kernel's choice, which grows."),
	one("server.nagle", "false", boolean(), func(c *Config) *bool { return &c.Server.Socket.Nagle },
		"Let small segments of TCP wait for acknowledgements (no TCP_NODELAY)."),
}

var udpKeys = []Key{
	one("server.udp.enabled", "true", boolean(), func(c *Config) *bool { return &c.Server.UDP.Enabled },
		"Whether 'wirelab up' starts the UDP server."),
	follow("server.bind", one("server.udp.bind", "", address(), func(c *Config) *netip.Addr { return &c.Server.UDP.Bind },
		"Address on which the UDP server listens.")),
	follow("server.port", one("server.udp.port", "", port(), func(c *Config) *uint16 { return &c.Server.UDP.Port },
		"Port on which the UDP server listens; 0 takes a free one.")),
	follow("server.auto_port", one("server.udp.auto_port", "", boolean(), func(c *Config) *bool { return &c.Server.UDP.AutoPort },
		"When the UDP port is taken, take the next free one.")),
	one("server.udp.handler", "timediff", name(), func(c *Config) *string { return &c.Server.UDP.Handler },
		"What the UDP server does with datagrams."),
	one("server.udp.buffer", "65507", size(64, 65507), func(c *Config) *int64 { return &c.Server.UDP.Buffer },
		"Bytes taken of a datagram; a longer one is counted and not answered."),
	one("server.udp.workers", "0", count(0, 64), func(c *Config) *int { return &c.Server.UDP.Workers },
		"Sockets that share the UDP port, each with a worker and peers of its own. 0: one a core."),
	one("server.udp.batch", "32", count(1, 1024), func(c *Config) *int { return &c.Server.UDP.Batch },
		"Messages that are read in one system call, each a datagram or, with gro, several."),
	one("server.udp.gro", "true", boolean(), func(c *Config) *bool { return &c.Server.UDP.GRO },
		"Take datagrams of one peer from the kernel as segments of one message (UDP_GRO)."),
	one("server.udp.gso", "true", boolean(), func(c *Config) *bool { return &c.Server.UDP.GSO },
		"Hand answers to such segments to the kernel as one message (UDP_SEGMENT)."),
	one("server.udp.clock_offset", "0s", duration(-day, day), func(c *Config) *time.Duration { return &c.Server.UDP.ClockOffset },
		"Pretend that the server's clock is so much ahead, or with a minus behind: to try how time is measured."),
	follow("server.dscp", one("server.udp.dscp", "", dscp(), func(c *Config) *int { return &c.Server.UDP.Socket.DSCP },
		"Differentiated services code point of answers.")),
	one("server.udp.send_buffer", "0", bytes(0, 1<<30), func(c *Config) *int { return &c.Server.UDP.Socket.SendBuffer },
		"Bytes that may wait to be sent on a socket. 0: the kernel's choice."),
	one("server.udp.receive_buffer", "0", bytes(0, 1<<30), func(c *Config) *int { return &c.Server.UDP.Socket.ReceiveBuffer },
		"Bytes that may wait to be read on a socket. 0: 4 MiB, or as much as the kernel grants."),
}

var ntpKeys = []Key{
	one("server.ntp.enabled", "false", boolean(), func(c *Config) *bool { return &c.Server.NTP.Enabled },
		"Whether 'wirelab up' starts the NTP server."),
	follow("server.bind", one("server.ntp.bind", "", address(), func(c *Config) *netip.Addr { return &c.Server.NTP.Bind },
		"Address on which the NTP server listens.")),
	one("server.ntp.port", "12123", port(), func(c *Config) *uint16 { return &c.Server.NTP.Port },
		"Port on which the NTP server listens; 0 takes a free one, and 123, NTP's own, needs privilege."),
	follow("server.auto_port", one("server.ntp.auto_port", "", boolean(), func(c *Config) *bool { return &c.Server.NTP.AutoPort },
		"When the NTP port is taken, take the next free one.")),
	one("server.ntp.local_stratum", "0", count(0, 15), func(c *Config) *int { return &c.Server.NTP.LocalStratum },
		"Serve this host's clock as synchronised, at this stratum, whatever it shows. 0: say that it is not."),
	one("server.ntp.rate", "0", count(0, 1_000_000), func(c *Config) *int { return &c.Server.NTP.Rate },
		"NTP requests a second that one address may send; more get a kiss-o'-death, then nothing. 0: no limit."),
	one("server.ntp.burst", "8", count(1, 1000), func(c *Config) *int { return &c.Server.NTP.Burst },
		"NTP requests that one address may send at once, where there is a rate."),
	one("server.ntp.nts", "false", boolean(), func(c *Config) *bool { return &c.Server.NTP.NTS },
		"Authenticate NTP (NTS, RFC 8915); without nts_cert, with a certificate made at start."),
	one("server.ntp.nts_port", "4460", port(), func(c *Config) *uint16 { return &c.Server.NTP.NTSPort },
		"TCP port of NTS key exchanges; 0 takes a free one."),
	one("server.ntp.nts_cert", "", path(), func(c *Config) *string { return &c.Server.NTP.NTSCert },
		"Certificate file in PEM for NTS; means nts. Needs nts_key."),
	one("server.ntp.nts_key", "", path(), func(c *Config) *string { return &c.Server.NTP.NTSKey },
		"Private key file in PEM for NTS."),
	one("server.ntp.nts_cert_out", "", path(), func(c *Config) *string { return &c.Server.NTP.NTSCertOut },
		"File that a generated certificate for NTS is written to, for clients to trust. \"\": none."),
}

var clientKeys = []Key{
	one("client.server", "127.0.0.1", host(), func(c *Config) *string { return &c.Client.Server },
		"Host that connect and load talk to when none is given."),
	one("client.port", "12345", targetPort(), func(c *Config) *uint16 { return &c.Client.Port },
		"Port that connect and load talk to when none is given."),
}

var timeKeys = []Key{
	one("time.enabled", "false", boolean(), func(c *Config) *bool { return &c.Time.Enabled },
		"Whether 'wirelab up' follows the NTP servers of this section; its own NTP server then says how good the clock is."),
	many("time.servers", nil, timeServer(), func(c *Config) *[]string { return &c.Time.Servers },
		"NTP servers to keep the clock in step with, such as 192.168.1.1 or [2001:db8::1]:123."),
	one("time.steer", "false", boolean(), func(c *Config) *bool { return &c.Time.Steer },
		"Correct the system clock, not only measure it; needs CAP_SYS_TIME."),
	one("time.step", "always", name(), func(c *Config) *string { return &c.Time.Step },
		"When the clock may be set at once; always: once it was right, only by 128 ms or more."),
	one("time.min_poll", "0s", duration(0, 36*time.Hour), func(c *Config) *time.Duration { return &c.Time.MinPoll },
		"Ask a server no sooner again. 0s: 1s, of public servers 64s."),
	one("time.max_poll", "17m4s", duration(time.Second/8, 36*time.Hour), func(c *Config) *time.Duration { return &c.Time.MaxPoll },
		"Ask a server no later again."),
	one("time.panic", "16m40s", duration(0, 365*day), func(c *Config) *time.Duration { return &c.Time.Panic },
		"Refuse a greater correction, forward or back, once the clock was right. 0s: none is too great."),
	one("time.max_distance", "1.5s", duration(time.Microsecond, time.Hour), func(c *Config) *time.Duration { return &c.Time.MaxDistance },
		"Refuse a source whose root distance is greater."),
	one("time.burst", "4", count(1, 64), func(c *Config) *int { return &c.Time.Burst },
		"Ask local servers so often at a time and take the answer of least delay."),
	one("time.drift_file", "", path(), func(c *Config) *string { return &c.Time.DriftFile },
		"File to keep the clock's frequency in, for the next start. \"\": none."),
	one("time.allow_public", "false", boolean(), func(c *Config) *bool { return &c.Time.AllowPublic },
		"Ask public servers too."),
	one("time.nts", "false", boolean(), func(c *Config) *bool { return &c.Time.NTS },
		"Authenticate NTP (NTS, RFC 8915): exchange keys with each server first."),
	one("time.nts_port", "4460", targetPort(), func(c *Config) *uint16 { return &c.Time.NTSPort },
		"TCP port of the key exchange."),
	one("time.nts_ca", "", path(), func(c *Config) *string { return &c.Time.NTSCA },
		"File of certificates in PEM to trust, and no others. \"\": those of the system."),
}

var logKeys = []Key{
	one("logs.dir", "logs", path(), func(c *Config) *string { return &c.Logs.Dir },
		"Directory of the log files, made when it is missing. \"\": no log files."),
	one("logs.level", "info", level(), levelOf,
		"The least severe lines that are written to the files."),
	one("logs.max_size", "10MB", size(1000, 1_000_000_000), func(c *Config) *int64 { return &c.Logs.MaxSize },
		"A log file of this size is put aside, compressed, and a new one begun."),
	one("logs.keep", "7", count(1, 1000), func(c *Config) *int { return &c.Logs.Keep },
		"How many files put aside are kept of each component."),
	one("logs.max_age", "30d", duration(0, 3650*day), func(c *Config) *time.Duration { return &c.Logs.MaxAge },
		"Files put aside are removed after this time. 0s: never."),
}
