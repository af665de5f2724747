package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"wirelab/internal/setting"
)

func choices() Choices {
	return Choices{
		"server.engine":      {"goroutine", "thread"},
		"server.handler":     {"echo", "discard", "chat"},
		"server.udp.handler": {"timediff", "echo"},
	}
}

func load(source string, more ...Flag) (*Config, error) {
	return Load(Input{File: "wirelab.yaml", Source: []byte(source), Flags: more, Choices: choices()})
}

func compare(t *testing.T, got, want any) {
	t.Helper()
	equal := []cmp.Option{cmpopts.IgnoreUnexported(Config{}), cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}), cmpopts.EquateEmpty()}
	if diff := cmp.Diff(want, got, equal...); diff != "" {
		t.Error(diff)
	}
}

func defaults() *Config {
	loopback := netip.MustParseAddr("127.0.0.1")
	return &Config{
		Server: Server{
			Enabled: true, Bind: loopback, Port: 12345, Engine: "goroutine", Handler: "echo", Buffer: 16384, DrainTimeout: 5 * time.Second,
			UDP: UDPServer{Enabled: true, Bind: loopback, Port: 12345, Handler: "timediff", Buffer: 65507, Batch: 32, GRO: true, GSO: true},
			NTP: NTPServer{Bind: loopback, Port: 12123, Burst: 8, NTSPort: 4460},
		},
		Client: Client{Server: "127.0.0.1", Port: 12345},
		Time: Time{
			Step: "always", MaxPoll: 1024 * time.Second, Panic: 1000 * time.Second, MaxDistance: 1500 * time.Millisecond, Burst: 4, NTSPort: 4460,
		},
		Logs: Logs{Dir: "logs", Level: slog.LevelInfo, MaxSize: 10_000_000, Keep: 7, MaxAge: 30 * 24 * time.Hour},
	}
}

func TestDefaults(t *testing.T) {
	for _, source := range []string{"", "# nothing\n", "server:\n", "---\n", "server: {}\nlogs: ~\n", "\ufeffserver:\r\n"} {
		c, err := load(source)
		if err != nil {
			t.Fatalf("%q: %v", source, err)
		}
		compare(t, c, defaults())
	}
}

func TestFile(t *testing.T) {
	c, err := load(`
server:
  bind: "::1"
  port: 8000        # not the default
  auto_port: true
  engine: thread
  buffer: 1KiB
  max_conns: 500
  idle_timeout: 1m30s
  allow: [10.0.0.0/8, '192.0.2.7']
  deny:
    - 2001:db8::/32
    - 10.1.2.3
  udp:
    port: 9000
client: {server: lab-host.example, port: 80}
logs:
  level: warn
  max_age: 1d12h
`)
	if err != nil {
		t.Fatal(err)
	}
	want := defaults()
	loopback := netip.MustParseAddr("::1")
	want.Server.Bind, want.Server.Port, want.Server.AutoPort, want.Server.Engine = loopback, 8000, true, "thread"
	want.Server.Buffer, want.Server.MaxConns, want.Server.IdleTimeout = 1024, 500, 90*time.Second
	want.Server.Allow = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.7/32")}
	want.Server.Deny = []netip.Prefix{netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("10.1.2.3/32")}
	want.Server.UDP.Bind, want.Server.UDP.Port, want.Server.UDP.AutoPort = loopback, 9000, true
	want.Server.NTP.Bind, want.Server.NTP.AutoPort = loopback, true
	want.Client = Client{Server: "lab-host.example", Port: 80}
	want.Logs.Level, want.Logs.MaxAge = slog.LevelWarn, 36*time.Hour
	compare(t, c, want)
	for key, want := range map[string]string{
		"server.port": "wirelab.yaml:4:9", "server.allow": "wirelab.yaml:10:11", "server.deny": "wirelab.yaml:12:7",
		"server.udp.bind": "server.bind", "server.udp.port": "wirelab.yaml:15:11", "server.tls": "default",
		"client.port": "wirelab.yaml:16:42",
	} {
		if got := c.Origin(key); got != want {
			t.Errorf("origin of %s is %q, want %q", key, got, want)
		}
	}
}

