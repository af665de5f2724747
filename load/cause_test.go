package load

import (
	"errors"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"wirelab/internal/sys"
	"wirelab/load/delivery"
	"wirelab/load/payload"
)

// A source that is no address of this host is called that, over both networks and families.
func TestSourceOfAnotherHost(t *testing.T) {
	seq, err := payload.Parse("seq", 64)
	if err != nil {
		t.Fatal(err)
	}
	for source, target := range map[string]string{"192.0.2.1": "127.0.0.1:9", "2001:db8::1": "[::1]:9"} {
		sources, err := ParseSources(source)
		if err != nil {
			t.Fatal(err)
		}
		for _, network := range []string{"tcp", "udp"} {
			_, err := Run(t.Context(), Config{
				Network: network, Target: netip.MustParseAddrPort(target), Sources: sources,
				Clients: 2, Messages: 1, Timeout: time.Second, Payload: seq,
			})
			if !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), source+" is not an address of this host") {
				t.Errorf("%s from %s: %v", network, source, err)
			}
		}
	}
	if got := sys.ErrorName(sys.NewOpError("connect", syscall.EADDRNOTAVAIL)); got != "no local port left" {
		t.Errorf("ports that ran out: %s", got)
	}
	if got := sys.ErrorName(sys.NewOpError("bind", syscall.EADDRNOTAVAIL)); !strings.Contains(got, "not an address") {
		t.Errorf("an address that went: %s", got)
	}
}

// Silence is explained by what the server counted.
func TestSilenceIsExplained(t *testing.T) {
	for _, tt := range []struct {
		receiver *delivery.Report
		want     string
	}{
		{nil, "no answer came"},
		{&delivery.Report{Distinct: 6}, "no answer came, though the server received all: its handler, such as discard, answers nothing"},
		{&delivery.Report{Lost: 6}, "no answer came: nothing reached the server"},
		{&delivery.Report{Distinct: 2, Lost: 4}, "no answer came, though the server received 2 of 6"},
	} {
		r := &Report{Network: "udp", Sent: 6, Lost: 6, Receiver: tt.receiver}
		if err := r.Verify(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %s", tt.receiver, err, tt.want)
		}
	}
}

// The status is of what came in time: late answers alone do not hold.
func TestOnlyLateAnswersDoNotVerify(t *testing.T) {
	r := &Report{Network: "udp", Sent: 6, Received: 4, Late: 4, Lost: 2}
	if err := r.Verify(); err == nil || !strings.Contains(err.Error(), "no answer came in time, 4 late") {
		t.Errorf("only late answers: %v", err)
	}
	if r.Late = 3; r.Verify() != nil || r.Verified() != 1 {
		t.Errorf("one in time: %v, %d verified", r.Verify(), r.Verified())
	}
}
