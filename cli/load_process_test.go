package cli

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"wirelab/cli/clitest"
	"wirelab/cli/term"
	"wirelab/internal/require"
	"wirelab/load"
	"wirelab/server/tcp"
)

// 500 clients of 20 messages of 512 bytes, all verified; and while as many go on until
// they are interrupted ps shows all 500 connections, and for the thread engine as many
// threads. WIRELAB_SOAK=1 makes it 200 messages.
func TestLoadOnEngines(t *testing.T) {
	const clients, size = 500, 512
	messages := 20
	if os.Getenv("WIRELAB_SOAK") != "" {
		messages = 200
	}
	for _, engine := range tcp.Engines() {
		t.Run(engine.Name, func(t *testing.T) {
			require.Supported(t, engine.Check())
			s := startServer(t, "serve", "tcp", "--engine", engine.Name)
			common := []string{"load", "tcp", s.addr, "-o", "json", "--timeout", "1m", "--clients", strconv.Itoa(clients), "--size", strconv.Itoa(size)}
			report := runLoad(t, s.command(append(common, "--messages", strconv.Itoa(messages))...), nil)
			if report.Received != uint64(clients*messages) || report.Mismatched != 0 || report.Lost != 0 || report.BytesReceived != uint64(clients*messages*size) {
				t.Errorf("not all verified: %+v", report)
			}
			ids, threads := 0, 0
			report = runLoad(t, s.command(append(common, "--duration", "2m", "--rate", "2k")...), func() (enough bool) {
				i, th := countConnections(s.tcp().Connections)
				ids, threads = max(ids, i), max(threads, th)
				return ids == clients && (threads == clients || engine.Name != "thread")
			})
			if ids != clients || engine.Name == "thread" && threads != clients {
				t.Errorf("ps has shown %d connections on %d threads at most", ids, threads)
			}
			if !report.Interrupted || report.Mismatched != 0 || report.Lost != 0 || report.BytesReceived != report.Received*size {
				t.Errorf("%+v", report)
			}
		})
	}
}

// countConnections returns how many connections and how many threads there are.
func countConnections(connections []tcp.Connection) (ids, threads int) {
	id, thread := map[uint64]bool{}, map[int]bool{}
	for _, c := range connections {
		id[c.ID] = true
		if c.Thread != 0 {
			thread[c.Thread] = true
		}
	}
	return len(id), len(thread)
}

// runLoad runs a load to its end, or until look has seen enough, which is asked again and
// again: then the load is interrupted.
func runLoad(t *testing.T, cmd *exec.Cmd, look func() (enough bool)) load.Report {
	t.Helper()
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var err error
	ended := make(chan struct{})
	go func() { err = cmd.Wait(); close(ended) }()
	for running := look != nil; running; {
		select {
		case <-ended:
			running = false
		default:
			running = !look()
		}
	}
	if look != nil {
		_ = cmd.Process.Signal(os.Interrupt) // unless it has ended
	}
	<-ended
	if err != nil && (look == nil || cmd.ProcessState.ExitCode() != term.ExitInterrupted) {
		t.Fatalf("%s: %v\n%s", cmd, err, &complaints)
	}
	var report load.Report
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	return report
}

// Programs read these names; they do not change.
func TestLoadJSON(t *testing.T) {
	s := startServer(t, "serve", "tcp")
	out, err := s.command("load", "tcp", s.addr, "-o", "json", "--clients", "2", "--messages", "3").Output()
	if err != nil {
		t.Fatal(err)
	}
	var report map[string]any
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{
		"schema": "wirelab.load/1", "network": "tcp", "clients": 2.0, "sent": 6.0, "received": 6.0,
		"lost": 0.0, "mismatched": 0.0, "bytes_sent": 384.0, "bytes_received": 384.0,
	} {
		if report[name] != want {
			t.Errorf("%s is %v, not %v", name, report[name], want)
		}
	}
	if errors, ok := report["errors"].(map[string]any); !ok || len(errors) > 0 {
		t.Errorf("errors is %v", report["errors"])
	}
	for _, name := range []string{"elapsed_s", "rate_per_s"} {
		if v, ok := report[name].(float64); !ok || v <= 0 {
			t.Errorf("%s is %v", name, report[name])
		}
	}
	latency, _ := report["latency_us"].(map[string]any)
	least := 0.0
	for _, name := range []string{"min", "p50", "p90", "p99", "p999", "max"} {
		v, ok := latency[name].(float64)
		if !ok || v < least {
			t.Errorf("latency_us.%s is %v, after %v", name, latency[name], least)
		}
		least = v
	}
	if mean, ok := latency["mean"].(float64); !ok || mean <= 0 {
		t.Errorf("latency_us.mean is %v", latency["mean"])
	}
}

// A server that does not do as it should makes the status 1, and the first line and
// stderr say what was wrong.
func TestLoadVerdict(t *testing.T) {
	tests := map[string]struct {
		serve    func(*net.TCPConn)
		headline string
		says     string
	}{
		"changes a byte": {corrupt, "0 of 2 answers verified", "not verified: 2 answers differ"},
		"closes":         {func(c *net.TCPConn) { io.CopyN(c, c, 64) }, "1 of 2 answers verified", "missing"},
		"resets":         {func(c *net.TCPConn) { io.CopyN(c, c, 64); c.SetLinger(0) }, "1 of 2 answers verified", "not verified: "},
		"says too much":  {func(c *net.TCPConn) { io.CopyN(c, c, 64); io.WriteString(c, "more"); echo(c) }, "answers verified", "not verified: "},
		"is silent":      {func(c *net.TCPConn) { io.Copy(io.Discard, c) }, "0 of 2 answers verified", "missing"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			cmd := (&runningServer{t: t, dir: t.TempDir(), env: clitest.Env(t)}).
				command("load", "tcp", listen(t, tt.serve), "--clients", "1", "--messages", "2", "--size", "64", "--timeout", "300ms")
			var complaint bytes.Buffer
			cmd.Stderr = &complaint
			out, err := cmd.Output()
			if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() != term.ExitFailed {
				t.Errorf("%v", err)
			}
			if head, _, _ := strings.Cut(string(out), "\n"); !strings.Contains(head, tt.headline) {
				t.Errorf("the first line is %q", head)
			}
			if text := complaint.String(); !strings.Contains(text, tt.says) || strings.Count(text, "\n") != 1 {
				t.Errorf("stderr is %q", text)
			}
		})
	}
}

// corrupt echoes with one bit of each read changed.
func corrupt(c *net.TCPConn) {
	buf := make([]byte, 4096)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		buf[n/2] ^= 1
		c.Write(buf[:n])
	}
}

// listen serves one connection with serve, and returns where.
func listen(t *testing.T, serve func(*net.TCPConn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if c, err := l.Accept(); err == nil {
			defer c.Close()
			serve(c.(*net.TCPConn))
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}

func echo(c *net.TCPConn) { io.Copy(c, c) }
