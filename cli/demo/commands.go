// Package demo has the command that shows what wirelab does, on real sockets, step by
// step: the tests that the project was founded on, and the scripts that came with them.
package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"wirelab/cli/term"
	"wirelab/lab"
)

// Schema names the form of the demonstration's result as JSON.
const Schema = "wirelab.demo/1"

// A Report is what a demonstration found.
type Report struct {
	Schema   string  `json:"schema"`
	Where    string  `json:"where"`
	Elapsed  float64 `json:"elapsed_s"`
	Tests    []Test  `json:"tests"`
	Holds    bool    `json:"holds"`
	Complete bool    `json:"complete"` // false: interrupted
}

// A chapter is a test that can be run.
type chapter struct {
	name, title string
	tell        func(*story) error // its error ends the demonstration
}

// chapters are all tests, in the order in which they are told.
func chapters() []chapter {
	return []chapter{
		{"threads", "Many clients, a thread for each", tellThreads},
		{"time", "Time differences, to the microsecond", tellTime},
		{"packets", "Packets made by hand", tellPackets},
		{"firewall", "A firewall that cannot lock you out", tellFirewall},
		{"address", "Addresses that come back", tellAddress},
	}
}

func chapterNames() []string {
	var names []string
	for _, c := range chapters() {
		names = append(names, c.name)
	}
	return names
}

type demo struct {
	*term.Console
	loopback bool
}

// Commands returns the command of this package.
func Commands(c *term.Console) []*cobra.Command {
	d := &demo{Console: c}
	cmd := &cobra.Command{
		Use:   "demo [" + strings.Join(chapterNames(), "|") + "]...",
		Short: "Show what wirelab does, step by step",
		Long: "Runs the tests that wirelab was founded on, on real sockets, and says what each step\n" +
			"shows, with the command that does the same by hand. They run between two virtual\n" +
			"hosts, 10.64.37.34 and 10.64.37.35, that nobody else sees; where the system lets an\n" +
			"ordinary user have none, on the loopback address, without the steps that need more.\n\n" +
			"It takes less than a minute and leaves nothing behind. The exit status is 1 when\n" +
			"something does not hold.",
		Example:   "  wirelab demo\n  wirelab demo time packets\n  sudo wirelab demo firewall -o json",
		ValidArgs: chapterNames(),
		Args:      checkNames,
		RunE:      d.run,
	}
	cmd.Flags().BoolVar(&d.loopback, "loopback", false, "stay on the loopback address, whatever the privilege")
	return []*cobra.Command{cmd}
}

func checkNames(_ *cobra.Command, args []string) error {
	for _, a := range args {
		if !slices.Contains(chapterNames(), a) {
			return term.Usagef("there is no test %q; there are %s", a, strings.Join(chapterNames(), ", "))
		}
	}
	return nil
}

func (d *demo) run(cmd *cobra.Command, args []string) error {
	term.OutliveReaders()
	if !d.loopback && os.Geteuid() != 0 {
		if err := d.runAsRoot(cmd.Context(), args); !errors.Is(err, errNoRoot) {
			return err
		}
	}
	begun := time.Now()
	s, why, err := d.open(cmd.Context())
	if err != nil {
		return err
	}
	defer s.close()
	r := &Report{Schema: Schema, Where: s.where(), Tests: []Test{}, Holds: true}
	if !d.JSON {
		s.introduce(why)
	}
	for _, c := range chapters() {
		if len(args) > 0 && !slices.Contains(args, c.name) {
			continue
		}
		err = s.tell(c)
		r.Tests = append(r.Tests, *s.test)
		r.Holds = r.Holds && s.test.Holds
		if err != nil {
			break
		}
	}
	r.Elapsed, r.Complete = time.Since(begun).Seconds(), err == nil
	if shown := d.show(r); err == nil {
		err = shown
	}
	if err == nil && !r.Holds {
		return term.ErrCheckFailed
	}
	return err
}

var errNoRoot = errors.New("nobody is root of a namespace here")

// runAsRoot has the whole told by a process that is root of a namespace of its own, and
// may make virtual hosts there. It returns errNoRoot if the system allows none.
func (d *demo) runAsRoot(ctx context.Context, names []string) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	args := append([]string{"demo"}, names...)
	if d.JSON {
		args = append(args, "--output", "json")
	}
	cmd := exec.Command(program, args...)
	var complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = d.Stdout, &complaint
	err = lab.RunAsRoot(ctx, cmd)
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &exit):
		d.Stderr.Write(complaint.Bytes())
		return term.ErrCheckFailed
	}
	return errNoRoot
}

// open makes the hosts, and says why they are not virtual where they are not.
func (d *demo) open(ctx context.Context) (s *story, why error, err error) {
	program, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	pair := lab.Loopback()
	if !d.loopback {
		var virtual *lab.Pair
		if virtual, why = lab.OpenPair(); why == nil {
			pair = virtual
		}
	}
	dir, err := os.MkdirTemp("", "wirelab-demo-")
	if err != nil {
		return nil, nil, err
	}
	return &story{Console: d.Console, ctx: ctx, pair: pair, program: program, dir: dir}, why, nil
}

func (s *story) close() {
	s.stopAll()
	s.pair.Close()
	os.RemoveAll(s.dir)
}

func (s *story) where() string {
	if s.pair.Virtual() {
		return "two virtual hosts"
	}
	return "loopback"
}

func (s *story) introduce(why error) {
	switch {
	case s.pair.Virtual():
		s.say("Two virtual hosts with a wire between them: client at %s, server at %s. They go when the demonstration ends.", s.pair.Client.Addr, s.pair.Server.Addr)
	case why != nil:
		s.say("No virtual hosts (%v): all of it runs on %s, without the steps that need them. As root there is more to see.", why, s.pair.Client.Addr)
	default:
		s.say("All of it runs on %s, as asked.", s.pair.Client.Addr)
	}
}

// tell runs one test.
func (s *story) tell(c chapter) error {
	s.test = &Test{Name: c.name, Title: c.title, Holds: true, Steps: []Step{}}
	if !s.JSON {
		p := s.Colors(s.Stdout)
		fmt.Fprintf(s.Stdout, "\n%s\n", p.Bold(c.title))
	}
	defer s.stopAll()
	err := c.tell(s)
	if err != nil {
		s.test.Holds = false
	}
	return err
}

// show ends with a table of what held.
func (d *demo) show(r *Report) error {
	if d.JSON {
		return d.PrintJSON(r)
	}
	fmt.Fprintln(d.Stdout)
	t := term.NewTable("TEST", "STEPS", "RESULT", "WHAT")
	for _, test := range r.Tests {
		held, left := 0, 0
		for _, step := range test.Steps {
			switch {
			case step.Skipped != "":
				left++
			case step.Holds:
				held++
			}
		}
		result := "holds"
		if !test.Holds {
			result = "fails"
		}
		steps := fmt.Sprintf("%d of %d", held, len(test.Steps)-left)
		if left > 0 {
			steps += fmt.Sprintf(", %d left out", left)
		}
		t.Row(test.Name, steps, result, test.Title)
	}
	if err := t.Write(d.Stdout, term.Room(d.Stdout), d.Colors(d.Stdout)); err != nil {
		return err
	}
	_, err := fmt.Fprintf(d.Stdout, "\n%s, %.1f s\n", r.Where, r.Elapsed)
	return err
}
