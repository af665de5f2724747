package demo

import (
	"encoding/json"
	"fmt"
	"net"
	"strconv"
	"time"

	"wirelab/cli/term"
	"wirelab/load"
)

// threadClients is how many clients come at once. Each has a thread of its own.
const threadClients = 50

// tellThreads shows a thread for each client, that nobody waits for another, and that
// no message is mixed up.
func tellThreads(s *story) error {
	port := "12345"
	if !s.pair.Virtual() {
		port = "12355" // the user's own laboratory may be at 12345
	}
	target := net.JoinHostPort(s.pair.Server.Addr.String(), port)
	s.say("A TCP server that gives every client an OS thread of its own, as a server with pthread_create does, and %d clients that talk to it at once.", threadClients)
	if _, err := s.start(s.pair.Server, "listening", "serve", "tcp", "--engine", "thread", "--bind", s.pair.Server.Addr.String(), "--port", port); err != nil {
		return fmt.Errorf("start the server: %w", err)
	}
	report, err := s.threadsSeen(target)
	if err != nil {
		return err
	}
	s.check(Step{Say: "none mixed up", Host: s.pair.Client.Name, Command: loadCommand(target), Holds: report.Sent > 0 && report.Received == report.Sent && report.Mismatched == 0,
		Expected: "every answer comes to the client that asked, every byte as it was sent",
		Found:    fmt.Sprintf("%s messages, %s answers with every byte verified, %d mixed up", term.Count(report.Sent), term.Count(report.Received), report.Mismatched)})
	return s.slowClient(target)
}

func loadCommand(target string) string {
	return spell(loadArgs(target), "")
}

func loadArgs(target string) []string {
	return []string{"load", "tcp", target, "--clients", strconv.Itoa(threadClients), "--rate", "5000", "--duration", "2s"}
}

// threadsSeen runs the clients and looks at the server meanwhile.
func (s *story) threadsSeen(target string) (*load.Report, error) {
	type outcome struct {
		text string
		err  error
	}
	done := make(chan outcome, 1)
	s.showCommand(s.pair.Client, loadCommand(target))
	go func() {
		text, status, err := s.quietly(s.pair.Client, "", s.program, append(loadArgs(target), "-o", "json")...)
		if err == nil && status != 0 {
			err = fmt.Errorf("load ended with status %d: %s", status, text)
		}
		done <- outcome{text, err}
	}()
	time.Sleep(time.Second) // in the middle of its two
	step := Step{Say: "a thread for each client", Host: s.pair.Server.Name, Command: "wirelab ps",
		Expected: fmt.Sprintf("%d connections, each with a thread id that no other has", threadClients)}
	threads, sample, err := s.countThreads()
	if err != nil {
		s.failed(step, err)
	} else {
		s.quote(sample, 8)
		step.Holds = threads == threadClients
		step.Found = fmt.Sprintf("%d connections on %d threads at one moment", threadClients, threads)
		s.check(step)
	}
	ended := <-done
	if ended.err != nil {
		return nil, ended.err
	}
	report := new(load.Report)
	if err := json.Unmarshal([]byte(ended.text), report); err != nil {
		return nil, fmt.Errorf("the report of load: %w", err)
	}
	return report, nil
}

// countThreads returns how many different threads serve connections, and what ps prints
// of them.
func (s *story) countThreads() (threads int, sample string, err error) {
	sample, _, err = s.wirelab(s.pair.Server, "", "ps")
	if err != nil {
		return 0, "", err
	}
	text, _, err := s.quietly(s.pair.Server, "", s.program, "ps", "-o", "json")
	if err != nil {
		return 0, "", err
	}
	var ps struct {
		Processes []struct {
			Servers []struct {
				Connections []struct {
					Thread int `json:"thread"`
				} `json:"connections"`
			} `json:"servers"`
		} `json:"processes"`
	}
	if err := json.Unmarshal([]byte(text), &ps); err != nil {
		return 0, "", fmt.Errorf("what ps printed: %w", err)
	}
	seen := map[int]bool{}
	for _, p := range ps.Processes {
		for _, server := range p.Servers {
			for _, c := range server.Connections {
				seen[c.Thread] = true
			}
		}
	}
	delete(seen, 0)
	return len(seen), sample, nil
}

// slowClient shows that one client who never finishes its message delays nobody.
func (s *story) slowClient(target string) error {
	s.say("One client sends half a message and then nothing, for as long as the others talk.")
	step := Step{Say: "a slow client delays nobody", Host: s.pair.Client.Name, Command: "(printf half; sleep 60) | wirelab connect tcp " + target,
		Expected: "the others are answered as before, none of them later than in half a second"}
	s.showCommand(s.pair.Client, step.Command+" &")
	var slow net.Conn
	err := s.pair.Client.Do(func() (err error) {
		slow, err = net.DialTimeout("tcp", target, 5*time.Second)
		return err
	})
	if err != nil {
		return err
	}
	defer slow.Close()
	if _, err := slow.Write([]byte("half")); err != nil {
		return err
	}
	args := []string{"load", "tcp", target, "--clients", "20", "--messages", "100"}
	s.showCommand(s.pair.Client, spell(args, ""))
	text, status, err := s.quietly(s.pair.Client, "", s.program, append(args, "-o", "json")...)
	if err != nil {
		return err
	}
	var report load.Report
	if err := json.Unmarshal([]byte(text), &report); err != nil || report.LatencyUS == nil {
		s.failed(step, fmt.Errorf("status %d: %s", status, text))
		return nil
	}
	step.Holds = status == 0 && report.Received == 2000 && report.LatencyUS.Max < 500_000
	step.Found = fmt.Sprintf("%s of 2,000 answers, the median after %.0f us, the last after %.1f ms", term.Count(report.Received), report.LatencyUS.P50, report.LatencyUS.Max/1000)
	s.check(step)
	return nil
}
