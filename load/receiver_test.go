package load

import (
	"strings"
	"testing"
	"time"

	"wirelab/internal/tally"
)

// tallyingServer echoes datagrams and answers requests for what it counted, of
// which it discards every dropsth on arrival; 0: none.
func tallyingServer(drops uint64) func(int, []byte) [][]byte {
	counts := tally.Counts{Since: time.Now()}
	return func(_ int, d []byte) [][]byte {
		if nonce, ok := tally.ParseRequest(d); ok {
			answer := make([]byte, tally.Len)
			tally.PutAnswer(answer, nonce, &counts)
			return once(answer)
		}
		counts.Arrived++
		if drops > 0 && counts.Arrived%drops == 0 {
			counts.Drops++
			return nil
		}
		counts.Known, counts.Last = true, time.Now()
		if counts.Packets == 0 {
			counts.First = counts.Last
		}
		counts.Packets++
		counts.Bytes += uint64(len(d))
		return once(d)
	}
}

func TestReceiverSaysWhereDatagramsWereLost(t *testing.T) {
	for _, rate := range []float64{0, 2000} {
		addr := serveDatagrams(t, tallyingServer(4))
		for range 2 { // the second run begins with the counts of the first
			r := mustRun(t, Config{Network: "udp", Target: addr, Clients: 1, Messages: 40, Rate: rate, Timeout: 60 * time.Millisecond, AskReceiver: true})
			if r.Receiver == nil || r.Lost != 10 || r.Loss.ReceiverOverflow != 10 || r.Receiver.Received != 30 || r.Receiver.LostElsewhere != 0 {
				t.Errorf("rate %v: %+v, %+v, %s", rate, r.Loss, r.Receiver, r.ReceiverUnknown)
			}
		}
	}
}

func TestReceiverIsNotKnown(t *testing.T) {
	tests := map[string]func(int, []byte) [][]byte{
		"counts nothing": func(_ int, d []byte) [][]byte { return once(d) },
		"does not say": func(_ int, d []byte) [][]byte {
			if tally.Begins(d) {
				return nil
			}
			return once(d)
		},
	}
	for want, answer := range tests {
		r := mustRun(t, Config{Network: "udp", Target: serveDatagrams(t, answer), Clients: 3, Messages: 5, AskReceiver: true})
		if r.Receiver != nil || !strings.Contains(r.ReceiverUnknown, want) || r.Verify() != nil || r.Unexpected != 0 {
			t.Errorf("%s: %+v, %q: %+v", want, r.Receiver, r.ReceiverUnknown, r)
		}
	}
	r := mustRun(t, Config{Network: "udp", Target: closedPort(t, "udp"), Clients: 1, Messages: 5, AskReceiver: true})
	if r.Receiver != nil || r.ReceiverUnknown == "" || r.Verify() == nil {
		t.Errorf("%q: %+v", r.ReceiverUnknown, r)
	}
}
