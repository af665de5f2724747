package handlers

import (
	"wirelab/clock"
	"wirelab/server/tcp"
)

// timeDiff answers a line that begins with a timestamp (see clock.ParseTimestamp)
// with the moment at which the server saw it and the difference, server minus line:
//
//	2026-11-22T10:03:04.123456Z user +38.214 us
//
// TCP has no receive stamp for a line, so the clock is read here: "user". The
// difference holds the way through the network, the sender's buffering and both
// clocks' errors; what part each has cannot be known from one direction.
type timeDiff struct{}

func (timeDiff) line(line, out []byte) ([]byte, tcp.Next) {
	now := clock.Now()
	sent, _, ok := clock.ParseTimestamp(line)
	if !ok {
		return append(out, "error: a line begins with seconds since 1970 (date +%s.%6N) or an RFC 3339 time\n"...), tcp.Wait
	}
	out = now.Time.UTC().AppendFormat(out, "2006-01-02T15:04:05.000000Z")
	out = append(out, ' ')
	out = append(out, now.Source.String()...)
	out = append(out, ' ')
	out = clock.AppendMicroseconds(out, now.Time.Sub(sent))
	return append(out, " us\n"...), tcp.Wait
}
