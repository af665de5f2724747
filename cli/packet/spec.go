package packet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"

	"github.com/spf13/cobra"

	"wirelab/cli/term"
	"wirelab/internal/setting"
	"wirelab/packet"
)

// specFlags are the flags of every command that takes a packet.
type specFlags struct {
	file    string
	patches []string
	mtu     int
	seed    uint64
	cmd     *cobra.Command // that has the flags
}

func (f *specFlags) add(cmd *cobra.Command) {
	f.cmd = cmd
	flags := cmd.Flags()
	flags.StringVarP(&f.file, "file", "f", "", "read the packet from this YAML `file`")
	flags.StringArrayVar(&f.patches, "patch", nil, "overwrite `bytes` at last: LAYER+OFFSET=HEX, such as ip+6=2000")
	flags.IntVar(&f.mtu, "mtu", 0, "cut the datagram into fragments of at most so many `bytes` (0: never)")
	flags.Uint64Var(&f.seed, "seed", 0, "`number` that random values follow from (0: a new one, which is printed)")
}

// spec reads the packet that the arguments or --file describe.
func (f *specFlags) spec(args []string) (*packet.Spec, error) {
	s, err := f.read(args)
	if err != nil {
		return nil, located(err)
	}
	for _, p := range f.patches {
		if err := s.AddPatch(p); err != nil {
			return nil, located(err)
		}
	}
	if f.mtu != 0 {
		s.MTU = f.mtu
	}
	if f.seed != 0 {
		s.Seed = f.seed
	}
	if s.Seed == 0 && s.Random() {
		s.Seed = uint64(rand.Uint32()) + 1
	}
	if s.MTU != 0 && (s.MTU < 68 || s.MTU > 65535) {
		return nil, term.Usagef("--mtu is from 68 to 65535, not %d", s.MTU)
	}
	return s, readFiles(f.cmd.Context(), s)
}

func (f *specFlags) read(args []string) (*packet.Spec, error) {
	switch {
	case f.file == "" && len(args) == 0:
		return nil, term.Usagef("describe a packet, such as: ip dst=127.0.0.1 / udp dport=9 / text hello")
	case f.file == "":
		return packet.Parse(args)
	case len(args) > 0:
		return nil, term.Usagef("the packet comes from %s; %q is too much", f.file, args[0])
	}
	source, err := term.Await(f.cmd.Context(), func() ([]byte, error) { return setting.ReadFile(f.file) })
	if err != nil {
		return nil, term.Usagef("%w", err)
	}
	v, errs := setting.Read(f.file, source)
	if errs != nil {
		return nil, errs
	}
	return packet.FromValue(v)
}

// noteSeed says which seed made random values, so that they can be made again.
func (a *app) noteSeed(s *packet.Spec) {
	if s.Random() {
		a.Note("seed %d: --seed %d makes the same values again", s.Seed, s.Seed)
	}
}

// printSpec prints a description in the form that --as names.
func (a *app) printSpec(s *packet.Spec, form string) error {
	switch form {
	case "cli":
		fmt.Fprintln(a.Stdout, s.CLI())
	case "yaml":
		fmt.Fprint(a.Stdout, s.YAML())
	default:
		return term.Usagef("--as is cli or yaml, not %q", form)
	}
	return nil
}

// located makes of a mistake in a packet one of the configuration, so that it is
// shown with the line that it is in.
func located(err error) error {
	var one *setting.Error
	if errors.As(err, &one) {
		return setting.Errors{one}
	}
	return err
}

// compile lays a packet out. What cannot be laid out is a mistake in how it is described.
func compile(s *packet.Spec) (*packet.Template, error) {
	t, err := s.Compile()
	if one := (*setting.Error)(nil); err != nil && !errors.As(err, &one) {
		return nil, term.Usagef("%w", err)
	}
	return t, located(err)
}

// readFiles hands the files over that the packet takes content from.
func readFiles(ctx context.Context, s *packet.Spec) error {
	for _, name := range s.Files() {
		content, err := term.Await(ctx, func() ([]byte, error) { return readContent(name) })
		if err != nil {
			return err
		}
		s.SetFile(name, content)
	}
	return nil
}

func readContent(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, term.Usagef("%w", err)
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, packet.MaxPacket+1))
	if err != nil {
		return nil, err
	}
	if len(content) > packet.MaxPacket {
		return nil, fmt.Errorf("%s has more than %d bytes: a packet cannot hold it", name, packet.MaxPacket)
	}
	if content == nil {
		content = []byte{}
	}
	return content, nil
}
