package time

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"wirelab/cli/term"
	"wirelab/clock/discipline"
	"wirelab/clock/ntp"
	"wirelab/clock/probe"
	"wirelab/clock/steer"
)

// ntpPort is where NTP servers listen.
const ntpPort = "123"

// maxServers is how many servers one daemon asks.
const maxServers = 32

// serverAddress returns HOST:PORT of what was written, which may lack the port.
func serverAddress(word string) (string, error) {
	bare := strings.TrimSuffix(strings.TrimPrefix(word, "["), "]")
	if addr, err := netip.ParseAddr(bare); err == nil {
		return net.JoinHostPort(addr.String(), ntpPort), nil
	}
	if !strings.Contains(word, ":") && word != "" {
		return net.JoinHostPort(word, ntpPort), nil
	}
	host, port, err := net.SplitHostPort(word)
	if err != nil || host == "" || port == "" {
		return "", term.Usagef("%q is not a server: write HOST, HOST:PORT or [IPv6]:PORT", word)
	}
	if _, err := net.LookupPort("udp", port); err != nil {
		return "", term.Usagef("%q: %q is not a port", word, port)
	}
	return net.JoinHostPort(host, port), nil
}

// A remote is one NTP server, as a source of the daemon. It is asked by one goroutine.
type remote struct {
	word    string // as it was written
	address string // HOST:PORT
	from    netip.Addr
	burst   int
	public  bool // public servers may be asked
	nts     ntsFlags
	client  *ntp.Client
	peer    netip.AddrPort
	failed  int // since the last answer
	family  term.Family
	lookups int // of the name so far
}

// redialAfter is after how many requests without an answer a name is looked up anew.
const redialAfter = 4

// resolve looks up the server.
func (r *remote) resolve(ctx context.Context) error {
	all, err := r.family.Lookup(ctx, r.address)
	if err != nil {
		return term.ExplainHost(err)
	}
	peer := all[r.lookups%len(all)] // another one when that before did not answer
	r.lookups++
	if probe.Public(peer.Addr()) && !r.public {
		return term.Usagef("%s is a public address (%s): it is asked only with --allow-public", r.word, peer.Addr())
	}
	r.peer = peer
	return nil
}

// open opens a socket for the server, with NTS after an exchange of keys, which also
// says where the server is.
func (r *remote) open(ctx context.Context) (err error) {
	cfg := ntp.Config{Server: r.peer, From: r.from, Basic: probe.Public(r.peer.Addr())}
	if r.nts.on {
		session, err := r.nts.session(ctx, r.address)
		if err != nil {
			return err
		}
		if cfg.Server = session.Server(); probe.Public(cfg.Server.Addr()) && !r.public {
			return term.Usagef("%s says that its NTP server is %s, a public address: it is asked only with --allow-public", r.word, cfg.Server)
		}
		cfg.Protection = session
	}
	r.client, err = ntp.Dial(cfg)
	return err
}

func (r *remote) close() {
	if r.client != nil {
		r.client.Close()
		r.client = nil
	}
}

// ask implements steer.Source.
func (r *remote) ask(ctx context.Context) (steer.Measurement, error) {
	if r.failed >= redialAfter {
		r.close()
		if err := r.resolve(ctx); err != nil {
			return steer.Measurement{}, err
		}
		r.failed = 0
	}
	if r.client == nil {
		if err := r.open(ctx); err != nil {
			r.failed++
			return steer.Measurement{}, err
		}
	}
	answer, err := r.client.Burst(ctx, r.burst)
	if err != nil {
		r.failed++
		return steer.Measurement{}, err
	}
	if err := r.follows(&answer.Facts); err != nil {
		return steer.Measurement{}, err
	}
	r.failed = 0
	m := measurement(&answer)
	m.Server = r.client.Server().Addr()
	return m, nil
}

// follows returns an error if the server follows this host, which its reference ID tells (RFC
// 5905, section 7.3). On a loopback address there may be several servers, so that it tells nothing.
func (r *remote) follows(f *ntp.Facts) error {
	own := r.client.Local()
	if f.Stratum > 1 && !own.IsLoopback() && f.ReferenceID == ntp.ReferenceID(own) {
		return fmt.Errorf("%s follows this host (%s): following each other, both would drift away", r.word, own)
	}
	return nil
}

// measurement makes of an answer what the daemon takes.
func measurement(a *ntp.Answer) steer.Measurement {
	e := &a.Exchange
	sent := time.Duration(e.T1.Time.UnixNano())
	m := steer.Measurement{
		Middle: sent + e.T4.Sub(e.T1)/2,
		Offset: e.Offset(), Delay: e.Delay(), Dispersion: e.Error,
		RootDelay: a.Facts.RootDelay, RootDispersion: a.Facts.RootDispersion,
		Stratum: int(a.Facts.Stratum), Leap: discipline.Leap(a.Facts.Leap),
		Reference: a.Facts.Reference, Stamps: e.Source().String(),
	}
	if e.Mixed() {
		m.Stamps = fmt.Sprintf("%s, %s", e.T1.Source, e.T4.Source)
	}
	return m
}

// openServers resolves all servers. The caller closes them, also after an error.
func openServers(ctx context.Context, words []string, f *syncFlags) ([]*remote, error) {
	if len(words) > maxServers {
		return nil, term.Usagef("%d servers are more than %d", len(words), maxServers)
	}
	var from netip.Addr
	if f.bind != "" {
		var err error
		if from, err = netip.ParseAddr(f.bind); err != nil {
			return nil, term.Usagef("--bind %q: not an IP address", f.bind)
		}
	}
	var all []*remote
	known := make(map[netip.AddrPort]string)
	for _, word := range words {
		address, err := serverAddress(word)
		if err != nil {
			return nil, err
		}
		r := &remote{word: word, address: address, from: from, burst: f.Burst, public: f.AllowPublic, family: f.family, nts: ntsFlags{f.NTS, f.NTSPort, f.NTSCA}}
		if err := r.resolve(ctx); err != nil {
			return nil, err
		}
		if other, twice := known[r.peer]; twice {
			return nil, term.Usagef("%s and %s are the same server, %s: it would vote twice", other, word, r.peer)
		}
		known[r.peer] = word
		if f.NTS { // what is wrong with certificates is best said at once
			if err := r.open(ctx); err != nil {
				return all, err
			}
		}
		all = append(all, r)
	}
	return all, nil
}
