package talk

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"wirelab/cli/term"
	"wirelab/load/connect"
)

// listenFlags are the flags of listen tcp and listen udp.
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
		Example: "  wirelab listen tcp 9000 > file\n  wirelab listen udp 9000 --hex",
	}
	cmd.AddCommand(a.newListenOf("tcp"), a.newListenOf("udp"))
	return cmd
}

func (a *app) newListenOf(network string) *cobra.Command {
	var f listenFlags
	long := "Waits for a connection, then accepts no other, and talks until both sides have closed\n" +
		"their direction. With --keep the next peer is waited for then; standard input goes to\n" +
		"the first."
	if network == "udp" {
		long = "Waits for a datagram and talks to whoever sent it, and to nobody else, until Ctrl-C or a\n" +
			"silence of --timeout. With --keep the next peer is waited for then; standard input goes\n" +
			"to the first."
	}
	cmd := &cobra.Command{
		Use:   network + " [PORT]",
		Short: "Wait for a " + map[string]string{"tcp": "TCP connection", "udp": "datagram"}[network],
		Long:  long + " Without a port it listens on any free one, and says which.",
		Example: fmt.Sprintf("  wirelab listen %s 9000\n  wirelab listen %s 9000 --keep --save received.bin\n  wirelab listen %s 0.0.0.0:9000 --hex",
			network, network, network),
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.runListen(cmd, network, args, &f) },
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.hex, "hex", false, "show both directions as hexadecimal and text, with times")
	flags.BoolVarP(&f.keep, "keep", "k", false, "wait for the next peer when one has gone")
	flags.StringVar(&f.save, "save", "", "`file` to write what is received to, too")
	flags.DurationVar(&f.timeout, "timeout", 0, "end after so long a silence (default never)")
	flags.StringVar(&f.readyFile, "ready-file", "", "`file` to write a JSON line to when it listens")
	return cmd
}

// runListen waits for peers and talks to them, one at a time.
func (a *app) runListen(cmd *cobra.Command, network string, args []string, f *listenFlags) error {
	if f.hex && a.JSON {
		return term.Usagef("--hex is for people; -o json has the bytes of each event already")
	}
	if f.timeout < 0 || f.timeout > maxTimeout {
		return term.Usagef("--timeout %v is not between 0 and 24h", f.timeout)
	}
	settings, err := a.Settings(cmd)
	if err != nil {
		return err
	}
	address := "127.0.0.1:0"
	if len(args) > 0 {
		address = listenAddress(args[0])
	}
	saved, err := openSaved(f.save)
	if err != nil {
		return err
	}
	defer saved.Close()
	w, err := connect.Listen(network, address)
	if err != nil {
		return fmt.Errorf("listen on %s %s: %w", network, address, err)
	}
	defer w.Close()
	if err := a.announceListening(network, w.Addr(), "by hand", f.readyFile); err != nil {
		return err
	}
	logs := a.OpenLogs(settings)
	defer logs.Close()
	for first := true; first || f.keep; first = false {
		conn, err := w.Wait(cmd.Context())
		if err != nil {
			return err
		}
		if !f.keep {
			w.Close()
		}
		if err := a.talkTo(cmd.Context(), network, conn, f, first, saved, logs.Component("client")); err != nil && !f.keep {
			return err
		}
		if cmd.Context().Err() != nil {
			return context.Cause(cmd.Context())
		}
	}
	return nil
}

// openSaved opens the file of --save; without one, what is written to it is thrown away.
func openSaved(name string) (io.WriteCloser, error) {
	if name == "" {
		return discard{}, nil
	}
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return nil, fmt.Errorf("--save: %w", err)
	}
	return file, nil
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) Close() error                { return nil }
