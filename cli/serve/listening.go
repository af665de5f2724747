package serve

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"wirelab/cli/term"
	"wirelab/internal/atomicfile"
)

// Listening is what a server says first.
type Listening struct {
	Event          string `json:"event"` // "listening"
	Network        string `json:"network"`
	Addr           string `json:"addr"`
	Handler        string `json:"handler"`
	Engine         string `json:"engine,omitempty"`
	EngineNote     string `json:"engine_note,omitempty"`     // why not the engine asked for, or a better one
	NTS            string `json:"nts,omitempty"`             // address of the NTS key exchange
	TLSFingerprint string `json:"tls_fingerprint,omitempty"` // SHA-256 of the certificate
	PID            int    `json:"pid"`
	Schema         string `json:"schema"` // term.EventSchema
}

// announce says where the servers listen, on stdout and in the ready file.
func (s *service) announce() error {
	if s.flags.readyFile != "" {
		var err error
		if s.ready, err = writeReadyFile(s.flags.readyFile, s.parts); err != nil {
			return err
		}
	}
	for _, p := range s.parts {
		if s.app.JSON {
			if err := term.UnlessGone(s.app.PrintEvent(p.first())); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintln(s.app.Stdout, p.first())
	}
	if !s.app.JSON {
		hint := fmt.Sprintf("Try: %s   Look: wirelab ps   End: Ctrl-C", s.tryCommand())
		if s.say != nil && term.IsTerminal(s.app.Stdin) {
			hint += "   Speak: type a line"
		}
		s.app.Note("%s", s.app.Colors(s.app.Stderr).Dim(hint))
	}
	return nil
}

// tryCommand is the command that talks to the first server from here.
func (s *service) tryCommand() string {
	if s.parts[0].following != nil {
		return "wirelab time status"
	}
	l := s.parts[0].listening
	if l.Handler == "ntp" {
		return "wirelab time measure " + l.Addr + " --protocol ntp"
	}
	command := "wirelab connect " + l.Network
	if known := net.JoinHostPort(s.cfg.Client.Server, strconv.Itoa(int(s.cfg.Client.Port))); l.Addr != known {
		command += " " + l.Addr
	}
	if l.TLSFingerprint != "" {
		command += " --tls-fingerprint " + l.TLSFingerprint // the roots of this host know no generated one
	}
	return command
}

// listening describes a server of s that has been opened.
func (s *service) listening(network string, addr netip.AddrPort, handler string) Listening {
	return Listening{Event: "listening", Network: network, Addr: addr.String(), Handler: handler, PID: os.Getpid(), Schema: term.EventSchema}
}

func (l Listening) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "listening on %s %s: %s", l.Network, l.Addr, l.Handler)
	if l.Engine != "" {
		fmt.Fprintf(&b, ", engine %s", l.Engine)
	}
	if l.EngineNote != "" {
		fmt.Fprintf(&b, " (%s)", l.EngineNote)
	}
	if l.NTS != "" {
		fmt.Fprintf(&b, ", NTS key exchange on tcp %s", l.NTS)
	}
	if l.TLSFingerprint != "" {
		fmt.Fprintf(&b, ", TLS\n  certificate SHA-256 %s", l.TLSFingerprint)
	}
	return b.String()
}

// writeReadyFile writes the file as a whole, so that whoever waits for it never
// reads half of it, and returns what it holds.
func writeReadyFile(name string, parts []part) (text string, err error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	for _, p := range parts {
		if p.following != nil {
			continue
		}
		if err := e.Encode(p.listening); err != nil {
			return "", err
		}
	}
	err = atomicfile.Write(name, []byte(b.String()), 0o644)
	if errors.Is(err, atomicfile.ErrNotRegular) {
		return "", term.Usagef("--ready-file %s: not a file", name)
	}
	if err != nil {
		return "", fmt.Errorf("write ready file: %w", err)
	}
	return b.String(), nil
}

// removeReadyFile removes the ready file unless somebody else has written it since. Of a
// link, what it points to is removed: the link is not ours.
func (s *service) removeReadyFile() {
	if s.flags.readyFile == "" {
		return
	}
	name, err := filepath.EvalSymlinks(s.flags.readyFile)
	if err != nil {
		return // it is gone
	}
	if info, err := os.Lstat(name); err != nil || !info.Mode().IsRegular() {
		return
	}
	if is, err := os.ReadFile(name); err == nil && string(is) == s.ready {
		_ = os.Remove(name)
	}
}
