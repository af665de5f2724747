package cli

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"wirelab/cli/clitest"
	"wirelab/cli/term"
	"wirelab/internal/require"
	"wirelab/internal/sys"
	"wirelab/server/tcp"
	"wirelab/server/tcp/handlers"
)

// Every handler answers on every engine. The bytes are checked by hand, with no
// help of ours but to start the server.
func TestHandlersOnEngines(t *testing.T) {
	now := strconv.FormatInt(time.Now().Unix(), 10)
	tries := map[string]struct {
		says  string
		reads int64 // bytes at most: chargen has no end
		check func(answer []byte) bool
	}{
		"echo":    {"to and fro\n", 100, is("to and fro\n")},
		"discard": {"into the void\n", 100, is("")},
		"chargen": {"", 740, func(answer []byte) bool {
			return len(answer) == 740 && strings.HasPrefix(string(answer), ` !"#$%&'()*+,-./0123456789:;<=>?@ABC`) && answer[72] == '\r' && answer[74] == '!'
		}},
		"daytime":    {"", 100, matches(`^.*20\d\d.*\r\n$`)},
		"time":       {"", 100, isTime},
		"timediff":   {now + ".000000\n", 100, matches(`^20\d\d-\d\d-\d\dT.*Z user \+\d+\.\d{3} us\n$`)},
		"throughput": {"throughput\nup\n123", 100, matches(`^ready\nup +3\n$`)},
		"chat":       {"/who\n/quit\n", 1000, matches(`guest1`)},
	}
	for _, engine := range tcp.Engines() {
		for _, handler := range handlers.All() {
			t.Run(engine.Name+"/"+handler.Name, func(t *testing.T) {
				require.Supported(t, engine.Check())
				h, ok := tries[handler.Name]
				if !ok {
					t.Fatal("nobody has tried this handler")
				}
				s := startServer(t, "serve", "tcp", "--handler", handler.Name, "--engine", engine.Name)
				if answer := converse(t, s.addr, h.says, h.reads); !h.check(answer) {
					t.Errorf("to %q the answer is %q", h.says, answer)
				}
			})
		}
	}
}

func is(want string) func([]byte) bool {
	return func(answer []byte) bool { return string(answer) == want }
}

func matches(pattern string) func([]byte) bool { return regexp.MustCompile(pattern).Match }

// isTime reports whether answer is the time of RFC 868: seconds since 1900.
func isTime(answer []byte) bool {
	const from1900To1970 = 2_208_988_800
	if len(answer) != 4 {
		return false
	}
	behind := time.Now().Unix() + from1900To1970 - int64(binary.BigEndian.Uint32(answer))
	return behind >= 0 && behind < 60
}

// converse says something, ends its direction, and reads the answer.
func converse(t *testing.T, addr, says string, reads int64) []byte {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.WriteString(c, says); err != nil {
		t.Fatal(err)
	}
	c.(*net.TCPConn).CloseWrite()
	answer, err := io.ReadAll(io.LimitReader(c, reads))
	if err != nil {
		t.Fatalf("after %q: %v", answer, err)
	}
	return answer
}

// Without the privilege for a low port the advice is how to get it, and the
// status 3.
func TestServeLowPortUnprivileged(t *testing.T) {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if err != nil {
		require.Supported(t, fmt.Errorf("%w: %w", sys.ErrUnsupported, err))
	}
	first, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if first == 0 {
		require.Supported(t, fmt.Errorf("%w: no port needs a privilege here", sys.ErrUnsupported))
	}
	for _, network := range []string{"tcp", "udp"} {
		args := []string{"wirelab", "serve", network, "--port", strconv.Itoa(first - 1)}
		if os.Geteuid() == 0 { // root but for this one capability
			args = append([]string{"setpriv", "--bounding-set", "-net_bind_service", "--inh-caps", "-net_bind_service"}, args...)
		}
		cmd := exec.Command(require.Program(t, args[0]), args[1:]...)
		cmd.Dir, cmd.Env = t.TempDir(), clitest.Env(t)
		var complaint bytes.Buffer
		cmd.Stderr = &complaint
		var exit *exec.ExitError
		if out, err := cmd.Output(); !errors.As(err, &exit) || exit.ExitCode() != term.ExitUnavailable || len(out) > 0 {
			t.Errorf("%s: %v\n%s", cmd, err, out)
		}
		if text := complaint.String(); !strings.Contains(text, "CAP_NET_BIND_SERVICE: choose a higher --port") || strings.Count(text, "\n") != 1 {
			t.Errorf("%s says %s", cmd, text)
		}
	}
}