func TestPrecedence(t *testing.T) {
	in := Input{
		File: "wirelab.yaml", Source: []byte("server: {port: 1, buffer: 1KiB, max_conns: 1, deny: [10.0.0.1]}"),
		Environ: []string{"WIRELAB_SERVER_PORT=2", "WIRELAB_SERVER_BUFFER=2KiB", "WIRELAB_SERVER_ALLOW=10.0.0.0/8, ::1",
			"WIRELAB_STRICT=1", "WIRELAB_SERVER_ENGINE=", "HOME=/root", "broken"},
		Flags: []Flag{{"server.port", "--port", []string{"3"}}, {"server.deny", "--deny", []string{"10.0.0.2,10.0.0.3", "10.0.0.4"}}},
	}
	c, err := Load(in)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, k := range Keys() {
		if origin := c.Origin(k.Name); origin != "default" {
			got[k.Name] = k.Text(c) + " from " + origin
		}
	}
	compare(t, got, map[string]string{
		"server.port":          "3 from --port",
		"server.buffer":        "2KiB from WIRELAB_SERVER_BUFFER",
		"server.max_conns":     "1 from wirelab.yaml:1:44",
		"server.allow":         `[10.0.0.0/8, "::1"] from WIRELAB_SERVER_ALLOW`,
		"server.deny":          "[10.0.0.2, 10.0.0.3, 10.0.0.4] from --deny",
		"server.udp.bind":      "127.0.0.1 from server.bind",
		"server.udp.dscp":      "0 from server.dscp",
		"server.udp.port":      "3 from server.port",
		"server.udp.auto_port": "false from server.auto_port",
		"server.ntp.bind":      "127.0.0.1 from server.bind",
		"server.ntp.auto_port": "false from server.auto_port",
	})
}

