package tcp_test

import (
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"

	"wirelab/server"
	"wirelab/server/tcp"
)

// Those who are refused come again at once; the log keeps to what can be read, and says
// how many more there were.
func TestRefusalsDoNotFloodTheLog(t *testing.T) {
	onEveryEngine(t, func(t *testing.T, engine string) {
		const refused = 400
		var log lockedBuffer
		var access server.Access
		access.Set(nil, []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")})
		s := serve(t, engine, "echo", func(cfg *tcp.Config) {
			cfg.Access, cfg.Log = &access, slog.New(slog.NewTextHandler(&log, nil))
		})
		for range refused {
			if c, err := net.Dial("tcp", s.Addr().String()); err == nil {
				c.Close()
			}
		}
		s.eventually("all are refused", func(st tcp.Status) bool {
			return st.Refused["denied"]+st.Events["aborted_before_accept"] == refused
		})
		s.stop()
		lines := strings.Count(log.String(), "connection refused")
		hidden := strings.Count(log.String(), "not all were logged")
		if lines == 0 || lines >= refused || hidden == 0 {
			t.Errorf("%d lines, and %d that say that there were more", lines, hidden)
		}
	})
}
