package demo

import (
	"fmt"
	"math"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// injected is how wrong the server's clock is made to be.
const injected = 350 * time.Millisecond

// nearly is how near to it must be what is found: what a datagram is under way on one
// host, and the scheduler's whims, with much room.
const nearly = 5 * time.Millisecond

// tellTime shows that a difference of clocks that is known is found, by the client and by
// the server.
func tellTime(s *story) error {
	port := "12345"
	if !s.pair.Virtual() {
		port = "12355"
	}
	target := net.JoinHostPort(s.pair.Server.Addr.String(), port)
	s.say("A UDP server whose clock is made to be 350 ms ahead. Everybody who measures must find that, to the microsecond.")
	server, err := s.start(s.pair.Server, "listening", "serve", "udp", "--bind", s.pair.Server.Addr.String(), "--port", port, "--clock-offset", "350ms")
	if err != nil {
		return fmt.Errorf("start the server: %w", err)
	}
	if err := s.timeByText(target); err != nil {
		return err
	}
	if err := s.timeByStamp(target); err != nil {
		return err
	}
	server.stop()
	return s.timeInTheLog()
}

var (
	differenceLine = regexp.MustCompile(` (kernel|user) ([+-][0-9.]+) us #`)
	offsetLine     = regexp.MustCompile(`offset ([+-][0-9.]+) ± ([0-9.]+) us`)
	logDifference  = regexp.MustCompile(`"difference_min_us":(-?[0-9.]+(?:e\+?[0-9]+)?)`)
)

// timeByText sends the time of a clock as text.
func (s *story) timeByText(target string) error {
	s.say("The client sends the time of its own clock as text; the server answers with the difference, measured with the kernel's stamp of the datagram.")
	now := time.Now()
	stamp := fmt.Sprintf("%d.%06d and by your clock? how late is this?", now.Unix(), now.Nanosecond()/1000)
	step := Step{Say: "a time as text", Host: s.pair.Client.Name, Command: `echo "$(date +%s.%6N) and by your clock? how late is this?" | wirelab connect udp ` + target,
		Expected: "+350000 us and what the datagram took"}
	s.showCommand(s.pair.Client, step.Command)
	text, _, err := s.quietly(s.pair.Client, stamp+"\n", s.program, "connect", "udp", target)
	if err != nil {
		return err
	}
	s.quote(text, 1)
	found := differenceLine.FindStringSubmatch(text)
	if found == nil {
		s.failed(step, fmt.Errorf("the answer has no difference: %q", text))
		return nil
	}
	us, _ := strconv.ParseFloat(found[2], 64)
	extra := us - float64(injected.Microseconds())
	step.Holds = extra >= 0 && extra < 1e6 // how long the program took to begin is in it
	step.Found = fmt.Sprintf("%+.3f us by a stamp of the %s: 350,000 us, and %.0f us until the datagram was there", us, found[1], extra)
	s.check(step)
	return nil
}

// timeByStamp measures the offset with STAMP packets, whose two ways take the journey out.
func (s *story) timeByStamp(target string) error {
	s.say("Packets that go both ways (STAMP, RFC 8762) tell the offset of the clocks from the time under way, and how far it can be wrong.")
	args := []string{"connect", "udp", target, "--payload", "stamp", "--count", "5"}
	step := Step{Say: "an offset with its bound", Host: s.pair.Client.Name, Command: spell(args, ""), Expected: "+350000.0 us within the bound that is printed with it"}
	text, _, err := s.wirelab(s.pair.Client, "", args...)
	if err != nil {
		return err
	}
	s.quote(text, 5)
	all := offsetLine.FindAllStringSubmatch(text, -1)
	if all == nil {
		s.failed(step, fmt.Errorf("no offset: %q", text))
		return nil
	}
	step.Holds = true
	best, bound := 0.0, math.Inf(1)
	for _, m := range all {
		offset, _ := strconv.ParseFloat(m[1], 64)
		within, _ := strconv.ParseFloat(m[2], 64)
		step.Holds = step.Holds && math.Abs(offset-float64(injected.Microseconds())) <= within
		if within < bound {
			best, bound = offset, within
		}
	}
	step.Found = fmt.Sprintf("%d packets, the best %+.1f ± %.1f us, so %+.1f us from what was injected", len(all), best, bound, best-float64(injected.Microseconds()))
	s.check(step)
	return nil
}

// timeInTheLog looks for the difference in the server's log file.
func (s *story) timeInTheLog() error {
	step := Step{Say: "the server's log", Host: s.pair.Server.Name, Command: "wirelab logs --component server-udp", Expected: "the least difference of the same datagrams, near +350000 us"}
	s.showCommand(s.pair.Server, step.Command)
	text, err := os.ReadFile(filepath.Join(s.dir, "logs", "server-udp.log"))
	if err != nil {
		s.failed(step, err)
		return nil
	}
	var differences []float64
	for _, m := range logDifference.FindAllSubmatch(text, -1) {
		us, _ := strconv.ParseFloat(string(m[1]), 64)
		differences = append(differences, us)
	}
	if len(differences) == 0 {
		s.failed(step, fmt.Errorf("no difference in %d bytes of log", len(text)))
		return nil
	}
	nearest := slices.Min(differences)
	step.Holds = math.Abs(nearest-float64(injected.Microseconds())) < float64(nearly.Microseconds())
	step.Found = fmt.Sprintf("the summaries of %d peers, the least difference of all %+.3f us", len(differences), nearest)
	s.check(step)
	return nil
}
