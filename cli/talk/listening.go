package talk

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"

	"wirelab/cli/term"
	"wirelab/internal/atomicfile"
	"wirelab/internal/sys/stream"
	"wirelab/load/connect"
	"wirelab/server"
)

// listeningEvent is what listen and relay say first, as servers do.
type listeningEvent struct {
	Event   string `json:"event"` // "listening"
	Network string `json:"network"`
	Addr    string `json:"addr"`
	Handler string `json:"handler"`
	PID     int    `json:"pid"`
	Schema  string `json:"schema"` // term.EventSchema
}

// announceListening says where something listens: as JSON on stdout, in words on
// stderr, for stdout has what is received; and in the ready file.
func (a *app) announceListening(network, addr, what, readyFile string) error {
	e := listeningEvent{Event: "listening", Network: network, Addr: addr, Handler: what, PID: os.Getpid(), Schema: term.EventSchema}
	if readyFile != "" {
		line, err := json.Marshal(e)
		if err == nil {
			err = atomicfile.Write(readyFile, append(line, '\n'), 0o644)
		}
		if err != nil {
			return fmt.Errorf("--ready-file: %w", err)
		}
	}
	if a.JSON {
		return a.PrintEvent(e)
	}
	a.Note("listening on %s %s: %s", network, addr, what)
	return nil
}

// listenAddress makes HOST:PORT of a port, :PORT or HOST:PORT, and refuses what is none.
func listenAddress(arg string) (string, error) {
	host, port := "", arg
	if strings.Trim(arg, "0123456789") != "" {
		host, port, _ = net.SplitHostPort(arg)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", term.Usagef("%q is not where to listen: write PORT, HOST:PORT or [IPv6]:PORT, with a port from 0 to 65535", arg)
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		if err := term.CheckZone(addr); err != nil {
			return "", err
		}
	}
	return net.JoinHostPort(cmp.Or(host, "127.0.0.1"), port), nil
}

// explainListen says what to do about an address that cannot be had.
func explainListen(err error, network, address string) error {
	_, portText, _ := net.SplitHostPort(address)
	port, _ := strconv.ParseUint(portText, 10, 16)
	switch {
	case errors.Is(err, syscall.EADDRINUSE) && isUnix(network):
		if info, stat := os.Lstat(address); stat == nil && info.Mode().Type() != fs.ModeSocket {
			return fmt.Errorf("something that is no socket has that name: choose another (%w)", err)
		}
		return fmt.Errorf("somebody listens there already: choose another path (%w)", err)
	case errors.Is(err, syscall.EADDRINUSE):
		busy := server.PortBusyError{Network: network, Addr: netip.AddrPortFrom(netip.Addr{}, uint16(port)), Err: err}
		busy.Holder, _ = stream.PortHolder(network, uint16(port))
		return fmt.Errorf("%w; choose another, or 0 for one that is free", &busy)
	case errors.Is(err, syscall.EACCES) && !isUnix(network):
		return fmt.Errorf("%w; ports below 1024 need CAP_NET_BIND_SERVICE: choose a higher one, or grant it with setcap", err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%w; listen on an address of this host, 0.0.0.0 or :: (see: ip address)", err)
	}
	return err
}

// talkTo holds one conversation with a peer that has come.
func (a *app) talkTo(ctx context.Context, conn net.Conn, f *listenFlags, first bool, saved io.Writer, log *slog.Logger) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	socket, err := f.socket.Options()
	if err != nil {
		return err
	}
	network := conn.LocalAddr().Network()
	cfg := connect.Config{Network: network, Address: conn.RemoteAddr().String(), IdleTimeout: f.timeout, CRLF: f.crlf, Socket: socket}
	quiet := *a
	console := *a.Console
	quiet.Console = &console
	if !first { // standard input went to the first
		console.Stdin = nothing{}
	}
	t, err := quiet.openTalk(ctx, &f.connectFlags, &cfg, cancel)
	if err != nil {
		return err
	}
	defer t.close()
	t.log = log
	show := cfg.View
	cfg.View = func(e *connect.Event) error {
		if e.Kind == connect.EventReceived {
			if _, err := saved.Write(e.Data); err != nil {
				return fmt.Errorf("--save: %w", err)
			}
		}
		return show(e)
	}
	if network == "udp" || network == "unixgram" {
		cfg.Input = connect.Patient(cfg.Input)
	}
	conversation, err := connect.Talk(ctx, cfg, conn)
	if errors.Is(err, connect.ErrIdle) {
		err = nil // as asked
	}
	t.close()
	return errors.Join(err, t.sumUp(conversation, err))
}

// nothing is an input that has ended.
type nothing struct{}

func (nothing) Read([]byte) (int, error) { return 0, io.EOF }
