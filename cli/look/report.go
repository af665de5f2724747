package look

import (
	"context"
	"errors"
	"os"

	"github.com/spf13/cobra"

	"wirelab/cli/term"
	"wirelab/report"
)

func (a *app) newReportCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "report",
		Short: "Show saved measurements, and compare two of them",
		Long: "Every 'wirelab load' can save its report with --save FILE: as JSON, with the time,\n" +
			"the command line and the machine.",
		Example: "  wirelab load tcp --duration 10s --save before.json\n" +
			"  wirelab report compare before.json after.json",
	}
	cmd.AddCommand(
		&cobra.Command{
			Use:   "show FILE",
			Short: "Show a saved report",
			Long: "Shows what a run printed when it was saved, and when and where that was. With\n" +
				"-o json, prints the file.",
			Example: "  wirelab report show before.json",
			Args:    filesNeeded("FILE"),
			RunE:    func(cmd *cobra.Command, args []string) error { return a.showReport(cmd.Context(), args[0]) },
		},
		&cobra.Command{
			Use:     "compare A B",
			Short:   "Compare two saved reports, figure by figure",
			Long:    compareHelp,
			Example: "  wirelab report compare before.json after.json\n  wirelab report compare monday.json tuesday.json -o json",
			Args:    filesNeeded("A", "B"),
			RunE: func(cmd *cobra.Command, args []string) error {
				return a.compareReports(cmd.Context(), args[0], args[1])
			},
		},
	)
	return cmd
}

const compareHelp = `Prints the figures of two reports side by side, with the ratio of B to A, and whether
they differ by more than the spread of their samples. Samples are the intervals of a
run (a second each in runs of 10.5 s to 10.5 minutes, shorter in shorter ones, longer
in longer ones) if those of both are equally long, or the rounds of 'wirelab load
engines'.

Figures DIFFER when two things hold of their samples:
  - The Mann-Whitney rank-sum test finds them apart: p < 0.01, two-sided. It
    assumes no shape of the distribution, and an outlier weighs no more than its
    rank. Up to 50 samples p is exact, beyond it is that of the normal
    distribution, with corrections for ties and continuity.
  - The median of each lies outside of the middle half (quartiles) of the other.
    Otherwise many samples would make a difference of a trifle.
Else the difference is "within spread". Below 5 samples on a side nothing can be said.
The ± beside a figure is half of the width of that middle half, relative to the median.

Samples of one run are more alike than those of two: before you believe a small
difference, measure A, B, A and B again.`

// filesNeeded is the Args of a command that takes exactly these files.
func filesNeeded(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		return term.Usagef("give %s, as saved by --save", joinAnd(names))
	}
}

func joinAnd(words []string) string {
	if len(words) == 1 {
		return words[0]
	}
	return words[0] + " and " + joinAnd(words[1:])
}

// readSaved reads a saved report.
func (a *app) readSaved(ctx context.Context, name string) (*report.Saved, error) {
	return term.Await(ctx, func() (*report.Saved, error) { return a.openSaved(name) })
}

func (a *app) openSaved(name string) (*report.Saved, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, term.Usagef("%w", err)
	}
	defer f.Close()
	var kinds []report.Kind
	for _, k := range a.reports {
		kinds = append(kinds, k.Kind)
	}
	s, err := report.Read(f, kinds)
	if err != nil {
		return nil, term.Usagef("%s: %w", name, err)
	}
	return s, nil
}

// explainReport makes a file that is no report a mistake of usage.
func explainReport(err error) error {
	if errors.Is(err, report.ErrReport) {
		return term.Usagef("%w", err)
	}
	return err
}

func (a *app) compareReports(ctx context.Context, nameA, nameB string) error {
	savedA, err := a.readSaved(ctx, nameA)
	if err != nil {
		return err
	}
	savedB, err := a.readSaved(ctx, nameB)
	if err != nil {
		return err
	}
	c, err := report.Compare(savedA, savedB)
	if err != nil {
		return explainReport(err)
	}
	if a.JSON {
		return a.PrintJSON(c)
	}
	return a.printComparison(c, savedHead{"A", nameA, savedA}, savedHead{"B", nameB, savedB})
}

func (a *app) showReport(ctx context.Context, name string) error {
	s, err := a.readSaved(ctx, name)
	if err != nil {
		return err
	}
	if a.JSON {
		return a.PrintJSON(s)
	}
	print, err := a.savedPrinter(s)
	if err != nil {
		return explainReport(err)
	}
	if err := a.printHeads(savedHead{"", name, s}); err != nil {
		return err
	}
	return print()
}
