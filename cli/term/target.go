package term

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"wirelab/cli/config"
)

// Target returns where a client connects to, as HOST:PORT: what its arguments
// (HOST:PORT, HOST, :PORT, PORT, or HOST and PORT) leave out, client.server and
// client.port of the configuration say.
func Target(cfg *config.Config, args []string) (string, error) {
	arg := ""
	if words := joinPorts(args); len(words) > 0 {
		arg = words[0]
	}
	host, port, ok := splitTarget(arg)
	if !ok {
		return "", Usagef("%q is not an address: write HOST, HOST:PORT, :PORT or [IPv6]:PORT", arg)
	}
	if host == "" {
		host = cfg.Client.Server
	}
	if port == "" {
		port = strconv.Itoa(int(cfg.Client.Port))
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", Usagef("%q: port %q is not a number from 1 to 65535", arg, port)
	}
	return net.JoinHostPort(host, port), nil
}

// joinPorts makes one address of a host and the port after it, and of a port alone one
// that begins with a colon: people write "connect tcp 127.0.0.1 12345", as for nc.
func joinPorts(args []string) []string {
	var words []string
	for _, arg := range args {
		if arg == "" || strings.Trim(arg, "0123456789") != "" {
			words = append(words, arg)
			continue
		}
		last := len(words) - 1
		if last >= 0 && hostAlone(words[last]) {
			host := words[last]
			if strings.Contains(host, ":") && !strings.HasPrefix(host, "[") {
				host = "[" + host + "]"
			}
			words[last] = host + ":" + arg
			continue
		}
		words = append(words, ":"+arg)
	}
	return words
}

// hostAlone reports whether s has a host and no port.
func hostAlone(s string) bool {
	host, port, ok := splitTarget(s)
	return ok && host != "" && port == ""
}

// splitTarget splits what may lack either part; an IPv6 address without a port
// needs no brackets.
func splitTarget(arg string) (host, port string, ok bool) {
	if addr, err := netip.ParseAddr(arg); err == nil {
		return addr.String(), "", true
	}
	if bare := strings.TrimSuffix(strings.TrimPrefix(arg, "["), "]"); len(bare) == len(arg)-2 {
		addr, err := netip.ParseAddr(bare)
		return bare, "", err == nil && addr.Is6()
	}
	host, port, hasPort := strings.Cut(arg, ":")
	if strings.HasPrefix(arg, "[") {
		var err error
		host, port, err = net.SplitHostPort(arg)
		hasPort = err == nil
		if _, err := netip.ParseAddr(host); err != nil {
			return "", "", false
		}
	}
	ok = !strings.ContainsAny(host, " \t/[]@") && (!hasPort || port != "" && !strings.Contains(port, ":"))
	return host, port, ok
}

// AtMostTarget is the Args of a client command.
func AtMostTarget(cmd *cobra.Command, args []string) error {
	if words := joinPorts(args); len(words) > 1 {
		return Usagef("%s takes one address, such as 127.0.0.1:12345, but was given %q too", cmd.CommandPath(), words[1])
	}
	return nil
}

// Targets resolves HOST:PORT,HOST:PORT... of all arguments, at most so many; without
// any, what the configuration says.
func (f Family) Targets(ctx context.Context, cfg *config.Config, network string, args []string, most int) ([]netip.AddrPort, error) {
	words := strings.Split(strings.Join(joinPorts(args), ","), ",")
	if len(words) > most {
		return nil, Usagef("%d targets are more than this takes: %d", len(words), most)
	}
	var all []netip.AddrPort
	for _, word := range words {
		if word == "" && len(words) > 1 {
			return nil, Usagef("%q: a target is missing between commas", strings.Join(args, ","))
		}
		address, err := Target(cfg, []string{word})
		if err != nil {
			return nil, err
		}
		resolved, err := f.Reach(ctx, network, address)
		if err != nil {
			return nil, ExplainHost(err)
		}
		all = append(all, resolved)
	}
	return all, nil
}
