package ntp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"wirelab/clock/nts"
	"wirelab/server"
)

const (
	// maxExchanges is how many key exchanges are served at a time; more wait.
	maxExchanges = 32
	// exchangeTime is how long one may take.
	exchangeTime = 5 * time.Second
	// exchangePause is how long none is accepted when there are no descriptors left.
	exchangePause = 50 * time.Millisecond
)

// KeyExchangeConfig says how keys are exchanged.
type KeyExchangeConfig struct {
	Addr   netip.AddrPort // where to listen, over TCP; port 0 takes a free one
	TLS    *tls.Config    // with the certificate
	Keys   *nts.Server    // whose cookies the NTP server knows
	Port   uint16         // of the NTP server, on the same address
	Access *server.Access // who is served; nil: everybody
	Log    *slog.Logger
}

// A KeyExchange serves NTS key exchanges (RFC 8915, section 4). It listens from
// ListenKeyExchange on, and answers while Run runs.
type KeyExchange struct {
	cfg      KeyExchangeConfig
	listener net.Listener
}

// ListenKeyExchange binds a key exchange to its address. The caller must call Run or Close.
func ListenKeyExchange(cfg KeyExchangeConfig) (*KeyExchange, error) {
	listener, err := net.Listen("tcp", cfg.Addr.String())
	if err != nil {
		return nil, fmt.Errorf("listen for NTS key exchanges: %w", err)
	}
	cfg.TLS = nts.ServerTLS(cfg.TLS)
	return &KeyExchange{cfg: cfg, listener: listener}, nil
}

// Addr returns the address that it listens on.
func (k *KeyExchange) Addr() netip.AddrPort {
	return k.listener.Addr().(*net.TCPAddr).AddrPort()
}

// Close closes what ListenKeyExchange opened, unless Run has.
func (k *KeyExchange) Close() error {
	_ = k.listener.Close() // it may be closed already
	return nil
}

// Run answers key exchanges until ctx ends, and those that have begun after that.
func (k *KeyExchange) Run(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { k.listener.Close() })()
	var group sync.WaitGroup
	defer group.Wait()
	slots := make(chan struct{}, maxExchanges)
	for {
		conn, err := k.listener.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			if !errors.Is(err, syscall.EMFILE) && !errors.Is(err, syscall.ENFILE) && !errors.Is(err, syscall.ECONNABORTED) {
				return fmt.Errorf("accept NTS key exchanges: %w", err)
			}
			time.Sleep(exchangePause) // others may give descriptors back
			continue
		}
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			k.serve(conn)
		})
	}
}

func (k *KeyExchange) serve(raw net.Conn) {
	conn := tls.Server(raw, k.cfg.TLS)
	defer conn.Close()
	peer, _ := netip.ParseAddrPort(raw.RemoteAddr().String())
	if ok, why := k.cfg.Access.Check(peer.Addr().Unmap()); !ok {
		k.cfg.Log.Warn("NTS key exchange refused", "peer", peer, "reason", why.String())
		return
	}
	_ = conn.SetDeadline(time.Now().Add(exchangeTime))
	if err := k.cfg.Keys.Exchange(conn, k.cfg.Port); err != nil {
		k.cfg.Log.Info("NTS key exchange failed", "peer", peer, "err", err)
		return
	}
	k.cfg.Log.Debug("NTS keys exchanged", "peer", peer)
}
