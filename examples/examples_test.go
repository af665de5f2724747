// Package examples has small programs on wirelab's packages, each one file that is read
// in a minute, and configurations. This test runs them all.
package examples

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestPrograms(t *testing.T) {
	for name, want := range map[string]string{
		"tcphandler": "round my words turn\n<nil>\n",
		"udpserver":  " us #1\n<nil>\n",
		"clients":    "5000 of 5000 answers verified, at most 100 connections at once\n<nil>\n",
		"packet":     "udp checksum at 26: bad",
		"binary":     "8 bytes: 0107000c12345678\nversion 1 kind 7 length 12 value 305419896\n",
		"offset":     "350 ms within the bound: true\n<nil>\n",
		"policy":     "ssh 10.64.37.9: accept\nssh 203.0.113.9: drop\ntcp 203.0.113.9 -> :8005: accept\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source, err := os.ReadFile(filepath.Join(name, "main.go"))
			if err != nil {
				t.Fatal(err)
			}
			if lines := bytes.Count(source, []byte("\n")); lines > 60 {
				t.Errorf("%d lines: an example has less than 60", lines)
			}
			program := filepath.Join(t.TempDir(), name)
			build := exec.Command("go", "build", "-o", program, "./"+name)
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			var complaint bytes.Buffer
			cmd := exec.Command(program)
			cmd.Stderr = &complaint
			out, err := cmd.Output()
			if err != nil || !strings.Contains(string(out), want) {
				t.Errorf("%v: %q does not have %q\n%s", err, out, want, complaint.String())
			}
		})
	}
}
