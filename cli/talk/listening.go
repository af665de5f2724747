package talk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"

	"wirelab/cli/term"
	"wirelab/internal/atomicfile"
	"wirelab/load/connect"
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
