package term

import (
	"errors"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"wirelab/internal/sys/socket"
)

// SocketFlags are the flags of commands whose sockets a person may tune.
type SocketFlags struct{ options socket.Options }

// Add gives cmd the flags; without streams, those of datagrams alone.
func (f *SocketFlags) Add(cmd *cobra.Command, streams bool) {
	flags := cmd.Flags()
	flags.Var((*dscpFlag)(&f.options.DSCP), "dscp", "mark what is sent with this `DSCP`: ef, af41, cs1 and such, or 0 to 63")
	flags.IntVar(&f.options.SendBuffer, "send-buffer", 0, "let so many `bytes` wait to be sent (default the kernel's choice)")
	flags.IntVar(&f.options.ReceiveBuffer, "receive-buffer", 0, "let so many `bytes` wait to be read (default the kernel's choice)")
	if streams {
		flags.BoolVar(&f.options.Nagle, "nagle", false, "let small segments wait for acknowledgements (no TCP_NODELAY)")
	}
}

// maxSocketBuffer is the most that the kernel can double.
const maxSocketBuffer = 1 << 30

// Options returns what the flags say.
func (f *SocketFlags) Options() (socket.Options, error) {
	for name, size := range map[string]int{"send-buffer": f.options.SendBuffer, "receive-buffer": f.options.ReceiveBuffer} {
		if size < 0 || size > maxSocketBuffer {
			return socket.Options{}, Usagef("--%s %d is not between 0 and 1GiB", name, size)
		}
	}
	return f.options, nil
}

// A dscpFlag is a differentiated services code point (RFC 2474).
type dscpFlag int

func (f *dscpFlag) Type() string { return "DSCP" }

func (f *dscpFlag) String() string {
	if *f == 0 {
		return ""
	}
	return strconv.Itoa(int(*f))
}

func (f *dscpFlag) Set(s string) error {
	n, ok := parseDSCP(strings.ToLower(s))
	if !ok {
		return errors.New("is no DSCP; it is 0 to 63, ef, va, le, cs0 to cs7, or af11 to af43")
	}
	*f = dscpFlag(n)
	return nil
}

// parseDSCP reads a number or a name of the registry of IANA: class selectors and assured
// forwarding are computed as RFC 2474 and RFC 2597 do.
func parseDSCP(s string) (int, bool) {
	switch s {
	case "ef":
		return 46, true
	case "va":
		return 44, true
	case "le":
		return 1, true
	}
	if number, named := strings.CutPrefix(s, "cs"); named {
		n, err := strconv.ParseUint(number, 10, 8)
		return int(n) << 3, err == nil && n <= 7
	}
	if number, named := strings.CutPrefix(s, "af"); named {
		n, err := strconv.ParseUint(number, 10, 8)
		class, drop := n/10, n%10
		return int(class<<3 | drop<<1), err == nil && class >= 1 && class <= 4 && drop >= 1 && drop <= 3
	}
	n, err := strconv.ParseUint(s, 0, 8)
	return int(n), err == nil && n <= socket.MaxDSCP
}