func TestFileErrors(t *testing.T) {
	tests := []struct{ source, want, excerpt string }{
		{"server:\n  port: 70000 # no\n", `wirelab.yaml:2:9: server.port: "70000" is out of range; allowed: 0 to 65535`,
			"  2 |   port: 70000 # no\n    |         ^^^^^"},
		{"server:\n  prot: 1\n", `wirelab.yaml:2:3: unknown key "prot" in server; did you mean port?`, "  2 |   prot: 1\n    |   ^^^^"},
		{"port: 1\n", `wirelab.yaml:1:1: unknown key "port"; did you mean server.port or server.udp.port or server.ntp.port or client.port?`, ""},
		{"serve: {port: 1}\n", `wirelab.yaml:1:1: unknown key "serve"; did you mean server?`, ""},
		{"client: {banana: 1}\n", `wirelab.yaml:1:10: unknown key "banana" in client; allowed: server, port`, ""},
		{"server:\n  engine: gorutine\n", `wirelab.yaml:2:11: server.engine: unknown engine "gorutine"; did you mean goroutine?; allowed: goroutine, thread`, ""},
		{"server: {port: -1}", `wirelab.yaml:1:16: server.port: "-1" is out of range; allowed: 0 to 65535`, ""},
		{"server: {port: 0x50}", `wirelab.yaml:1:16: server.port: "0x50" is not a whole number; allowed: 0 to 65535`, ""},
		{"server: {port: 1.5}", `server.port: "1.5" is not a whole number`, ""},
		{"server: {port: 99999999999999999999}", `server.port: "99999999999999999999" is out of range`, ""},
		{"server: {max_conns: 1000000000}", `server.max_conns: "1000000000" is out of range; allowed: 0 to 1000000`, ""},
		{"server: {idle_timeout: 5}", `server.idle_timeout: "5" is a duration without unit; allowed: 0s to 30d, such as 500ms`, ""},
		{"server: {idle_timeout: -5s}", `server.idle_timeout: "-5s" is out of range`, ""},
		{"server: {buffer: 10XB}", `server.buffer: "10XB" is not a size; allowed: 64 to 16MiB (units`, ""},
		{"server: {buffer: 1}", `server.buffer: "1" is out of range`, ""},
		{"server: {buffer: 9999999999GiB}", `server.buffer: "9999999999GiB" is out of range`, ""},
		{"server: {bind: localhos}", `server.bind: "localhos" is not an IP address; allowed: an IP address such as`, ""},
		{"server: {auto_port: yes}", `server.auto_port: "yes" is neither true nor false`, ""},
		{"server: {allow: [10.0.0.0/8, 10.0.0.1/8]}", `wirelab.yaml:1:30: server.allow: "10.0.0.1/8" has bits set beyond its /8; write 10.0.0.0/8`, ""},
		{"server: {allow: [10.0.0.0/33]}", `server.allow: "10.0.0.0/33" is neither an address nor a network`, ""},
		{"server:\n  deny:\n    - a: b\n", `wirelab.yaml:3:8: server.deny: a plain value is expected, not keys`, ""},
		{"server: {port: [1]}", `server.port: one value is expected, not a list; allowed: 0 to 65535`, ""},
		{"server:\n  port:\n  bind: 1.2.3.4\n", `wirelab.yaml:2:8: server.port: a plain value is expected, not nothing`, ""},
		{"server: {port: *x}", "an anchor or alias", ""},
		{"server: {port: &x 1}", "an anchor or alias", ""},
		{"server: {port: !!int 1}", "a tag", ""},
		{"<<: {server: {port: 1}}", "an anchor or alias is not a key", ""},
		{"server: {port: 1}\nserver: {port: 2}\n", "wirelab.yaml:2:1: server: the key is set twice; it stands already on line 1", ""},
		{"server: 5\n", `wirelab.yaml:1:9: server: keys belong here, such as "port: 12345", not "5"`, ""},
		{"hello", `wirelab.yaml:1:1: keys belong here`, ""},
		{"- 1", "not a list", ""},
		{"client: {server: 10.0.0}", `client.server: "10.0.0" is neither a host name nor an address`, ""},
		{"client: {server: 'a b'}", `client.server: "a b" is neither`, ""},
		{"client: {port: 0}", `client.port: "0" is out of range; allowed: 1 to 65535`, ""},
		{"logs: {level: loud}", `logs.level: "loud" is not a level; allowed: debug, info, warn or error`, ""},
		{"logs: {keep: 0}", "allowed: 1 to 1000", ""},
		{"logs: {max_size: 1}", "out of range", ""},
		{"server: {tls_cert: a.pem}", "wirelab.yaml:1:20: server.tls_cert: it is set but server.tls_key is not", ""},
		{"server:\n\tport: 1\n", "wirelab.yaml:2:1: not YAML: a tab; YAML is indented with spaces", "  2 |  port: 1\n    | ^"},
		{"server: {port: 1", "not YAML: could not find flow mapping end token '}'", ""},
		{"server:\n  port: 1\n bind: x\n", "wirelab.yaml:3:2: not YAML:", ""},
		{"a: 1\n---\nb: 2\n", "wirelab.yaml:1:1: unknown key", ""},
		{"server:\n---\nclient:\n", "a second document", ""},
		{"server: \xff\n", "wirelab.yaml:1:9: a character that is not UTF-8 text", "  1 | server: \ufffd\n    |         ^"},
		{"# é\nserver: {port: 'é'}", `wirelab.yaml:2:16: server.port: "é" is not a whole number`, ""},
		{"server: \x00\n", "not UTF-8 text", ""},
		{strings.Repeat("#\n", setting.MaxFile), "larger than 8MiB", ""},
		{strings.Repeat("[", 100_000), "nested too deeply", ""},
		{strings.Repeat("- ", 100_000), "nested too deeply", ""},
		{strings.Repeat("a: 1\n", 100_000), "too many keys", ""},
		{"server: {allow: [" + strings.Repeat("1.2.3.4,", maxList+1) + "]}", "10001 entries are more than the 10000 allowed", ""},
	}
	for _, tt := range tests {
		_, err := load(tt.source)
		var errs setting.Errors
		if !errors.As(err, &errs) {
			t.Errorf("%.60q: error %v, want %q", tt.source, err, tt.want)
			continue
		}
		if got := errs[0].Error(); !strings.Contains(got, tt.want) {
			t.Errorf("%.60q:\n got %s\nwant %s", tt.source, got, tt.want)
		}
		if got := errs[0].Excerpt(); tt.excerpt != "" && got != tt.excerpt {
			t.Errorf("%.60q: excerpt\n%s\nwant\n%s", tt.source, got, tt.excerpt)
		}
	}
}

