package cli

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/term"

	"wirelab/internal/require"
)

// A typist sits at a pseudo-terminal at which one wirelab command runs.
type typist struct {
	t      *testing.T
	pty    *os.File // what the person's side reads and writes
	tty    *os.File // the command's side
	cmd    *exec.Cmd
	before *term.State
	exited chan struct{}

	mu     sync.Mutex
	screen strings.Builder
	news   chan struct{} // the screen has changed; room for one
}

// openPTY opens a pair of pseudo-terminal ends (pty(7)).
func openPTY(t *testing.T) (pty, tty *os.File) {
	t.Helper()
	pty, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pty.Close() })
	var unlocked, number int32
	for request, arg := range map[uintptr]*int32{syscall.TIOCSPTLCK: &unlocked, syscall.TIOCGPTN: &number} {
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, pty.Fd(), request, uintptr(unsafe.Pointer(arg))); errno != 0 {
			t.Fatal(errno)
		}
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tty.Close() })
	return pty, tty
}

// sitDown starts wirelab with args at a terminal.
func sitDown(t *testing.T, args ...string) *typist {
	t.Helper()
	p := &typist{t: t, exited: make(chan struct{}), news: make(chan struct{}, 1)}
	p.pty, p.tty = openPTY(t)
	var err error
	if p.before, err = term.GetState(int(p.tty.Fd())); err != nil {
		t.Fatal(err)
	}
	p.cmd = exec.Command(require.Program(t, "wirelab"), args...) // TestMain puts it into PATH
	p.cmd.Dir = t.TempDir()
	// The race detector would sleep a second at the end of each command.
	p.cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = p.tty, p.tty, p.tty
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.cmd.Wait(); close(p.exited) }()
	t.Cleanup(func() { p.cmd.Process.Kill(); <-p.exited })
	go p.watch()
	return p
}

// watch notes what appears on the screen until the terminal is closed.
func (p *typist) watch() {
	buf := make([]byte, 4096)
	for {
		n, err := p.pty.Read(buf)
		if err != nil {
			return
		}
		p.mu.Lock()
		p.screen.Write(buf[:n])
		p.mu.Unlock()
		select {
		case p.news <- struct{}{}:
		default:
		}
	}
}

func (p *typist) seen() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.screen.String()
}

