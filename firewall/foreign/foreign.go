// Package foreign reads the firewalls of other tools (iptables-save, ufw,
// firewalld zones, nft's JSON) into programs, and writes the policy that a program
// amounts to.
//
// A line that is not understood whole is not taken at all: it is a [Left] with its
// place. No name is looked up anywhere.
package foreign

import (
	"errors"
	"fmt"
	"slices"

	"wirelab/firewall"
)

// A Result is what a foreign file holds.
type Result struct {
	Programs []*firewall.Program // one for each table
	Left     []Left
	Notes    []string // what to know of the policy, for its head
	Policy   []byte   // instead of programs: the policy itself
}

// Join puts what several files hold together. A policy that is there already, that
// of a zone, stands alone.
func Join(results []Result) (Result, error) {
	var all Result
	for _, r := range results {
		if r.Policy != nil && len(results) > 1 {
			return r, errors.New("a zone of firewalld becomes a policy by itself: import it alone")
		}
		all.Programs = append(all.Programs, r.Programs...)
		all.Left = append(all.Left, r.Left...)
		all.Notes = append(all.Notes, r.Notes...)
		all.Policy = r.Policy
	}
	return all, nil
}

// A Left is something that was not taken.
type Left struct {
	Line int // in the file; 0: not known
	Text string
	Why  string
}

// String returns it in one line.
func (l Left) String() string {
	if l.Line == 0 {
		return fmt.Sprintf("not taken: %s: %s", l.Why, l.Text)
	}
	return fmt.Sprintf("line %d: not taken: %s: %s", l.Line, l.Why, l.Text)
}

// Bounds on files that anyone may have written.
const (
	maxLines  = 500_000
	maxExpand = 4096 // rules that one line may become
)

// Numbers of protocols (IANA).
const (
	protocolICMP   = 1
	protocolTCP    = 6
	protocolUDP    = 17
	protocolICMPv6 = 58
)

// A conditions is the matches of a rule being read, with alternatives: a list such
// as "-s a,b" makes a rule of each.
type conditions struct {
	all [][]firewall.Match
}

func newConditions() *conditions { return &conditions{all: [][]firewall.Match{nil}} }

// add adds matches of which one must hold.
func (c *conditions) add(any ...firewall.Match) error {
	if len(any)*len(c.all) > maxExpand {
		return fmt.Errorf("it would become more than %d rules", maxExpand)
	}
	before := c.all
	c.all = nil
	for _, matches := range before {
		for _, m := range any {
			c.all = append(c.all, append(slices.Clip(matches), m))
		}
	}
	return nil
}

// every adds matches that must all hold.
func (c *conditions) every(all ...firewall.Match) error {
	for _, m := range all {
		if err := c.add(m); err != nil {
			return err
		}
	}
	return nil
}
