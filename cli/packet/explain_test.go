package packet

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"wirelab/cli/term/termtest"
)

// printed runs a command of packet and returns what it prints.
func printed(t *testing.T, args string) string {
	t.Helper()
	c, stdout, stderr := termtest.NewConsole("")
	cmd := Commands(c)[0]
	c.AddFlags(cmd.PersistentFlags())
	cmd.SetArgs(strings.Fields(args))
	cmd.SetErr(stderr)
	if err := cmd.Execute(); err != nil {
		t.Fatalf("%s: %v", args, err)
	}
	return stdout.String()
}

func TestExplanationFits(t *testing.T) {
	for _, args := range []string{
		"explain tcp flags=SA opts=mss:1460,ts:1/2,wscale:7 / text hello",
		"explain icmp6 type=ra opts=prefix:2001:db8::/64,rdnss:600/2001:db8::53",
		"explain dns qr=1 q=a-rather-long-name.of-some-department.example.com an=example.com/TXT/5/words",
		"explain udp csum=bad / random 300 --seed 1",
		"explain ip len=auto+4 / tcp hdrlen=15 / hex deadbeef",
		"layers tcp", "layers icmp6", "layers dns",
	} {
		for line := range strings.Lines(printed(t, args)) {
			if width := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); width > textWidth {
				t.Errorf("%s: %d columns: %s", args, width, line)
			}
		}
	}
}

func TestExplanationInJSON(t *testing.T) {
	text := printed(t, "explain -o json udp csum=bad / text hello")
	var raw map[string]any
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		t.Fatal(err)
	}
	if raw["schema"] != "wirelab.packet.explain/1" || len(raw["layers"].([]any)) != 3 {
		t.Errorf("%s", text)
	}
	udp := raw["layers"].([]any)[1].(map[string]any)
	sum := udp["checksum"].(map[string]any)
	if sum["verdict"] != "bad" || sum["offset"] != 26.0 || sum["found"] == sum["right"] || len(sum["terms"].([]any)) != 6 {
		t.Errorf("%v", sum)
	}
	last := udp["fields"].([]any)[3].(map[string]any)
	if last["name"] != "csum" || last["set_by"] != "user" {
		t.Errorf("%v", last)
	}
}
