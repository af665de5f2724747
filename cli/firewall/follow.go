package firewall

import (
	"context"
	"fmt"
	"net"
	"time"

	"wirelab/cli/term"
	"wirelab/firewall"
	"wirelab/firewall/kernel"
	"wirelab/internal/netlink"
	"wirelab/packet"
)

// loggedSchema names the form of the lines of `status --follow -o json`.
const loggedSchema = "wirelab.firewall.logged/1"

type loggedJSON struct {
	Schema  string `json:"schema"`
	Event   string `json:"event"`
	Time    string `json:"time"`
	Prefix  string `json:"prefix"`
	Hook    string `json:"hook"`
	In      string `json:"in,omitempty"`
	Out     string `json:"out,omitempty"`
	Mark    uint32 `json:"mark,omitempty"`
	Summary string `json:"summary"`
	Lost    int    `json:"gaps"` // how often packets were lost so far
}

// follow prints logged packets until the context ends.
func (a *app) follow(ctx context.Context, group uint16) error {
	a.Note("wirelab: waiting for what rules log to group %d (log group %d); Ctrl-C ends", group, group)
	names := map[uint32]string{}
	headers := &packet.Headers{}
	lostBefore := 0
	err := kernel.Follow(ctx, group, func(p netlink.LoggedPacket, lost int) error {
		if lost > lostBefore {
			lostBefore = lost
			a.Note("wirelab: more was logged than could be read; some packets are missing here")
		}
		at := p.Time
		if at.IsZero() {
			at = time.Now()
		}
		packet.Scan(packet.LinkRaw, p.Payload, len(p.Payload), headers)
		summary := string(packet.AppendSummary(nil, p.Payload, headers))
		in, out := linkName(names, p.In), linkName(names, p.Out)
		if a.JSON {
			return a.PrintEvent(loggedJSON{
				Schema: loggedSchema, Event: "logged", Time: at.UTC().Format(time.RFC3339Nano), Prefix: p.Prefix, Hook: firewall.Hook(p.Hook + 1).String(),
				In: in, Out: out, Mark: p.Mark, Summary: summary, Lost: lost,
			})
		}
		_, err := fmt.Fprintf(a.Stdout, "%s  %s%s  %s\n", at.Local().Format("15:04:05.000"), term.OneLine(p.Prefix), way(in, out), term.OneLine(summary))
		return err
	})
	return advised(err)
}

func way(in, out string) string {
	switch {
	case in != "" && out != "":
		return in + " -> " + out
	case in != "":
		return "in " + in
	case out != "":
		return "out " + out
	}
	return ""
}

// linkName returns the name of an interface by its number.
func linkName(names map[uint32]string, index uint32) string {
	if index == 0 {
		return ""
	}
	if names[index] == "" {
		names[index] = fmt.Sprint(index)
		if l, err := net.InterfaceByIndex(int(index)); err == nil {
			names[index] = l.Name
		}
	}
	return names[index]
}
