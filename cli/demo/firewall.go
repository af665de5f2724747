package demo

import (
	"fmt"
	"strings"
)

// policy is what the server is to let in: one port for the client's network, and SSH.
const policy = `firewall:
  policy: {in: drop, out: accept, forward: drop}
  nets: {lab: [10.64.37.0/24]}
  services: {app: [tcp/12345]}
  in:
    - accept ssh from lab
    - accept app from lab
    - accept ping
  protect: [ssh from lab]
  expect:
    - accept tcp 10.64.37.34 -> :12345
    - drop tcp 10.64.37.34 -> :12346
`

// tellFirewall plans and asks a policy, applies it where it may, and shows that one
// which forgets SSH is refused.
func tellFirewall(s *story) error {
	s.say("A policy is a few lines: first match wins, and what must hold is part of it.")
	if err := s.write(s.pair.Server, "wirelab.yaml", policy); err != nil {
		return err
	}
	if err := s.asked(); err != nil {
		return err
	}
	if !s.pair.Virtual() {
		s.check(Step{Say: "the policy in the kernel", Expected: "packets decided as planned", Skipped: "without virtual hosts the policy is not applied: this machine keeps its firewall"})
		return s.forgotten()
	}
	if err := s.applied(); err != nil {
		return err
	}
	return s.forgotten()
}

// asked asks the policy about packets, without a kernel.
func (s *story) asked() error {
	for _, q := range []struct{ question, verdict string }{
		{"tcp 10.64.37.34 -> :12345", "accept"},
		{"tcp 10.64.37.34 -> :12346", "drop"},
		{"ssh 203.0.113.9", "drop"},
	} {
		args := []string{"firewall", "ask", q.question}
		text, _, err := s.wirelab(s.pair.Server, "", args...)
		if err != nil {
			return err
		}
		s.quote(text, 4)
		verdict, _, _ := strings.Cut(text, "\n")
		s.check(Step{Say: "a packet asked about", Host: s.pair.Server.Name, Command: spell(args, ""), Expected: q.verdict, Found: q.question + ": " + verdict, Holds: verdict == q.verdict})
	}
	args := []string{"firewall", "check"}
	text, status, err := s.wirelab(s.pair.Server, "", args...)
	if err != nil {
		return err
	}
	s.check(Step{Say: "what the policy promises", Host: s.pair.Server.Name, Command: spell(args, ""), Expected: "every line of expect: and protect: holds", Found: strings.TrimSpace(text), Holds: status == 0})
	return nil
}

// applied gives the kernel the policy and tries it with real packets.
func (s *story) applied() error {
	s.say("Two servers, and the policy in the kernel of the server's host. Packets decide whether it is what was planned.")
	for _, port := range []string{"12345", "12346"} {
		if _, err := s.start(s.pair.Server, "listening", "serve", "tcp", "--bind", s.pair.Server.Addr.String(), "--port", port); err != nil {
			return fmt.Errorf("start the server: %w", err)
		}
	}
	before, err := s.reachable("12346")
	if err != nil {
		return err
	}
	s.check(Step{Say: "before the policy", Host: s.pair.Client.Name, Expected: "port 12346 answers", Found: answers("12346", before), Holds: before})
	for _, args := range [][]string{{"firewall", "plan"}, {"firewall", "apply", "--yes", "--state", "state"}} {
		text, status, err := s.wirelab(s.pair.Server, "", args...)
		if err != nil {
			return err
		}
		s.quote(text, 6)
		if status != 0 {
			s.failed(Step{Say: "the policy in the kernel", Command: spell(args, ""), Expected: "status 0"}, fmt.Errorf("status %d", status))
			return nil
		}
	}
	for _, port := range []string{"12345", "12346"} {
		let, err := s.reachable(port)
		if err != nil {
			return err
		}
		wanted := port == "12345"
		s.check(Step{Say: "a real packet", Host: s.pair.Client.Name, Expected: answers(port, wanted), Found: answers(port, let), Holds: let == wanted})
	}
	text, _, err := s.wirelab(s.pair.Server, "", "firewall", "plan")
	if err != nil {
		return err
	}
	s.check(Step{Say: "planned again", Host: s.pair.Server.Name, Command: "wirelab firewall plan", Expected: "nothing to do", Found: strings.TrimSpace(text), Holds: strings.HasPrefix(text, "nothing to do")})
	return nil
}

func answers(port string, it bool) string {
	if it {
		return "port " + port + " answers"
	}
	return "port " + port + " does not answer"
}

// forgotten tries a policy that would lock everybody out.
func (s *story) forgotten() error {
	s.say("Now somebody forgets SSH. The policy itself says that it must stay reachable.")
	forgetful := strings.Replace(policy, "    - accept ssh from lab\n", "", 1)
	if err := s.write(s.pair.Server, "forgot.yaml", forgetful); err != nil {
		return err
	}
	args := []string{"firewall", "check", "--config", "forgot.yaml"}
	if s.pair.Virtual() {
		args = []string{"firewall", "apply", "--config", "forgot.yaml", "--yes", "--state", "state"}
	}
	text, status, err := s.wirelab(s.pair.Server, "", args...)
	if err != nil {
		return err
	}
	s.quote(text, 3)
	s.check(Step{Say: "a forgotten SSH", Host: s.pair.Server.Name, Command: spell(args, ""), Expected: "refused, and nothing changed", Found: "refused, naming the line that it would break", Holds: status == 1 && strings.Contains(text, "protect")})
	if !s.pair.Virtual() {
		return nil
	}
	let, err := s.reachable("12345")
	if err != nil {
		return err
	}
	s.check(Step{Say: "the old policy still decides", Host: s.pair.Client.Name, Expected: "port 12345 answers as before", Found: answers("12345", let), Holds: let})
	return nil
}
