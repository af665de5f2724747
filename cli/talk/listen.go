package talk

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"wirelab/cli/term"
	"wirelab/internal/atomicfile"
	"wirelab/load/connect"
)

// listenFlags are the flags of listen tcp, udp and unix.
type listenFlags struct {
	connectFlags
	keep      bool
	save      string
	readyFile string
}

func (a *app) newListenCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "listen",
		Short: "Wait for one peer, or one after the other, and talk by hand",
		Long: "The other end of connect: waits for a peer, and talks to it as connect does. What\n" +
			"the peer sends goes to standard output, as with nc -l > file.",
		Example: "  wirelab listen tcp 9000 > file\n  wirelab listen udp 9000 --hex\n  wirelab listen unix server.sock",
	}
	cmd.AddCommand(a.newListenOf("tcp"), a.newListenOf("udp"), a.newListenOf("unix"))
	return cmd
}

const (
	listenStreams = "Waits for a connection, then accepts no other, and talks until both sides have closed\n" +
		"their direction. With --keep the next peer is waited for then; standard input goes to\n" +
		"the first. "
	listenDatagrams = "Waits for a datagram and talks to whoever sent it, and to nobody else, until Ctrl-C or a\n" +
		"silence of --timeout. With --keep it takes what everybody sends, and answers who was the\n" +
		"last. "
	listenAnyPort = "Without a port it listens on any free one, and says which."
	listenUnix    = "\n\nPATH is made, and removed again; one that begins with @ is an abstract name (unix(7))."
)

func (a *app) newListenOf(network string) *cobra.Command {
	var f listenFlags
	cmd := &cobra.Command{
		Use:   network + " [PORT]",
		Short: "Wait for a TCP connection",
		Long:  listenStreams + listenAnyPort,
		Example: fmt.Sprintf("  wirelab listen %s 9000\n  wirelab listen %s 9000 --keep --save received.bin\n  wirelab listen %s 0.0.0.0:9000 --hex",
			network, network, network),
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.runListen(cmd, network, args, &f) },
	}
	switch network {
	case "udp":
		cmd.Short, cmd.Long = "Wait for a datagram", listenDatagrams+listenAnyPort
	case "unix":
		cmd.Use, cmd.Short, cmd.Long = "unix PATH", "Wait at a Unix socket", strings.TrimSpace(listenStreams)+listenUnix
		cmd.Example = "  wirelab listen unix server.sock\n  wirelab listen unix server.sock --datagram --keep --hex"
		cmd.Args = cobra.ExactArgs(1)
		cmd.Flags().BoolVar(&f.datagram, "datagram", false, "datagrams instead of a stream, as listen udp")
	}
	f.addListen(cmd, network)
	return cmd
}

func (f *listenFlags) addListen(cmd *cobra.Command, network string) {
	flags := cmd.Flags()
	flags.BoolVar(&f.hex, "hex", false, "show both directions as hexadecimal and text, with times")
	flags.BoolVarP(&f.keep, "keep", "k", false, "go on with the next peer when one has gone; with datagrams, with all at once")
	flags.StringVar(&f.save, "save", "", "`file` to write what is received to, too")
	flags.BoolVar(&f.crlf, "crlf", false, "end lines with CR LF")
	flags.DurationVar(&f.timeout, "timeout", 0, "end after so long a silence (default never)")
	flags.StringVar(&f.readyFile, "ready-file", "", "`file` to write a JSON line to when it listens")
	if network != "unix" {
		f.socket.Add(cmd, network == "tcp")
	}
	term.AddLogs(cmd)
}

// runListen waits for peers and talks to them, one at a time.
func (a *app) runListen(cmd *cobra.Command, network string, args []string, f *listenFlags) error {
	w, err := a.openWaiter(cmd.Context(), network, args, f)
	if err != nil {
		return err
	}
	defer w.Close()
	settings, err := a.Settings(cmd)
	if err != nil {
		return err
	}
	saved, err := term.Await(cmd.Context(), func() (io.WriteCloser, error) { return openSaved(f.save) })
	if err != nil {
		return err
	}
	defer saved.Close()
	if err := a.announceListening(network, w.Addr(), "by hand", f.readyFile); err != nil {
		return err
	}
	logs := a.OpenClientLogs(settings)
	defer logs.Close()
	for first := true; first || f.keep; first = false {
		conn, err := w.Wait(cmd.Context())
		if err != nil {
			return err
		}
		if !f.keep && network != "udp" && !f.datagram { // of datagrams the peer has the same socket
			w.Close()
		}
		if err := a.talkTo(cmd.Context(), conn, f, first, saved, logs.Component("client")); err != nil && !f.keep {
			return err
		}
		if cmd.Context().Err() != nil {
			return context.Cause(cmd.Context())
		}
	}
	return nil
}

// openWaiter checks the flags and listens.
func (a *app) openWaiter(ctx context.Context, network string, args []string, f *listenFlags) (*connect.Waiter, error) {
	if f.hex && a.JSON {
		return nil, term.Usagef("--hex is for people; -o json has the bytes of each event already")
	}
	if f.timeout < 0 || f.timeout > maxTimeout {
		return nil, term.Usagef("--timeout %v is not between 0 and 24h", f.timeout)
	}
	options, err := f.socket.Options()
	if err != nil {
		return nil, err
	}
	address := "127.0.0.1:0"
	if len(args) > 0 {
		address = args[0]
	}
	if network == "unix" {
		network = unixNetwork(f.datagram)
	} else if address, err = listenAddress(address); err != nil {
		return nil, err
	}
	w, err := connect.Listen(ctx, network, address, options, f.keep)
	if err != nil {
		return nil, fmt.Errorf("listen on %s %s: %w", network, address, explainListen(err, network, address))
	}
	return w, nil
}

// openSaved opens the file of --save; without one, what is written to it is thrown away.
func openSaved(name string) (io.WriteCloser, error) {
	if name == "" {
		return discard{}, nil
	}
	target, err := atomicfile.Follow(name)
	if err != nil {
		return nil, fmt.Errorf("--save: %w", err)
	}
	file, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return nil, fmt.Errorf("--save: %w", err)
	}
	return file, nil
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) Close() error                { return nil }
