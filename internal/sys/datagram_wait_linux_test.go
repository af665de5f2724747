package sys

import (
	"net/netip"
	"testing"
	"time"
)

// A socket that is only read without waiting is never woken, and its deadline can
// be set all the same.
func TestDatagramDeadlinesDoNotFillUp(t *testing.T) {
	conn, err := ListenDatagrams(DatagramConfig{Addr: netip.MustParseAddrPort("127.0.0.1:0")})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer conn.Close()
		for range 1000 {
			if err := conn.SetReadDeadline(time.Time{}); err != nil {
				t.Error(err)
			}
		}
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("SetReadDeadline blocks")
	}
}
