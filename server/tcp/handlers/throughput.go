package handlers

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"wirelab/server/tcp"
)

// throughput is the other end of `wirelab load tcp --throughput`. A client begins with the
// line "throughput", which comes back, and then says in one line what it wants:
//
//	up                the server takes all that comes until the client's end
//	down MICROSECONDS the server sends for so long
//
// The last that it is sent is a line of throughputTotal: "up" and the bytes that the server
// took after that line, or "down" and those that it sent between the two lines.
type throughput struct {
	way   string    // "": not asked yet
	until time.Time // of down
	bytes uint64
	block []byte // what is sent at once
}

const (
	throughputTotal   = "%-4s %20d\n"
	throughputMost    = 24 * time.Hour // that a client is sent something
	throughputRequest = 64             // bytes of the longest line that is read
	throughputBlock   = 128 << 10      // bytes, as much as iperf3 writes
)

func newThroughput(int, func(string)) tcp.Handler {
	return throughputHandler{bytes.Repeat([]byte("wirelab "), throughputBlock/8)}
}

type throughputHandler struct{ block []byte }

func (h throughputHandler) Open(*tcp.Conn) tcp.Session { return &throughput{block: h.block} }

func (s *throughput) Handle(in []byte, eof bool, out []byte) (consumed int, answer []byte, next tcp.Next) {
	for s.way == "" {
		n := bytes.IndexByte(in[consumed:], '\n') + 1
		if n == 0 && len(in)-consumed <= throughputRequest && !eof {
			return consumed, out, tcp.Wait
		}
		line := string(in[consumed : consumed+n])
		consumed += n
		if line == "throughput\n" {
			out = append(out, "ready\n"...)
		} else if !s.parse(line) {
			return len(in), append(out, "say throughput; then up, or down and for how many microseconds\n"...), tcp.Finish
		}
	}
	if s.way == "up" {
		s.bytes += uint64(len(in) - consumed)
		if !eof {
			return len(in), out, tcp.Wait
		}
		return len(in), s.total(out), tcp.Finish
	}
	if eof || !time.Now().Before(s.until) {
		return len(in), s.total(out), tcp.Finish
	}
	s.bytes += uint64(len(s.block))
	return len(in), append(out, s.block...), tcp.More
}

// parse takes the line that says what a client wants, and reports whether it is understood.
func (s *throughput) parse(line string) bool {
	way, lasts, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
	if way == "up" && lasts == "" {
		s.way = way
		return true
	}
	micros, err := strconv.ParseUint(lasts, 10, 63)
	if way != "down" || err != nil || micros > uint64(throughputMost/time.Microsecond) {
		return false
	}
	s.way, s.until = way, time.Now().Add(time.Duration(micros)*time.Microsecond)
	return true
}

func (s *throughput) total(out []byte) []byte {
	return fmt.Appendf(out, throughputTotal, s.way, s.bytes)
}

func (s *throughput) Close() {}
