package guard

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"wirelab/internal/sys/session"
)

// What is said over the socket: one line of JSON each way.
type request struct {
	Op     string `json:"op"`
	ID     string `json:"id,omitempty"`
	Keep   bool   `json:"keep,omitempty"`
	Reason string `json:"reason,omitempty"`
}

const (
	opHold    = "hold"    // I make the change ID; when this connection ends before I say applied, revert
	opApplied = "applied" // the change is made; Keep: it needs no confirmation
	opConfirm = "confirm" // judge me
	opRevert  = "revert"  // take it back now
	opStatus  = "status"
)

type answer struct {
	Code    string   `json:"code"` // "" done, or what codes has
	Message string   `json:"message,omitempty"`
	Pending *Pending `json:"pending,omitempty"`
}

// codes are the errors that keep their identity over the socket.
var codes = map[string]error{
	"nothing": ErrNothing, "refused": ErrRefused, "reverted": ErrReverted, "failed": ErrNotReverted, "pending": ErrPending,
}

const codeOther = "other"

const (
	maxLine     = 4 << 10
	callTimeout = 2 * time.Minute // a revert of many routes, tried again and again
)

func codeOf(err error) string {
	if err == nil {
		return ""
	}
	for code, known := range codes {
		if errors.Is(err, known) {
			return code
		}
	}
	return codeOther
}

func (a answer) err() error {
	if a.Code == "" {
		return nil
	}
	return &remoteError{message: a.Message, cause: codes[a.Code]}
}

// A remoteError is an error of the holding process, with its identity.
type remoteError struct {
	message string
	cause   error
}

func (e *remoteError) Error() string { return e.message }
func (e *remoteError) Unwrap() error { return e.cause }

// held is a connection to the holding process.
type held struct {
	conn *net.UnixConn
	in   *bufio.Reader
}

func (h *held) close() { h.conn.Close() }

// dial connects to the holding process. ErrNothing: there is none.
func (g *Guard) dial(ctx context.Context) (*held, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", g.path(socketName))
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, ErrNothing
	}
	if err != nil {
		return nil, fmt.Errorf("guard: %w", err)
	}
	unix := conn.(*net.UnixConn)
	return &held{conn: unix, in: bufio.NewReaderSize(unix, maxLine)}, nil
}

func (h *held) ask(ctx context.Context, r request) (answer, error) {
	deadline := time.Now().Add(callTimeout)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	stop := context.AfterFunc(ctx, func() { _ = h.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	_ = h.conn.SetDeadline(deadline)
	text, _ := json.Marshal(r)
	_, err := h.conn.Write(append(text, '\n'))
	var line []byte
	if err == nil {
		line, err = h.in.ReadSlice('\n')
	}
	if err != nil {
		return answer{}, h.silent(ctx, err)
	}
	var a answer
	if err := json.Unmarshal(line, &a); err != nil {
		return answer{}, fmt.Errorf("guard: answer: %w", err)
	}
	return a, a.err()
}

// silent explains a holding process that did not answer.
func (h *held) silent(ctx context.Context, err error) error {
	if ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return ctx.Err()
	}
	pid, _, _ := session.PeerOf(h.conn)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("the guard (pid %d) does not answer: it may be stopped: kill -CONT %d", pid, pid)
	}
	return fmt.Errorf("the guard (pid %d) is gone: %w", pid, err)
}

// once asks the holding process one thing, within a time that suits a person.
func (g *Guard) once(ctx context.Context, r request, timeout time.Duration) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	h, err := g.dial(ctx)
	if err != nil {
		return answer{}, err
	}
	defer h.close()
	a, err := h.ask(ctx, r)
	return a, err
}

// Confirm keeps the change that waits, if the holding process believes that the
// caller got in after it. Errors: ErrNothing, ErrRefused, ErrReverted when the
// deadline was faster, and others where the change is no longer there as it was
// made; it then still waits.
func (g *Guard) Confirm(ctx context.Context) error {
	_, err := g.once(ctx, request{Op: opConfirm}, 20*time.Second)
	return err
}

// Revert takes the change that waits back at once. A nil error means that the old
// state is back.
func (g *Guard) Revert(ctx context.Context) error {
	_, err := g.once(ctx, request{Op: opRevert, Reason: "somebody asked for it"}, callTimeout)
	if errors.Is(err, ErrReverted) {
		return nil
	}
	return err
}

// Pending returns the change that waits. ErrNothing: none does.
func (g *Guard) Pending(ctx context.Context) (*Pending, error) {
	a, err := g.once(ctx, request{Op: opStatus}, 5*time.Second)
	return a.Pending, err
}
