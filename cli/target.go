package cli

import (
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"wirelab/cli/config"
)

// target returns where a client connects to, as HOST:PORT: what its argument
// leaves out, client.server and client.port of the configuration say.
func target(cfg *config.Config, args []string) (string, error) {
	arg := ""
	if len(args) > 0 {
		arg = args[0]
	}
	host, port, ok := splitTarget(arg)
	if !ok {
		return "", usagef("%q is not an address: write HOST, HOST:PORT, :PORT or [IPv6]:PORT", arg)
	}
	if host == "" {
		host = cfg.Client.Server
	}
	if port == "" {
		port = strconv.Itoa(int(cfg.Client.Port))
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", usagef("%q: port %q is not a number from 1 to 65535", arg, port)
	}
	return net.JoinHostPort(host, port), nil
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

// atMostTarget is the Args of a client command.
func atMostTarget(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usagef("%s takes one address, but was given %q too", cmd.CommandPath(), args[1])
	}
	return nil
}
