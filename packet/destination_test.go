package packet

import (
	"fmt"
	"testing"
)

func TestDestinations(t *testing.T) {
	for line, want := range map[string]string{
		"ip dst=10.0.0.1 / udp":                      "[[10.0.0.1 10.0.0.1]]",
		"udp":                                        "[[127.0.0.1 127.0.0.1]]",
		"ip dst=inc:10.0.0.1 / udp":                  "[[10.0.0.1 10.0.0.100]]",
		"ip dst=dec:10.0.0.0-10.0.1.0 / udp":         "[[10.0.0.157 10.0.1.0]]",
		"ip dst=inc:10.0.0.1-10.0.0.9 / udp":         "[[10.0.0.1 10.0.0.9]]",
		"ip dst=rand:10.0.0.0-10.0.0.9 / udp":        "[[10.0.0.0 10.0.0.9]]",
		"ip dst=list:10.0.0.1,192.0.2.1 / udp":       "[[10.0.0.1 10.0.0.1] [192.0.2.1 192.0.2.1]]",
		"ip6 dst=inc:2001:db8::1 / udp":              "[[2001:db8::1 2001:db8::64]]",
		"arp":                                        "[]",
		"ip dst=10.0.0.1 / ip dst=inc:8.8.8.8 / udp": "[[10.0.0.1 10.0.0.1]]",
	} {
		s, err := ParseLine(line)
		if err != nil {
			t.Fatal(err)
		}
		s.Complete(false)
		if got := fmt.Sprint(s.Destinations(100)); got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
}
