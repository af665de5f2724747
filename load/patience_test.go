package load

import (
	"net"
	"testing"
	"time"

	"wirelab/load/payload"
)

// Against a server that is silent, no wait of a closed loop is longer than an eighth of
// the timeout by a clock that was read in the same turn, however late the loop itself is: so the
// run ends with its duration and one timeout, plus what the machine made it late.
func TestNoWaitOversleeps(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		for _, stall := range []time.Duration{0, 30 * time.Millisecond} {
			t.Run(host+" "+stall.String(), func(t *testing.T) { waitOnSilence(t, host, stall) })
		}
	}
}

func waitOnSilence(t *testing.T, host string, stall time.Duration) {
	silent, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(host)})
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	const duration, timeout = 300 * time.Millisecond, 50 * time.Millisecond
	seq, err := payload.Parse("seq", 64)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := Config{
		Network: "udp", Target: silent.LocalAddr().(*net.UDPAddr).AddrPort(), Clients: 1, Duration: duration, Timeout: timeout,
		Payload: seq, Loops: 1,
	}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	r := newRun(cfg)
	defer r.close()
	if err := r.open(); err != nil {
		t.Fatal(err)
	}
	l := r.loops[0]
	if err := l.prepare(); err != nil {
		t.Fatal(err)
	}
	r.connected(t.Context())
	l.schedule = newSchedule(&cfg, r.began)
	l.cutoff, l.active, l.running, l.pacer = l.schedule.cutoff(), 1, true, pacer{round: 1}
	l.preparePace()
	var late time.Duration // the machine's doing
	for turns := 0; l.active > 0; turns++ {
		time.Sleep(stall)
		begun := r.now()
		if err := l.turn(); err != nil {
			t.Fatal(err)
		}
		ended := r.now()
		late += max(ended-begun-timeout/8, 0) + stall
		switch {
		case l.clock < begun:
			t.Fatal("a turn has not read the clock")
		case l.active > 0 && l.patience() > timeout/8:
			t.Fatalf("the next wait is for %v", l.patience())
		case ended-r.began > duration+2*timeout+late:
			t.Fatalf("%v after the beginning the run goes on, %v of them late", ended-r.began, late)
		}
	}
	if sent := l.rec.sent; sent < 2 || sent > uint64(duration/timeout)+1 {
		t.Errorf("%d messages sent", sent)
	}
}
