package throughput

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"wirelab/internal/sys"
	tcp "wirelab/internal/sys/stream"
)

// A stream is one connection, and which way its bytes go. One goroutine runs it.
type stream struct {
	cfg       *Config
	direction Direction
	tcp       *net.TCPConn
	conn      net.Conn // tcp, or TLS over it

	moved   atomic.Uint64 // bytes of the run that this end has sent or taken so far
	counted uint64        // that the server says it took or sent
	elapsed time.Duration // until the server's last word
	err     error
	info    tcp.Info
}

// lastWord is how long a server's last line is: "up" or "down", and a number of bytes.
const lastWord = 4 + 1 + 20 + 1

// lastWait is how long the last word of a run that was interrupted is waited for.
const lastWait = time.Second

// open connects and says what the stream is to be.
func (s *stream) open(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	dialer := net.Dialer{Control: s.cfg.Socket.Control}
	conn, err := dialer.DialContext(ctx, "tcp", s.cfg.Target.String())
	if err != nil {
		return err
	}
	s.conn, s.tcp = conn, conn.(*net.TCPConn)
	if s.cfg.Socket.Nagle {
		if err := s.tcp.SetNoDelay(false); err != nil {
			return err
		}
	}
	if s.cfg.TLS != nil {
		secured := tls.Client(conn, s.cfg.TLS)
		s.conn = secured
		if err := secured.HandshakeContext(ctx); err != nil {
			return err
		}
	}
	return s.greet(ctx)
}

// greet sees to it that the server is one that measures.
func (s *stream) greet(ctx context.Context) error {
	deadline, _ := ctx.Deadline()
	if err := s.conn.SetDeadline(deadline); err != nil {
		return err
	}
	if _, err := io.WriteString(s.conn, "throughput\n"); err != nil {
		return err
	}
	const ready = "ready\n"
	said := make([]byte, len(ready))
	if _, err := io.ReadFull(s.conn, said); err != nil || string(said) != ready {
		return errServer
	}
	return s.conn.SetDeadline(time.Time{})
}

// run has the bytes go until the duration is over or ctx is cancelled.
func (s *stream) run(ctx context.Context, began time.Time) {
	stop := context.AfterFunc(ctx, func() { s.interrupt() })
	defer stop()
	if s.direction == Up {
		s.err = s.send(began.Add(s.cfg.Duration))
	} else {
		s.err = s.take(began.Add(s.cfg.Duration))
	}
	s.elapsed = time.Since(began)
	if ctx.Err() != nil && errors.Is(s.err, os.ErrDeadlineExceeded) {
		s.err = nil // the server's count is not known then
	}
	s.info, _ = tcp.ReadInfo(s.tcp) // of a broken connection there is none
}

// interrupt has s end soon: what waits to be sent is given up, and the end is told.
func (s *stream) interrupt() {
	if s.direction == Up {
		_ = s.tcp.SetWriteDeadline(time.Now())
	} else {
		_ = s.closeWrite()
	}
	_ = s.tcp.SetReadDeadline(time.Now().Add(lastWait))
}

func (s *stream) closeWrite() error {
	if secured, ok := s.conn.(*tls.Conn); ok {
		return secured.CloseWrite()
	}
	return s.tcp.CloseWrite()
}

// send writes blocks until the end, and then awaits what the server says that it took.
func (s *stream) send(end time.Time) error {
	if _, err := io.WriteString(s.conn, "up\n"); err != nil {
		return err
	}
	block := bytes.Repeat([]byte("wirelab "), s.cfg.Block/8+1)[:s.cfg.Block]
	if err := s.tcp.SetDeadline(end.Add(s.cfg.Timeout)); err != nil { // of a server that takes nothing more
		return err
	}
	for time.Now().Before(end) {
		n, err := s.conn.Write(block)
		s.moved.Add(uint64(n))
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if err != nil {
			return err
		}
	}
	if err := s.closeWrite(); err != nil {
		return err
	}
	return s.takeAll(make([]byte, lastWord))
}

// take reads what the server sends until it ends.
func (s *stream) take(end time.Time) error {
	request := fmt.Sprintf("down %d\n", s.cfg.Duration.Microseconds())
	if _, err := io.WriteString(s.conn, request); err != nil {
		return err
	}
	if err := s.tcp.SetReadDeadline(end.Add(s.cfg.Timeout)); err != nil {
		return err
	}
	return s.takeAll(make([]byte, s.cfg.Block+lastWord))
}

// takeAll reads to the end of the stream. The last line is the server's last word; what
// comes before it is counted when that goes down.
func (s *stream) takeAll(buffer []byte) error {
	var tail []byte // the last bytes that came, as many as a last word has at most
	for {
		n, err := s.conn.Read(buffer)
		passed := n + len(tail)
		tail = append(tail, buffer[max(n-lastWord, 0):n]...)
		tail = append(tail[:0], tail[max(len(tail)-lastWord, 0):]...)
		if s.direction == Down {
			s.moved.Add(uint64(passed - len(tail)))
		}
		switch {
		case errors.Is(err, io.EOF):
			return s.conclude(tail)
		case err != nil:
			return err
		}
	}
}

// conclude reads the server's last word.
func (s *stream) conclude(line []byte) error {
	count, err := parseLastWord(line, s.direction)
	if err != nil {
		return err
	}
	s.counted = count
	return nil
}

// parseLastWord returns how many bytes the server says that it took or sent.
func parseLastWord(line []byte, direction Direction) (uint64, error) {
	word, number, _ := strings.Cut(string(line), " ")
	if len(line) != lastWord || word != string(direction) || line[lastWord-1] != '\n' {
		return 0, errServer
	}
	n, err := strconv.ParseUint(strings.TrimSpace(number), 10, 64)
	if err != nil {
		return 0, errServer
	}
	return n, nil
}

// failure names what befell the stream, "" for nothing.
func (s *stream) failure() string {
	switch {
	case s.err == nil:
		return ""
	case errors.Is(s.err, os.ErrDeadlineExceeded):
		return "no answer in time"
	}
	return sys.ErrorName(s.err)
}
