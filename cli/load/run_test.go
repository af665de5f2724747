package load

import (
	"errors"
	"strings"
	"testing"

	"wirelab/cli/term"
	"wirelab/load"
)

func TestNothingListens(t *testing.T) {
	refused := map[string]uint64{"connection refused": 2}
	for name, tt := range map[string]struct {
		report load.Report
		want   bool
	}{
		"tcp":                  {load.Report{Network: "tcp", Errors: refused}, true},
		"flood":                {load.Report{Network: "tcp", Mode: "flood", Errors: refused}, true},
		"flood, one up":        {load.Report{Network: "tcp", Mode: "flood", Connected: 1, Errors: refused}, false},
		"tcp, one silent":      {load.Report{Network: "tcp", Connected: 1, Errors: refused}, false},
		"two targets":          {load.Report{Network: "tcp", Targets: []string{"a", "b"}, Errors: refused}, false},
		"udp":                  {load.Report{Network: "udp", Connected: 2, Errors: refused}, true},
		"udp, ended meanwhile": {load.Report{Network: "udp", Connected: 2, Received: 1, Errors: refused}, false},
		"silent":               {load.Report{Network: "tcp"}, false},
	} {
		if got := nothingListens(&tt.report); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// The advice names the port, and none is given for a host that is not this one.
func TestLoadVerdictAdvises(t *testing.T) {
	for _, tt := range []struct{ network, mode, target, want string }{
		{"tcp", "closed", "127.0.0.1:9999", "nothing listens at 127.0.0.1:9999; start one: wirelab serve tcp --port 9999"},
		{"tcp", "closed", "127.0.0.1:12345", "nothing listens at 127.0.0.1:12345; start one: wirelab serve tcp"},
		{"tcp", "flood", "127.0.0.1:9999", "start one: wirelab serve tcp --port 9999 --handler discard"},
		{"udp", "closed", "[::1]:9999", "start one: wirelab serve udp --port 9999 --bind ::1"},
		{"tcp", "flood", "192.0.2.1:9999", "nothing listens at 192.0.2.1:9999; is the server running there, and is the port right?"},
	} {
		r := &load.Report{Network: tt.network, Mode: tt.mode, Target: tt.target, Clients: 1, Messages: 1, Errors: map[string]uint64{"connection refused": 1}}
		err := loadVerdict(t.Context(), r)
		if !errors.Is(err, term.ErrCheckFailed) || !strings.HasSuffix(err.Error(), tt.want) {
			t.Errorf("%s %s: %v", tt.network, tt.target, err)
		}
	}
}

// A search that was interrupted in its first step has tried nothing.
func TestHeadlineOfSearches(t *testing.T) {
	step := []load.RateStep{{RatePerS: 1000}}
	for want, r := range map[string]load.Report{
		"p99<2ms holds up to 500 messages/s (interrupted)":        {Interrupted: true, Curve: step, Search: &load.Search{Limit: "p99<2ms", RatePerS: 500}},
		"p99<2ms holds at no rate that was tried":                 {Curve: step, Search: &load.Search{Limit: "p99<2ms"}},
		"p99<2ms holds at no rate that was tried (interrupted)":   {Interrupted: true, Curve: step, Search: &load.Search{Limit: "p99<2ms"}},
		"p99<2ms: no rate was tried to its end (interrupted)":     {Interrupted: true, Search: &load.Search{Limit: "p99<2ms"}},
		"p99<2\ufffd: no rate was tried to its end (interrupted)": {Interrupted: true, Search: &load.Search{Limit: "p99<2\x1b"}},
	} {
		if got := loadHeadline(&r); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
