package load

import (
	"testing"
	"time"

	"wirelab/load/connect"
)

// Datagrams go to one address, chosen here; TCP tries all that a name has.
func TestResolveDatagrams(t *testing.T) {
	for network, want := range map[string]string{"udp": "127.0.0.1:7", "tcp": "localhost:7"} {
		cfg := connect.Config{Network: network, Address: "localhost:7", DialTimeout: 10 * time.Second}
		if err := resolveDatagrams(t.Context(), &cfg); err != nil || cfg.Address != want {
			t.Errorf("%s: %s, %v", network, cfg.Address, err)
		}
	}
}
