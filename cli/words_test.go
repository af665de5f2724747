package cli

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// goWords are words by which Go's packages are known.
var goWords = regexp.MustCompile(`strconv|\btime: |[^.]json: |invalid character|JSON input|encoding/|\btls: |\*tls|x509|: (dial|listen) (tcp|udp|unix)\b|: (connect|bind): |lookup |in address|invalid port|invalid syntax|recvmmsg|0001-01-01`)

// Whatever is asked for that cannot be, the answer is one line that begins with wirelab and
// that has nothing of how wirelab is written.
func TestErrorsSpeakToPeople(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for name, text := range map[string]string{"text": "text\n", "half.json": `{"a":`, "other.json": `{"schema":"wirelab.report/1","report":{"schema":"wirelab.load/1","clients":"x"}}`,
		"empty.json": `{"schema":"wirelab.report/1","report":{"schema":"foo/1"}}`} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	for args, want := range map[string]string{
		"connect tcp 127.0.0.1:1 --timeout 5s":                               "nothing listens at 127.0.0.1:1; start one",
		"connect tcp 1 --timeout 5s":                                         "nothing listens at 127.0.0.1:1; start one",
		"connect tcp 127.0.0.1 1 --timeout 5s":                               "nothing listens at 127.0.0.1:1; start one",
		"connect udp 127.0.0.1:1 --payload text:x --timeout 5s":              "nothing listens at 127.0.0.1:1; start one",
		"connect udp 127.0.0.1:1 --payload stamp --count 2 --interval 100ms": "nothing listens at 127.0.0.1:1; start one",
		"connect unix ./nowhere":                                             "nobody listens there",
		"connect tcp nosuchhost.invalid:5 --timeout 5s":                      "nosuchhost.invalid",
		"connect udp 127.0.0.1:9 --payload hex:zz":                           "each byte has two digits",
		"load tcp 127.0.0.1:1":                                               "nothing listens at 127.0.0.1:1; start one",
		"load tcp 127.0.0.1:1 --throughput":                                  "nothing listens at 127.0.0.1:1; start one",
		"load udp 127.0.0.1:1":                                               "nothing listens at 127.0.0.1:1; start one",
		"load udp 127.0.0.1:1 --fast":                                        "nothing listens at 127.0.0.1:1; start one",
		"load tcp 127.0.0.1:1 --percentiles x":                               `--percentiles: "x" is not a number`,
		"load udp 127.0.0.1:1 --save ./none/x":                               "--save: write ./none/x: no such file or directory",
		"listen tcp 99999":                                                   "write PORT, HOST:PORT or [IPv6]:PORT",
		"listen udp x":                                                       "write PORT, HOST:PORT or [IPv6]:PORT",
		"listen tcp [fe80::1]:0":                                             "say of which",
		"listen tcp 192.0.2.1:0":                                             "listen on an address of this host",
		"listen tcp " + taken:                                                "port " + taken + " is held by ",
		"listen unix ./text":                                                 "something that is no socket has that name",
		"relay tcp 99999 127.0.0.1:5":                                        "write PORT, HOST:PORT or [IPv6]:PORT",
		"relay tcp " + taken + " 127.0.0.1:5":                                "port " + taken + " is held by ",
		"relay udp 192.0.2.1:0 127.0.0.1:5":                                  "listen on an address of this host",
		"relay udp 0 nosuchhost.invalid:5":                                   "nosuchhost.invalid",
		"relay udp 0 127.0.0.1:5 --delay 5":                                  `--delay: "5" is a duration without unit; write it as 500ms`,
		"relay udp 0 127.0.0.1:5 --lose x":                                   `--lose: "x" is not a number`,
		"relay udp 0 127.0.0.1:5 --rate fast":                                `--rate: "fast" is not a number; write it as 100, 50k`,
		"serve tcp --tls-cert text --tls-key text":                           "load TLS certificate: failed to find any PEM data",
		"time measure 127.0.0.1:1 -n 1":                                      "nothing listens at 127.0.0.1:1; wirelab serve udp answers STAMP",
		"time measure 127.0.0.1:1 --protocol ntp -n 1":                       "nothing listens at 127.0.0.1:1; ",
		"time measure nosuchhost.invalid":                                    "nosuchhost.invalid",
		"report show half.json":                                              "half.json: not a report: the JSON ends too early",
		"report show text":                                                   "text: not a report: no JSON from byte",
		"report show other.json":                                             `"clients" is of another kind than string`,
		"report show empty.json":                                             "empty.json",
		"report compare text text":                                           "no JSON from byte",
		"packet flood ip dst=127.0.0.1 / udp --rate x":                       `--rate: "x" is not a number; write it as 100, 50k`,
		"packet flood ip dst=127.0.0.1 / udp --count 1.5":                    `--count: "1.5" is not a whole number`,
		"packet read .":                                                      "wirelab: read .: is a directory",
		"packet read text":                                                   "neither a pcap nor a pcapng file",
		"ps --control ./nowhere":                                             "control socket ./nowhere: ",
		"ps --control ./text":                                                "control socket ./text: ",
		"firewall import none":                                               "none: no such file",
		"firewall install --dir ./none":                                      "write none/wirelab-firewall.service: no such file",
	} {
		a, stdout, stderr := newTestApp("")
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		status := a.run(ctx, strings.Fields(args))
		cancel()
		got := stderr.String()
		last := got[strings.LastIndexByte(strings.TrimSuffix(got, "\n"), '\n')+1:]
		if status == 0 && args != "report show empty.json" || goWords.MatchString(got+stdout.String()) || !strings.HasPrefix(last, "wirelab: ") && status != 0 || !strings.Contains(got+stdout.String(), want) {
			t.Errorf("wirelab %s: status %d, %q, want %q; %s", args, status, got, want, goWords.FindString(got+stdout.String()))
		}
	}
	if left, _ := filepath.Glob("*"); len(left) != 4 {
		t.Errorf("they have left %q", left)
	}
}
