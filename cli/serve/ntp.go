package serve

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"wirelab/cli/config"
	"wirelab/cli/term"
	clocks "wirelab/cli/time"
	clockntp "wirelab/clock/ntp"
	"wirelab/clock/nts"
	"wirelab/clock/steer"
	"wirelab/internal/atomicfile"
	"wirelab/internal/task"
	"wirelab/server"
	"wirelab/server/ntp"
	"wirelab/server/udp"
)

func (a *app) newServeNTPCommand() *cobra.Command {
	var flags serviceFlags
	cmd := &cobra.Command{
		Use:   "ntp",
		Short: "Run an NTP server",
		Long: "Runs an NTPv4 server (RFC 5905): requests and answers are stamped by the kernel,\n" +
			"clients that speak the interleaved mode (RFC 9769; chrony's xleave) get the time\n" +
			"at which an answer really left, and those that ask too often a kiss-o'-death.\n\n" +
			"The clock of this host is served as it is. Nothing here knows how good it is, so\n" +
			"that answers say \"not synchronised\" (leap indicator 3, stratum 0), and no client\n" +
			"sets its clock by them, unless --local-stratum vouches for it. In wirelab up, with\n" +
			"time.servers, it is known, and told.\n\n" +
			"With --nts, answers are authenticated for clients that exchange keys first (NTS, RFC\n" +
			"8915): give --nts-cert and --nts-key, or let a certificate for the address be made and\n" +
			"written to --nts-cert-out, for clients to trust.\n\n" +
			strings.TrimSpace(reloadHelp),
		Example: "  wirelab serve ntp --local-stratum 10\n" +
			"  wirelab time measure 127.0.0.1:12123                  # in another terminal\n" +
			"  wirelab serve ntp --local-stratum 10 --nts --nts-cert-out cert.pem",
		Args: term.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runService(cmd, flags, openNTP) },
	}
	a.BindSettings(cmd, "server.ntp.bind", "server.ntp.port", "server.ntp.auto_port", "server.ntp.local_stratum",
		"server.ntp.rate", "server.ntp.burst", "server.ntp.nts", "server.ntp.nts_port", "server.ntp.nts_cert", "server.ntp.nts_key",
		"server.ntp.nts_cert_out", "server.allow", "server.deny")
	flags.add(cmd)
	return cmd
}

// openNTP opens the NTP server that the configuration describes, with its key exchange.
func openNTP(s *service) (part, error) {
	c := s.cfg.Server.NTP
	keys, err := ntsKeys(c)
	if err != nil {
		return part{}, err
	}
	responder, err := ntp.New(ntp.Config{RatePerSecond: float64(c.Rate), Burst: c.Burst, NTS: keys})
	if err != nil {
		return part{}, err
	}
	var local *ntp.Reference
	if c.LocalStratum > 0 {
		reference := ntp.LocalReference(uint8(c.LocalStratum), s.since)
		local = &reference
	}
	responder.SetReference(local)
	s.synced = func(st steer.Status) { responder.SetReference(cmp.Or(inherited(st), local)) }
	srv, err := ntp.Listen(udp.Config{
		Addr: netip.AddrPortFrom(c.Bind, c.Port), AutoPort: c.AutoPort,
		Access: &s.access, Log: s.logs.Component("server-ntp"),
	}, responder)
	if err != nil {
		return part{}, explainListen(err, c.Bind, c.AutoPort)
	}
	p := part{listening: s.listening("udp", srv.Addr(), "ntp"), run: srv.Run, close: srv.Close, source: srv}
	if keys == nil {
		return p, nil
	}
	if err := s.addKeyExchange(&p, c, keys, srv.Addr().Port()); err != nil {
		return part{}, errors.Join(err, srv.Close())
	}
	return p, nil
}

// openTime opens what keeps the clock in step, and tells the NTP server how good that is.
func openTime(s *service) (part, error) {
	synced := s.synced
	if synced == nil {
		synced = func(steer.Status) {}
	}
	sync, err := clocks.OpenSync(s.cmd.Context(), s.app.Console, s.cfg, s.logs.Component("time-sync"), synced)
	if err != nil {
		return part{}, err
	}
	began := sync.Began()
	return part{following: &began, run: sync.Run, close: sync.Close, source: sync}, nil
}

// inherited returns what an NTP server tells of a clock that follows others; nil: it does
// not follow any. The clock is served as it is: what it is off, where it is not
// steered, is within the bound, and so in the root dispersion.
func inherited(st steer.Status) *ntp.Reference {
	if st.Stratum >= 16 {
		return nil
	}
	return &ntp.Reference{
		Leap: clockntp.Leap(st.Leap), Stratum: uint8(st.Stratum), ID: clockntp.ReferenceID(st.Reference),
		Time: st.At, RootDelay: st.RootDelay, RootDispersion: st.RootDispersion,
	}
}

// ntsKeys returns nil without NTS.
func ntsKeys(c config.NTPServer) (*nts.Server, error) {
	if !c.NTS && c.NTSCert == "" {
		return nil, nil
	}
	return nts.NewServer()
}

// addKeyExchange opens the key exchange of an NTP server, and makes it a part of it: neither
// is of use without the other.
func (s *service) addKeyExchange(p *part, c config.NTPServer, keys *nts.Server, port uint16) error {
	cfg, err := term.Await(s.cmd.Context(), func() (*tls.Config, error) { return ntsTLS(c) })
	if err != nil {
		return err
	}
	exchange, err := ntp.ListenKeyExchange(ntp.KeyExchangeConfig{
		Addr: netip.AddrPortFrom(c.Bind, c.NTSPort), TLS: cfg, Keys: keys, Port: port,
		Access: &s.access, Log: s.logs.Component("server-ntp"),
	})
	if err != nil {
		return fmt.Errorf("%w; choose another port with --nts-port", err)
	}
	p.listening.NTS, p.listening.TLSFingerprint = exchange.Addr().String(), server.Fingerprint(cfg)
	run, shut := p.run, p.close
	p.run = func(ctx context.Context) error {
		return task.Run(ctx, task.Stage{{Name: "ntp", Run: run}, {Name: "nts key exchange", Run: exchange.Run}})
	}
	p.close = func() error { return errors.Join(shut(), exchange.Close()) }
	return nil
}

// ntsTLS returns the certificate of the key exchange, and writes a generated one where it
// is wanted.
func ntsTLS(c config.NTPServer) (*tls.Config, error) {
	if c.NTSCert != "" {
		loaded, err := server.LoadTLS(c.NTSCert, c.NTSKey)
		if err != nil {
			return nil, term.Usagef("%w", err)
		}
		return loaded, nil
	}
	cfg, err := server.GenerateTLS(c.Bind.String())
	if err != nil || c.NTSCertOut == "" {
		return cfg, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cfg.Certificates[0].Certificate[0]})
	if err := atomicfile.Write(c.NTSCertOut, text, 0o644); err != nil {
		return nil, fmt.Errorf("--nts-cert-out: %w", err)
	}
	return cfg, nil
}
