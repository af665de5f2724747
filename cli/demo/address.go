package demo

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"wirelab/lab"
)

const (
	// addresses gives the server a second address and a smaller MTU.
	addresses = `addresses:
  eth0: {addresses: [10.64.37.35/24, 10.64.37.36/24], mtu: 1400}
`
	// wrongAddresses takes it off the network.
	wrongAddresses = `addresses:
  eth0: {addresses: [10.99.0.1/24], exclusive: true}
`
)

// tellAddress gives a host an address, and shows that a wrong change takes itself back.
func tellAddress(s *story) error {
	s.say("What a machine's addresses are to be stands in the same file. A plan says what would be done, and in which order.")
	if err := s.write(s.pair.Server, "wirelab.yaml", addresses); err != nil {
		return err
	}
	if !s.pair.Virtual() {
		text, status, err := s.wirelab(s.pair.Server, "", "address", "show")
		if err != nil {
			return err
		}
		s.quote(text, 4)
		s.check(Step{Say: "the addresses of this machine", Host: s.pair.Server.Name, Command: "wirelab address show", Expected: "a table with lo", Found: "links, addresses, routes and counters in one table", Holds: status == 0 && strings.Contains(text, "lo")})
		s.check(Step{Say: "addresses changed", Expected: "as the file says", Skipped: "without virtual hosts nothing is changed: this machine keeps its addresses"})
		return nil
	}
	if err := s.changed(); err != nil {
		return err
	}
	return s.takenBack()
}

// changed carries out the plan.
func (s *story) changed() error {
	for _, args := range [][]string{{"address", "plan"}, {"address", "apply", "--yes", "--state", "state"}} {
		text, status, err := s.wirelab(s.pair.Server, "", args...)
		if err != nil {
			return err
		}
		s.quote(text, 4)
		if status != 0 {
			s.failed(Step{Say: "addresses changed", Command: spell(args, ""), Expected: "status 0"}, fmt.Errorf("status %d", status))
			return nil
		}
	}
	text, _, err := s.quietly(s.pair.Client, "", s.program, "packet", "send", "--quiet", "ip", "dst=10.64.37.36", "/", "icmp", "type=echo")
	if err != nil {
		return err
	}
	s.check(Step{Say: "a second address", Host: s.pair.Client.Name, Command: "wirelab packet send ip dst=10.64.37.36 / icmp type=echo", Expected: "it answers a ping", Found: "10.64.37.36 answers a ping", Holds: strings.Contains(text, "answer")})
	if text, _, err = s.wirelab(s.pair.Server, "", "address", "plan"); err != nil {
		return err
	}
	s.check(Step{Say: "planned again", Host: s.pair.Server.Name, Command: "wirelab address plan", Expected: "nothing to do", Found: strings.TrimSpace(text), Holds: strings.HasPrefix(text, "nothing to do")})
	return nil
}

// takenBack makes a change that cuts the machine off, and does not confirm it.
func (s *story) takenBack() error {
	s.say("A change that would cut the machine off: it asks to be confirmed within two seconds, from a new login. Nobody can log in any more, so nobody does.")
	if err := s.write(s.pair.Server, "wrong.yaml", wrongAddresses); err != nil {
		return err
	}
	args := []string{"address", "apply", "--config", "wrong.yaml", "--confirm", "2s", "--state", "state"}
	text, status, err := s.wirelab(s.pair.Server, "", args...)
	if err != nil {
		return err
	}
	s.quote(text, 5)
	during, err := s.serverAddresses()
	if err != nil {
		return err
	}
	s.check(Step{Say: "cut off", Host: s.pair.Server.Name, Command: spell(args, ""), Expected: "only 10.99.0.1", Found: "it has " + during, Holds: status == 0 && during == "10.99.0.1"})
	after := during
	for deadline := time.Now().Add(10 * time.Second); after == during && time.Now().Before(deadline); {
		select {
		case <-time.After(200 * time.Millisecond):
		case <-s.ctx.Done():
			return s.ctx.Err()
		}
		if after, err = s.serverAddresses(); err != nil {
			return err
		}
	}
	s.showCommand(s.pair.Server, "wirelab address show")
	s.check(Step{Say: "taken back", Host: s.pair.Server.Name, Command: "wirelab address show", Expected: "10.64.37.35 and 10.64.37.36 are back", Found: "two seconds later it has " + after + " again", Holds: after == "10.64.37.35, 10.64.37.36"})
	return nil
}

// serverAddresses returns the IPv4 addresses of the server's wire.
func (s *story) serverAddresses() (string, error) {
	text, _, err := s.quietly(s.pair.Server, "", s.program, "address", "show", "-o", "json")
	if err != nil {
		return "", err
	}
	var shown struct {
		Links []struct {
			Name      string `json:"name"`
			Addresses []struct {
				Address string `json:"address"`
			} `json:"addresses"`
		} `json:"links"`
	}
	if err := json.Unmarshal([]byte(text), &shown); err != nil {
		return "", fmt.Errorf("what address show printed: %w", err)
	}
	var all []string
	for _, link := range shown.Links {
		for _, a := range link.Addresses {
			if address, _, _ := strings.Cut(a.Address, "/"); link.Name == lab.Link && strings.Contains(address, ".") {
				all = append(all, address)
			}
		}
	}
	return strings.Join(all, ", "), nil
}
