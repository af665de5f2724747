package term

import (
	"bytes"
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/term"
)

// prompt is shown where a person types, so that their lines and the peer's can
// be told apart.
const prompt = "> "

// An Editor is the terminal of a person who types to a peer: lines are edited
// with a history, and what is written while somebody types goes above the line
// that they type. Bytes written are made safe to show.
//
// Read and Write may be called at once. The terminal is in raw mode until the
// person ends the input (Ctrl-D) or Restore is called.
type Editor struct {
	input     io.ReadCloser // the keys, interruptible
	out       io.Writer
	fd        int
	interrupt func() // called for Ctrl-C, which raw mode does not make a signal

	line *term.Terminal
	safe *Escaper
	rest []byte // of a line longer than one Read; Read's

	columns int         // of the terminal; Read's
	typed   atomic.Bool // keys were pressed since the last line

	mu   sync.Mutex
	mode *term.State // before raw mode; nil once restored
}

// ErrInterrupted is what an Editor reads when the person presses Ctrl-C.
var ErrInterrupted = errors.New("interrupted")

// OpenEditor puts the terminal that stdin is into raw mode. The caller must
// call Restore, whatever happens.
func OpenEditor(stdin *os.File, out io.Writer, interrupt func()) (*Editor, error) {
	input, err := OpenInput(stdin)
	if err != nil {
		return nil, err
	}
	c := &Editor{input: input, out: out, fd: int(stdin.Fd()), interrupt: interrupt}
	c.line = term.NewTerminal(keys{c}, prompt)
	c.line.AutoCompleteCallback = func(line string, pos int, key rune) (string, int, bool) {
		return completeIn(c.columns, line, pos, key)
	}
	c.safe = &Escaper{W: c.line}
	c.resize()
	if c.mode, err = term.MakeRaw(c.fd); err != nil {
		input.Close()
		return nil, err
	}
	return c, nil
}

// Read returns one line with its end, or as much of it as p holds. It returns
// io.EOF for Ctrl-D, ErrInterrupted for Ctrl-C and os.ErrClosed after Close.
func (c *Editor) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		line, err := c.line.ReadLine()
		if err == nil || err == io.EOF {
			c.typed.Store(false)
		}
		if err == io.EOF {
			// What follows is the peer's alone, and Ctrl-C a signal again.
			if err := c.Restore(); err != nil {
				return 0, err
			}
		}
		if err != nil {
			return 0, err
		}
		c.rest = []byte(notSent.Replace(line) + "\n")
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// Write shows p above the line that is being typed.
func (c *Editor) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.safe.Write(p)
}

// Close unblocks Read. The terminal stays as it is.
func (c *Editor) Close() error { return c.input.Close() }

// Restore takes the prompt away and gives the terminal back as it was. Calling it
// again does nothing.
func (c *Editor) Restore() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mode == nil {
		return nil
	}
	c.line.SetPrompt("")
	_, _ = c.line.Write(nil) // redraws the line without prompt; a terminal that is gone is no matter
	if c.typed.Load() {
		_, _ = io.WriteString(c.out, "\r\n")
	}
	mode := c.mode
	c.mode, c.safe.W = nil, c.out
	return term.Restore(c.fd, mode)
}

// Finish ends a last line that the peer has left open.
func (c *Editor) Finish() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.safe.Finish()
}

// resize tells the line editor how wide the terminal is. An unknown size leaves it
// at 80 columns.
func (c *Editor) resize() {
	if width, height, err := term.GetSize(c.fd); err == nil && width > 0 && height > 0 {
		c.columns = width
		_ = c.line.SetSize(width, height) // fails only when writing does
	}
}

// keys is the terminal as the line editor reads and writes it.
type keys struct{ *Editor }

const ctrlC = 0x03

// Read waits for keys. Raw mode delivers Ctrl-C as a byte, which the editor would
// take for the end of input.
func (k keys) Read(p []byte) (int, error) {
	n, err := k.input.Read(p[:max(len(p)/ownKeyLen, 1)])
	if i := bytes.IndexByte(p[:n], ctrlC); i >= 0 {
		k.interrupt()
		return 0, ErrInterrupted
	}
	k.typed.Store(true)
	k.resize()
	return copy(p, keyNames.Replace(string(p[:n]))), err
}

// Write shows p without fillers, and gaps as spaces.
func (k keys) Write(p []byte) (int, error) {
	shown := bytes.ReplaceAll(bytes.ReplaceAll(p, []byte(string(filler)), nil), []byte(string(gap)), []byte(" "))
	if _, err := k.out.Write(shown); err != nil {
		return 0, err
	}
	return len(p), nil
}
