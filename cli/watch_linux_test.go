package cli

import (
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"
	"unsafe"
)

// resize makes the terminal of a typist so large.
func (p *typist) resize(rows, columns uint16) {
	p.t.Helper()
	size := [4]uint16{rows, columns}
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, p.pty.Fd(), syscall.TIOCSWINSZ, uintptr(unsafe.Pointer(&size))); errno != 0 {
		p.t.Fatal(errno)
	}
}

// A picture of rates fits 80 columns and 24 lines, one follows the other on the terminal's
// other screen, and Ctrl-C gives the first screen back.
func TestWatchFitsTheTerminal(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	t.Setenv("TERM", "xterm")
	for range 2 {
		server := sitDown(t, "up", "--port", "0", "--logs", "none")
		server.sees("listening on udp")
	}
	p := sitDown(t, "ps", "--watch", "--interval", "300ms")
	p.resize(24, 80)
	p.sees("\x1b[?1049h")
	for range 3 {
		p.sees("4 servers")
	}
	p.types("\x03")
	p.sees("\x1b[?25h\x1b[?1049l")
	p.sees("MSG/s IN/OUT")
	p.leaves(130)
	last := regexp.MustCompile(`\x1b\[[0-9;?]*[A-Za-z]`).ReplaceAllString(p.seen(), "")
	lines := strings.Split(last, "\r\n")
	for _, line := range lines {
		if utf8.RuneCountInString(line) > 80 {
			t.Errorf("wider than the terminal: %q", line)
		}
	}
	if len(lines) > 24 || strings.Count(last, " 0/0 ") != 4 {
		t.Errorf("%d lines: %q", len(lines), last)
	}
}

// The person at a chat server speaks by typing.
func TestOperatorSpeaksFromTheTerminal(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	server := sitDown(t, "serve", "tcp", "--port", "0", "--handler", "chat", "--logs", "none")
	server.sees("listening on tcp ")
	server.sees(": chat")
	server.sees("wirelab connect tcp ")
	for !strings.Contains(server.seen(), "Speak: type a line") {
		time.Sleep(5 * time.Millisecond)
	}
	address, _, _ := strings.Cut(server.seen(), " ")
	guest := sitDown(t, "connect", "tcp", address)
	guest.sees("welcome, you are guest1")
	server.sees("* guest1 has joined")
	server.types("good evening\r")
	guest.sees("<operator> good evening")
	guest.types("hello\r")
	server.sees("<guest1> hello")
	server.types("\x03")
	server.leaves(0)
	guest.leaves(0)
}
