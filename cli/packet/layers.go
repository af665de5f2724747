package packet

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"wirelab/cli/term"
	"wirelab/internal/spell"
	"wirelab/packet"
)

func (a *app) newLayersCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "layers [LAYER]",
		Short: "List the layers of the packet language, or the keys of one",
		Long: "Lists the layers that packets are made of, or the keys of one layer with their\n" +
			"defaults. Any field takes a value, or varies: inc:A-B, dec:A-B, rand:A-B, list:A,B.\n" +
			"A computed field also takes auto, auto+N, bad and zero.",
		Example: "  wirelab packet layers\n" +
			"  wirelab packet layers tcp",
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return a.layers(args) },
	}
}

func (a *app) layers(args []string) error {
	catalog := packet.Catalog()
	if len(args) == 1 {
		var names []string
		for _, l := range catalog {
			if names = append(names, l.Layer.String()); l.Layer.String() == args[0] {
				return a.printLayer(l)
			}
		}
		hint := "'wirelab packet layers' lists them"
		if near := spell.Nearest(args[0], names); near != "" {
			hint = "did you mean " + near + "?"
		}
		return term.Usagef("there is no layer %q; %s", args[0], hint)
	}
	if a.JSON {
		return a.PrintJSON(struct {
			Schema string             `json:"schema"`
			Layers []packet.LayerHelp `json:"layers"`
		}{"wirelab.packet.layers/1", catalog})
	}
	t := term.NewTable("layer", "what it is", "as written")
	for _, l := range catalog {
		t.Row(l.Layer.String(), l.Title, l.Usage)
	}
	return t.Write(a.Stdout, term.Room(a.Stdout), a.Colors(a.Stdout))
}

func (a *app) printLayer(l packet.LayerHelp) error {
	if a.JSON {
		return a.PrintJSON(struct {
			Schema string `json:"schema"`
			packet.LayerHelp
		}{"wirelab.packet.layer/1", l})
	}
	p := a.Colors(a.Stdout)
	fmt.Fprintf(a.Stdout, "%s  %s\n%s\n", p.Bold(l.Layer.String()), l.Title, l.Usage)
	if len(l.Fields) == 0 {
		return nil
	}
	fmt.Fprintln(a.Stdout)
	for _, f := range l.Fields {
		value := f.Default
		if f.Computed {
			value = "computed"
		}
		if value != "" {
			value = ", " + value
		}
		bits := ""
		if f.Bits != 0 {
			bits = fmt.Sprintf(" (%d bits%s)", f.Bits, value)
		}
		text := f.Help + bits
		if f.Also != "" {
			text += "; also " + strings.ReplaceAll(f.Also, " ", ", ")
		}
		if f.Needs != "" {
			text += "; with " + f.Needs
		}
		name := f.Name
		for text += ": " + f.Allowed; text != ""; name = "" {
			var first string
			first, text = fold(text, textWidth-16)
			fmt.Fprintf(a.Stdout, "  %s %s\n", p.Bold(padded(name, 13)), first)
		}
	}
	return nil
}