// sees waits until text has appeared after what was seen before.
func (p *typist) sees(text string) {
	p.t.Helper()
	limit := time.After(20 * time.Second)
	for !strings.Contains(p.seen(), text) {
		select {
		case <-p.news:
		case <-limit:
			p.t.Fatalf("%q has not appeared; on the screen: %q", text, p.seen())
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_, after, _ := strings.Cut(p.screen.String(), text)
	p.screen.Reset()
	p.screen.WriteString(after)
}

func (p *typist) types(keys string) {
	p.t.Helper()
	if _, err := io.WriteString(p.pty, keys); err != nil {
		p.t.Fatal(err)
	}
}

// leaves checks that the command ends with status and that the terminal is as it was.
func (p *typist) leaves(status int) {
	p.t.Helper()
	select {
	case <-p.exited:
	case <-time.After(20 * time.Second):
		p.t.Fatalf("wirelab does not end; on the screen: %q", p.seen())
	}
	if got := p.cmd.ProcessState.ExitCode(); got != status {
		p.t.Errorf("exit status %d, want %d; on the screen: %q", got, status, p.seen())
	}
	after, err := term.GetState(int(p.tty.Fd()))
	if err != nil {
		p.t.Fatal(err)
	}
	if *after != *p.before {
		p.t.Error("the terminal is not as it was before")
	}
}

const (
	keyUp   = "\x1b[A"
	keyLeft = "\x1b[D"
	ctrlD   = "\x04"
)

func TestConsoleEditsLinesAndHalfCloses(t *testing.T) {
	got := make(chan string, 1)
	p := sitDown(t, "connect", "tcp", listen(t, func(c *net.TCPConn) {
		all, _ := io.ReadAll(c)
		got <- string(all)
		io.WriteString(c, "goodbye")
	}))
	p.sees("> ")
	p.types("helo" + keyLeft + "l\r")
	p.sees("\r\n> ")
	p.types(keyUp + "!\r")
	p.sees("hello!\r\n> ")
	p.types(ctrlD)
	p.sees("goodbye\r\n")
	p.sees("sent 13 B in 2 messages, received 7 B in 1 message, in ")
	p.sees("; closed from here")
	p.leaves(0)
	if text := <-got; text != "hello\nhello!\n" {
		t.Errorf("the peer got %q", text)
	}
}

// A wide character does not begin in the last column, and what is sent has no gap.
func TestConsoleWideCharacterAtTheLastColumn(t *testing.T) {
	got := make(chan string, 1)
	p := sitDown(t, "connect", "tcp", listen(t, func(c *net.TCPConn) {
		all, _ := io.ReadAll(c)
		got <- string(all)
	}))
	p.resize(24, 11)
	p.sees("> ")
	p.types("世abcdef") // with the prompt ten columns
	p.sees("f")
	p.types("界")
	p.sees("世abcdef \r\n界")
	p.types("\r" + ctrlD)
	p.leaves(0)
	if text := <-got; text != "世abcdef界\n" {
		t.Errorf("the peer got %q", text)
	}
}

// What comes while somebody types goes above the line, which stays whole.
func TestConsoleKeepsTypedLine(t *testing.T) {
	speak := make(chan string)
	p := sitDown(t, "connect", "tcp", listen(t, func(c *net.TCPConn) {
		for text := range speak {
			io.WriteString(c, text)
		}
		echo(c)
	}))
	p.sees("> ")
	p.types("half a ")
	p.sees("half a ")
	speak <- "news\n"
	close(speak)
	p.sees("news\r\n> half a ")
	p.types("line\r")
	p.sees("half a line\r\n")
	p.types(ctrlD)
	p.leaves(0)
}

// Home and End are keys, whatever the terminal calls them.
func TestConsoleHomeAndEnd(t *testing.T) {
	p := sitDown(t, "connect", "tcp", listen(t, echo))
	p.sees("> ")
	for _, keys := range [][2]string{{"\x1b[H", "\x1b[F"}, {"\x1b[1~", "\x1b[4~"}, {"\x1bOH", "\x1bOF"}} {
		p.types("ell" + keys[0] + "h" + keys[1] + "o\r")
		p.sees("hello\r\n")
	}
	p.types(ctrlD)
	p.leaves(0)
}

// The cursor goes by columns, of which some characters take two.
func TestConsoleWideCharacters(t *testing.T) {
	p := sitDown(t, "connect", "tcp", listen(t, echo))
	p.sees("> ")
	p.types("世界\x1b[D")
	p.sees("世界\x1b[2D")
	p.types("中")
	p.sees("世中界\x1b[2D")
	p.types("\r")
	p.sees("世中界\r\n")
	p.types("x😀\x7fy\x7f\x7f世\x1b[H\x1b[C\x1b[D\x1b[3~ok\r")
	p.sees("ok\r\n")
	p.types("\x1b[A\r")
	p.sees("ok\r\n")
	p.types(ctrlD)
	p.leaves(0)
}

func TestConsoleInterrupted(t *testing.T) {
	p := sitDown(t, "connect", "tcp", listen(t, echo))
	p.sees("> ")
	p.types("half")
	p.sees("half")
	p.types("\x03")
	p.sees("half\r\nsent 0 B in 0 messages")
	p.sees("interrupted")
	p.leaves(130)
}

// After Ctrl-D the terminal makes Ctrl-C a signal again.
func TestConsoleInterruptedAfterEndOfInput(t *testing.T) {
	p := sitDown(t, "connect", "tcp", listen(t, func(c *net.TCPConn) {
		io.Copy(io.Discard, c)
		io.WriteString(c, "still here")
		c.SetReadDeadline(time.Now().Add(time.Minute))
		for err := error(nil); err == nil; { // until the client has gone
			_, err = c.Write([]byte("."))
		}
	}))
	p.sees("> ")
	p.types(ctrlD)
	p.sees("still here")
	p.types("\x03")
	p.leaves(130)
}

func TestConsoleRestoredOnSignals(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT} {
		t.Run(signal.String(), func(t *testing.T) {
			p := sitDown(t, "connect", "tcp", listen(t, echo))
			p.sees("> ")
			if err := p.cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			p.leaves(130)
		})
	}
}

func TestConsoleEndsWithPeer(t *testing.T) {
	p := sitDown(t, "connect", "tcp", listen(t, func(c *net.TCPConn) { io.WriteString(c, "bye\n") }))
	p.sees("bye\r\n")
	p.sees("received 4 B")
	p.sees("; the peer closed the connection")
	p.leaves(0)
}

// A peer cannot drive the terminal.
func TestConsoleEscapesPeer(t *testing.T) {
	p := sitDown(t, "connect", "tcp", listen(t, func(c *net.TCPConn) {
		io.WriteString(c, "\x1b]0;owned\x07\x1b[2J\r\n")
	}))
	p.sees(`\x1b]0;owned\x07\x1b[2J` + "\r\n")
	p.leaves(0)
}

func TestConsoleShowsHex(t *testing.T) {
	p := sitDown(t, "connect", "tcp", "--hex", listen(t, echo))
	p.sees("> ")
	p.types("hi\r")
	p.sees("> 00000000  68 69 0a ")
	p.sees("|hi.|\r\n")
	p.sees("< 00000000  68 69 0a ")
	p.types(ctrlD)
	p.leaves(0)
}

func TestConsoleUDPSendsEachLine(t *testing.T) {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 100)
		for {
			n, peer, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			c.WriteTo(fmt.Appendf(nil, "%d bytes: %s", n, buf[:n]), peer)
		}
	}()
	t.Cleanup(func() { c.Close(); <-done })
	p := sitDown(t, "connect", "udp", "--timeout", "50ms", c.LocalAddr().String())
	p.sees("> ")
	p.types("one\r")
	p.sees("4 bytes: one\r\n")
	p.types("three\r")
	p.sees("6 bytes: three\r\n")
	p.types(ctrlD)
	p.sees("sent 10 B in 2 datagrams, received 28 B in 2 datagrams")
	p.leaves(0)
}

// Where output is redirected, the terminal edits lines itself, and bytes stay as they are.
func TestConnectFromTerminalIntoFile(t *testing.T) {
	dir := t.TempDir()
	address := listen(t, echo)
	out := filepath.Join(dir, "out")
	pty, tty := openPTY(t)
	f, err := os.Create(out)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command(require.Program(t, "wirelab"), "connect", "tcp", address)
	cmd.Dir, cmd.Stdin, cmd.Stdout = dir, tty, f
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(pty, "\x16\x1b[31m\n"+ctrlD); err != nil { // Ctrl-V quotes the escape
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(out); err != nil || string(got) != "\x1b[31m\n" {
		t.Errorf("the file holds %q, %v", got, err)
	}
}