func TestEveryEntryOfAListIsChecked(t *testing.T) {
	_, err := load("server:\n  allow: [10.0.0.0/33, \"\", 127.0.0.1, ~,\n    300.1.1.1]\n")
	var errs setting.Errors
	if !errors.As(err, &errs) {
		t.Fatal(err)
	}
	var got []string
	for _, e := range errs {
		problem, _, _ := strings.Cut(e.Problem, "; allowed")
		got = append(got, fmt.Sprintf("%d:%d %s", e.Place.Line, e.Place.Column, problem))
	}
	want := []string{
		`2:11 "10.0.0.0/33" is neither an address nor a network`, `2:24 "" is neither an address nor a network`,
		`2:39 a plain value is expected, not nothing`, `3:5 "300.1.1.1" is neither an address nor a network`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A variable or a flag has no places to show: one line says all.
func TestEntriesOfAFlagAreToldInOneError(t *testing.T) {
	_, err := load("", Flag{Key: "server.allow", Name: "--allow", Values: []string{"x,127.0.0.1", "y"}})
	want := `--allow: "x" is neither an address nor a network; "y" is neither an address nor a network; allowed: `
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%v", err)
	}
}

func TestErrorsOfOtherOrigins(t *testing.T) {
	_, err := Load(Input{
		Environ: []string{"WIRELAB_SERVER_PORT=x", "WIRELAB_SERVER_PROT=1", "WIRELAB_LOGS_=1"},
		Flags:   []Flag{{"server.allow", "--allow", []string{"10.0.0.0/8,x"}}, {"server.engine", "--engine", []string{"x"}}, {"no.key", "--no", nil}},
		Choices: choices(),
	})
	var errs setting.Errors
	if !errors.As(err, &errs) {
		t.Fatal(err)
	}
	var got []string
	for _, e := range errs {
		got = append(got, e.Error()+e.Excerpt())
	}
	compare(t, got, []string{
		`WIRELAB_SERVER_PORT: "x" is not a whole number; allowed: 0 to 65535`,
		`WIRELAB_LOGS_: no key has this variable; did you mean WIRELAB_LOGS_DIR?`,
		`WIRELAB_SERVER_PROT: no key has this variable; did you mean WIRELAB_SERVER_PORT?`,
		`--allow: "x" is neither an address nor a network; allowed: addresses and networks such as 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32`,
		`--engine: unknown engine "x"; allowed: goroutine, thread`,
		`--no: no key "no.key"`,
	})
	if want := "(and 5 more)"; !strings.HasSuffix(err.Error(), want) {
		t.Errorf("%v does not end in %s", err, want)
	}
}

func TestExcerptOfALongLine(t *testing.T) {
	_, err := load("server: {handler: echo, allow: [" + strings.Repeat("10.0.0.1, ", 200) + "10.0.0.x]}")
	var e *setting.Error
	if !errors.As(err, &e) {
		t.Fatal(err)
	}
	lines := strings.Split(e.Excerpt(), "\n")
	caret := strings.IndexByte(lines[1], '^')
	if len(lines[0]) > 80 || !strings.HasPrefix(lines[0][caret:], "10.0.0.x") {
		t.Errorf("the caret is not under the bad entry:\n%s", e.Excerpt())
	}
}

// FuzzLoad gives files that nobody would write. Whatever is accepted can be
// written out and read again with the same result.
func FuzzLoad(f *testing.F) {
	for _, seed := range []string{
		"server: {port: 1, allow: [10.0.0.0/8]}", "server:\n\tport: 1", "a: &x [*x]", "? {a: b}\n: c", "server: |\n x\n", "%YAML 1.2\n---\n",
		"server: {idle_timeout: 1d12h, buffer: 1MiB}", "logs: {dir: \"a \\\" b\"}", "server: {bind: \"fe80::1%eth0\"}", "---\n...\n", "\"\n", "server: !!map {}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, source string) {
		c, err := Load(Input{File: "f", Source: []byte(source)})
		if err != nil {
			var errs setting.Errors
			if !errors.As(err, &errs) || len(errs) == 0 {
				t.Fatalf("error %T", err)
			}
			for _, e := range errs {
				if strings.Contains(e.Error(), "\n") {
					t.Errorf("more than a line: %q", e.Error())
				}
				e.Excerpt()
			}
			return
		}
		again, err := Load(Input{File: "f", Source: []byte(written(c))})
		if err != nil {
			t.Fatalf("%v\n%s", err, written(c))
		}
		compare(t, again, c)
	})
}

// written returns c as a file in which every key is set.
func written(c *Config) string {
	var b strings.Builder
	writeSections(&b, func(k Key, indent string) { b.WriteString(indent + k.Leaf() + ": " + k.Text(c) + "\n") })
	return b.String()
}
