package talk

import (
	"testing"
	"time"

	"wirelab/load/connect"
)

// Datagrams go to one address at a time, those of IPv4 first; TCP tries all that a name has.
func TestLookUp(t *testing.T) {
	for network, want := range map[string]string{"udp": "127.0.0.1:7", "tcp": "localhost:7"} {
		cfg := connect.Config{Network: network, Address: "localhost:7", DialTimeout: 10 * time.Second}
		if err := new(connectFlags).lookUp(t.Context(), &cfg); err != nil || cfg.Address != want {
			t.Errorf("%s: %s, %v", network, cfg.Address, err)
		}
	}
}
