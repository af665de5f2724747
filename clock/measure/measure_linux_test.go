package measure

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"wirelab/internal/require"
	ntpserver "wirelab/server/ntp"
	"wirelab/server/udp"
)

const patience = 20 * time.Second

// running starts a server that ends with the test.
func running(t *testing.T, s *udp.Server, err error) netip.AddrPort {
	t.Helper()
	require.Supported(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s.Addr()
}

var loopback = netip.MustParseAddrPort("127.0.0.1:0")

func serveNTP(t *testing.T) netip.AddrPort {
	r, err := ntpserver.New(ntpserver.Config{})
	if err != nil {
		t.Fatal(err)
	}
	reference := ntpserver.LocalReference(3, time.Now())
	r.SetReference(&reference)
	s, err := ntpserver.Listen(udp.Config{Addr: loopback}, r)
	return running(t, s, err)
}

func serveSTAMP(t *testing.T) netip.AddrPort {
	s, err := udp.Listen(udp.Config{Addr: loopback, Handler: udp.TimeDiff{}})
	return running(t, s, err)
}

// checkSamples checks that the true offset, which is 0, is within every bound.
func checkSamples(t *testing.T, h *Host, count int) {
	t.Helper()
	if h.Taken != count || len(h.Samples) != count || h.Received != h.Sent || h.Loss != 0 || len(h.Errors) != 0 || len(h.LeftOut) != 0 {
		t.Errorf("%d samples of %d requests, %d answers, errors %v, left out %v", h.Taken, h.Sent, h.Received, h.Errors, h.LeftOut)
	}
	for _, s := range h.Samples {
		if max(s.Offset, -s.Offset) > s.Bound || s.Source != "kernel" || s.T4-s.T1-(s.T3-s.T2) != s.Delay {
			t.Errorf("%+v", s)
		}
	}
	if h.Bound <= 0 || h.Offsets.Least > h.Offset || h.Offsets.Most < h.Offset || h.Delay > h.Delays.Least+100 {
		t.Errorf("%+v", h)
	}
}

func TestMeasure(t *testing.T) {
	ntpAddr, stampAddr := serveNTP(t), serveSTAMP(t)
	for _, tc := range []struct {
		cfg  Config
		mode string
		sent int
	}{
		{Config{Host: ntpAddr, Protocol: NTP, Count: 20}, Interleaved, 21},
		{Config{Host: ntpAddr, Protocol: NTP, Count: 20, Basic: true}, Basic, 20},
		{Config{Host: ntpAddr, Protocol: NTP, Count: 5, Burst: 4}, Interleaved, 25},
		{Config{Host: ntpAddr, Protocol: NTP, Count: 5, Burst: 4, Basic: true}, Basic, 20},
		{Config{Host: stampAddr, Protocol: STAMP, Count: 20}, FollowUp, 21},
		{Config{Host: stampAddr, Protocol: STAMP, Count: 20, Basic: true}, Plain, 20},
		{Config{Host: stampAddr, Protocol: STAMP, Count: 1}, FollowUp, 2},
	} {
		tc.cfg.Interval, tc.cfg.Timeout = time.Millisecond, 4*time.Second
		h, err := Measure(context.Background(), tc.cfg)
		if err != nil {
			t.Fatal(err)
		}
		if h.Mode != tc.mode || h.Sent != tc.sent {
			t.Errorf("%+v: mode %s, %d sent", tc.cfg, h.Mode, h.Sent)
		}
		checkSamples(t, h, tc.cfg.Count)
	}
}

func TestMeasureWithoutAnybody(t *testing.T) {
	began := time.Now()
	_, err := Measure(context.Background(), Config{Host: netip.MustParseAddrPort("127.0.0.1:9"), Protocol: NTP, Count: 1000, Interval: time.Millisecond, Timeout: time.Second})
	if !errors.Is(err, syscall.ECONNREFUSED) || time.Since(began) > patience {
		t.Errorf("%v", err)
	}
}

// What there is when it is interrupted is the result.
func TestMeasureInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	taken := 0
	r, err := MeasureAll(ctx, []Config{{Host: serveSTAMP(t), Protocol: STAMP, Interval: time.Millisecond, Timeout: time.Second, OnSample: func(*Host, Sample) {
		if taken++; taken == 7 {
			cancel()
		}
	}}})
	if err != nil || !r.Interrupted || r.Host.Taken < 7 || r.Host.Taken > 8 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestSeveralHosts(t *testing.T) {
	hosts := []Config{
		{Name: "a", Host: serveNTP(t), Protocol: NTP}, {Name: "b", Host: serveSTAMP(t), Protocol: STAMP},
		{Name: "nobody", Host: netip.MustParseAddrPort("127.0.0.1:9"), Protocol: NTP},
	}
	for i := range hosts {
		hosts[i].Count, hosts[i].Interval, hosts[i].Timeout = 3, time.Millisecond, time.Second
	}
	r, err := MeasureAll(context.Background(), hosts)
	if err != nil {
		t.Fatal(err)
	}
	if r.Host != nil || len(r.Hosts) != 3 || r.Hosts[0].Verdict != Truechimer || r.Hosts[1].Verdict != Truechimer || r.Hosts[2].Verdict != NoAnswer {
		t.Errorf("%+v", r.Hosts)
	}
	saved, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := Check(saved); err != nil {
		t.Error(err)
	}
}

// voter is a host that says this of its clock.
func voter(offset, bound time.Duration) *Host {
	return &Host{Taken: 1, Offset: int64(offset), Bound: int64(bound)}
}

func TestFalsetickers(t *testing.T) {
	const ms = time.Millisecond
	honest := func() []*Host { return []*Host{voter(0, 10*ms), voter(3*ms, 10*ms), voter(-4*ms, 10*ms)} }
	r := Report{Hosts: append(honest(), voter(time.Second, ms), voter(-time.Hour, ms))}
	r.judge()
	for i, want := range []string{Truechimer, Truechimer, Truechimer, Falseticker, Falseticker} {
		if r.Hosts[i].Verdict != want {
			t.Errorf("host %d: %s", i, r.Hosts[i].Verdict)
		}
	}
	r = Report{Hosts: append(honest()[:2], voter(time.Second, ms), voter(-time.Hour, ms), voter(time.Hour, ms))}
	r.judge()
	for i, h := range r.Hosts {
		if h.Verdict != NoMajority || r.Agreement.Majority {
			t.Errorf("host %d: %s", i, h.Verdict)
		}
	}
}

// Exchanges with stamps of a clock that was set in between are left out.
func TestSteppedClocksAreLeftOut(t *testing.T) {
	cfg := Config{Count: 10}
	r := run{cfg: cfg, host: newHost(&cfg)}
	var p probed
	at := time.Unix(1795341784, 0)
	p.exchange.T1.Time, p.exchange.T2.Time = at, at
	p.exchange.T3.Time, p.exchange.T4.Time = at.Add(time.Hour), at.Add(time.Millisecond)
	r.keep(&p)
	p.exchange.T3.Time = at.Add(-time.Hour)
	r.keep(&p)
	if r.host.Taken != 0 || r.host.LeftOut[otherStep] != 2 {
		t.Errorf("%+v", r.host)
	}
	w := newWallWatch()
	w.begin()
	if w.stepped() {
		t.Error("nobody set the clock")
	}
	w.before += time.Millisecond // as if somebody had
	if !w.stepped() {
		t.Error("a step of a millisecond is not seen")
	}
	if w.slewed() {
		t.Error("nobody changed the clock's rate")
	}
	w.rate.ppb++
	if !w.slewed() {
		t.Error("a change of the rate is not seen")
	}
}

func TestSamplesShowStepsBetweenThem(t *testing.T) {
	h := newHost(&Config{Protocol: NTP})
	for i, offset := range []int64{0, 100, 1e9, 1e9 + 50} {
		h.add(Sample{T1: int64(i) * 1e9, Offset: offset, Delay: 2000, Bound: 1000 + int64(i)}, true)
	}
	h.sum()
	if h.Steps != 1 || h.Offset != 0 || !strings.Contains(strings.Join(h.Notes, "\n"), "stepped") {
		t.Errorf("%+v", h)
	}
}

func TestCheckRefusesWhatNoMeasurementHas(t *testing.T) {
	for _, text := range []string{
		`{}`, `[]`, `{"hosts":[null]}`, `{"protocol":"xyz"}`, `{"protocol":"ntp","bound_ns":-1}`, `{"protocol":"ntp","loss":2}`,
		`{"protocol":"ntp","samples":[{"bound_ns":-5}]}`,
	} {
		if Check([]byte(text)) == nil {
			t.Errorf("%s is taken", text)
		}
	}
}

// A server that answers kisses is asked no more than they allow.
func TestMeasureObeysKisses(t *testing.T) {
	r, err := ntpserver.New(ntpserver.Config{RatePerSecond: 0.001, Burst: 3})
	if err != nil {
		t.Fatal(err)
	}
	s, err := ntpserver.Listen(udp.Config{Addr: loopback}, r)
	addr := running(t, s, err)
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	h, err := Measure(ctx, Config{Host: addr, Protocol: NTP, Count: 100, Interval: time.Millisecond, Timeout: time.Second})
	if err != nil || h.Sent > 5 || s.Status().Events[ntpserver.EventKiss] != 1 {
		t.Errorf("%+v, %v", h, err)
	}
}
