package observe

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Contents are on the terminal below their line, the first of them, and in no file.
func TestContentsAreForTheTerminalAlone(t *testing.T) {
	var terminal bytes.Buffer
	dir := t.TempDir()
	logs := OpenLogs(LogConfig{Dir: dir, Level: slog.LevelDebug, Terminal: &terminal, Verbose: true, Contents: true})
	log := logs.Component("server-tcp")
	log.Log(context.Background(), LevelContents, "in", "bytes", 3, "contents", Contents("\x1bhi"))
	log.Log(context.Background(), LevelContents, "out", "contents", Contents(bytes.Repeat([]byte("x"), mostContents+1000)))
	log.Debug("received", "bytes", 3)
	if err := logs.Close(); err != nil {
		t.Fatal(err)
	}
	text := terminal.String()
	if !strings.Contains(text, "bytes=3") || !strings.Contains(text, "\n  00000000  1b 68 69 ") || !strings.Contains(text, "|.hi|\n") {
		t.Errorf("on the terminal:\n%s", text)
	}
	if n := strings.Count(text, "|xxxxxxxxxxxxxxxx|\n"); n != mostContents/16 || !strings.Contains(text, "  … and 1.00 kB\n") {
		t.Errorf("%d rows:\n%s", n, text)
	}
	file, err := os.ReadFile(filepath.Join(dir, "server-tcp.log"))
	if err != nil || bytes.Count(file, []byte("\n")) != 1 || bytes.Contains(file, []byte("contents")) {
		t.Errorf("in the file: %s, %v", file, err)
	}
	verbose := OpenLogs(LogConfig{Terminal: &terminal, Verbose: true})
	defer verbose.Close()
	if verbose.Component("x").Enabled(context.Background(), LevelContents) {
		t.Error("contents are logged that nobody has asked for")
	}
}
