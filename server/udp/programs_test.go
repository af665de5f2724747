package udp_test

import (
	"bytes"
	"fmt"
	"os/exec"
	"testing"

	"wirelab/internal/require"
	"wirelab/server/udp"
)

func TestTimeDiffWithDateAndNetcat(t *testing.T) {
	nc := require.Program(t, "nc")
	date := require.Program(t, "date")
	s := serve(t, "timediff")
	stamp, err := exec.Command(date, "+%s.%6N").Output()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(nc, "-u", "-w1", "127.0.0.1", fmt.Sprint(s.Addr().Port()))
	cmd.Stdin = bytes.NewReader(stamp)
	answer, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var second, microseconds, number float64
	if n, err := fmt.Sscanf(string(answer), "%f %f #%f\n", &second, &microseconds, &number); n != 3 || err != nil {
		t.Fatalf("%q answered with %q: %v", stamp, answer, err)
	}
	if len(answer) > len(stamp) || second >= 60 || microseconds <= 0 || microseconds > float64(patience.Microseconds()) || number != 1 {
		t.Errorf("%q answered with %q", stamp, answer)
	}
	p := s.Status().Peers[0]
	if p.Diff == nil || p.Diff.Window != 1 || int64(p.Diff.Last) != int64(microseconds) {
		t.Errorf("%+v, %+v", p, p.Diff)
	}
}

func TestReflectsScapyPackets(t *testing.T) {
	python := require.Python(t, "scapy.contrib.stamp")
	s := serve(t, "timediff")
	script := `
import socket, sys, time
from scapy.contrib.stamp import *
c = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
c.settimeout(20)
c.connect(("127.0.0.1", int(sys.argv[1])))
for estimate in ErrorEstimate(S=1, Z=0, scale=22, multiplier=255), ErrorEstimate(S=0, Z=1, scale=1, multiplier=1):
    now = time.time()
    ts = now + 2208988800 if estimate.Z == 0 else 0
    sent = bytes(STAMPSessionSenderTestUnauthenticated(seq=42, ts=ts, err_estimate=estimate, ssid=7))
    if estimate.Z == 1:
        sent = sent[:4] + int(now).to_bytes(4, "big") + (5).to_bytes(4, "big") + sent[12:]
    c.send(sent)
    raw = c.recv(100)
    got = STAMPSessionReflectorTestUnauthenticated(raw)
    assert len(raw) == 44, len(raw)
    assert (got.seq, got.seq_sender, got.ssid, got.ttl_sender, got.mbz1, got.mbz2) == (42, 42, 7, 64, 0, 0), got.show(dump=True)
    assert bytes(got.err_estimate_sender) == bytes(estimate) and raw[28:36] == sent[4:12], got.show(dump=True)
    assert got.err_estimate.multiplier != 0 and got.err_estimate.Z == estimate.Z, got.show(dump=True)
    seconds = lambda at: int.from_bytes(raw[at:at+4], "big") - (2208988800 if estimate.Z == 0 else 0)
    assert now - 1 <= seconds(16) <= seconds(4) <= time.time() + 1, got.show(dump=True)
`
	out, err := exec.Command(python, "-c", script, fmt.Sprint(s.Addr().Port())).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if st := s.Status(); st.Traffic.MessagesOut != 2 || st.Events[udp.EventUnrecognised] != 0 {
		t.Errorf("%+v", st)
	}
}
