package observe

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"wirelab/internal/require"
)

// socketDir returns a private directory with a path short enough for a socket.
func socketDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "wirelab-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// laboratoryStatus is what the processes of these tests answer.
func laboratoryStatus() Status {
	since := time.Date(2026, 11, 22, 10, 3, 4, 0, time.UTC)
	return Status{
		Schema: StatusSchema, PID: os.Getpid(), Command: "wirelab up", Since: since,
		Logs:     LogStatus{Dir: "logs", Lines: 3},
		Sections: []Section{{Name: "lamp east", Kind: "lamp", Body: lamp{Lit: true, Hours: 5}}},
	}
}

// A lamp is the body of a section that nobody here knows.
type lamp struct {
	Lit   bool `json:"lit"`
	Hours int  `json:"hours"`
}

func (l lamp) View(name string, _ time.Time) View { return View{Summary: name + " stopped"} }

func kick17(id uint64) bool { return id == 17 }

// runControl serves a control socket at path until stop is called.
func runControl(t *testing.T, path string) (stop func()) {
	t.Helper()
	c, err := ListenControl(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx, ControlHandlers{Status: laboratoryStatus, Kick: kick17}) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func TestControl(t *testing.T) {
	require.NoLeaks(t)
	dir := filepath.Join(socketDir(t), "wirelab")
	path := filepath.Join(dir, "1.sock")
	stop := runControl(t, path)

	for name, want := range map[string]os.FileMode{dir: os.ModeDir | 0o700, path: os.ModeSocket | 0o600} {
		if info, err := os.Lstat(name); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v, want %v", name, info.Mode(), err, want)
		}
	}
	ctx := context.Background()
	status, err := QueryStatus(ctx, path)
	if _, raw := status.Sections[0].Body.(Raw); !raw {
		t.Errorf("the body is a %T before its kind is known", status.Sections[0].Body)
	}
	err = errors.Join(err, status.Decode([]Kind{KindOf[lamp]("lamp")}))
	if diff := cmp.Diff(laboratoryStatus(), status); diff != "" || err != nil {
		t.Errorf("%v, status (-want +got):\n%s", err, diff)
	}
	for id, want := range map[uint64]bool{17: true, 18: false, 0: false} {
		if kicked, err := RequestKick(ctx, path, id); kicked != want || err != nil {
			t.Errorf("kick %d: %t, %v", id, kicked, err)
		}
	}
	stop()
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	if _, err := QueryStatus(ctx, path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after the end: %v", err)
	}
}

func TestControlBusy(t *testing.T) {
	require.NoLeaks(t)
	path := filepath.Join(socketDir(t), "1.sock")
	runControl(t, path)
	_, err := ListenControl(path)
	if !errors.Is(err, ErrControlBusy) || !strings.Contains(err.Error(), fmt.Sprint("by process ", os.Getpid())) {
		t.Errorf("second: %v", err)
	}
	if _, err := QueryStatus(context.Background(), path); err != nil {
		t.Errorf("the first no longer answers: %v", err)
	}
}

// deadSocket leaves a socket as a process does that was killed.
func deadSocket(t *testing.T, path string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	if err := os.WriteFile(controlLock(path), nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestControlReplacesStaleSocket(t *testing.T) {
	path := filepath.Join(socketDir(t), "1.sock")
	deadSocket(t, path)
	runControl(t, path)
	if _, err := QueryStatus(context.Background(), path); err != nil {
		t.Error(err)
	}
}

// TestControlRace starts several processes' worth of sockets at one stale path.
func TestControlRace(t *testing.T) {
	path := filepath.Join(socketDir(t), "1.sock")
	deadSocket(t, path)
	var wg sync.WaitGroup
	won := make(chan *Control, 8)
	for range cap(won) {
		wg.Go(func() {
			switch c, err := ListenControl(path); {
			case err == nil:
				won <- c
			case !errors.Is(err, ErrControlBusy):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(won) != 1 {
		t.Fatalf("%d hold the socket", len(won))
	}
	if err := (<-won).Close(); err != nil {
		t.Error(err)
	}
}

func TestControlRefusesUnsafePlaces(t *testing.T) {
	require.NoLeaks(t)
	dir := socketDir(t)
	mkdir := func(name string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.Mkdir(path, 0o700), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	open, shared, private := mkdir("open", 0o755), mkdir("shared", 0o777), mkdir("private", 0o700)
	inShared := filepath.Join(shared, "private")
	link := filepath.Join(dir, "link")
	if err := errors.Join(os.Mkdir(inShared, 0o700), os.Symlink(private, link)); err != nil {
		t.Fatal(err)
	}
	for _, place := range []string{open, inShared, link} {
		if _, err := ListenControl(filepath.Join(place, "1.sock")); !errors.Is(err, ErrControlUnsafe) {
			t.Errorf("in %s: %v", place, err)
		}
		if _, err := FindControls(place); !errors.Is(err, ErrControlUnsafe) {
			t.Errorf("find in %s: %v", place, err)
		}
	}
	file := filepath.Join(private, "file")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, filepath.Join(file, "1.sock"), filepath.Join(private, strings.Repeat("x", 200))} {
		if _, err := ListenControl(path); err == nil {
			t.Errorf("%.40s: no error", path)
		}
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "mine" {
		t.Errorf("the file in the way: %q, %v", text, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*", "*.lock")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestControlRefusesParentOfAnother refuses a directory whose owner could rename
// ours, though it is sticky.
func TestControlRefusesParentOfAnother(t *testing.T) {
	require.Root(t)
	const nobody = 65534
	parent := filepath.Join(socketDir(t), "shared")
	if err := errors.Join(os.Mkdir(parent, 0o700), os.Chown(parent, nobody, nobody), os.Chmod(parent, 0o777|os.ModeSticky)); err != nil {
		t.Fatal(err)
	}
	if _, err := ListenControl(filepath.Join(parent, "own", "1.sock")); !errors.Is(err, ErrControlUnsafe) {
		t.Error(err)
	}
}

func TestFindControls(t *testing.T) {
	require.NoLeaks(t)
	dir := filepath.Join(socketDir(t), "[a]*")
	if found, err := FindControls(dir); len(found) != 0 || err != nil {
		t.Errorf("no directory: %v, %v", found, err)
	}
	first, second, dead := filepath.Join(dir, "1.sock"), filepath.Join(dir, "2.sock"), filepath.Join(dir, "3.sock")
	runControl(t, first)
	runControl(t, second)
	deadSocket(t, dead)
	other := filepath.Join(dir, "other.sock")
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	found, err := FindControls(dir)
	if want := []string{first, second}; !slices.Equal(found, want) || err != nil {
		t.Errorf("found %v, %v, want %v", found, err, want)
	}
	if _, err := os.Lstat(dead); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the dead one's socket: %v", err)
	}
	if _, err := os.Lstat(other); err != nil {
		t.Errorf("a file that is no socket: %v", err)
	}
}

// TestControlBadRequests asks for what does not exist, and says what is not so.
func TestControlBadRequests(t *testing.T) {
	mux := controlMux(ControlHandlers{Status: laboratoryStatus, Kick: kick17})
	tests := []struct {
		method, target, body string
		want                 int
	}{
		{"POST", "/v1/kick", `{"id":17}`, 200},
		{"POST", "/v1/kick", `{"id":1}`, 404},
		{"POST", "/v1/kick", ``, 400},
		{"POST", "/v1/kick", `{}`, 400},
		{"POST", "/v1/kick", `{"id":-1}`, 400},
		{"POST", "/v1/kick", `{"id":17,"all":true}`, 400},
		{"POST", "/v1/kick", `{"id":` + strings.Repeat(" ", 2*maxRequest) + `17}`, 400},
		{"GET", "/v1/kick", ``, 405},
		{"POST", "/v1/status", ``, 405},
		{"GET", "/v2/status", ``, 404},
		{"GET", "/", ``, 404},
	}
	for _, test := range tests {
		r, err := http.NewRequest(test.method, "http://wirelab"+test.target, strings.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		w := &recorder{header: make(http.Header), code: 200}
		mux.ServeHTTP(w, r)
		if w.code != test.want {
			t.Errorf("%s %s %.40s: %d, want %d", test.method, test.target, test.body, w.code, test.want)
		}
	}
}

type recorder struct {
	bytes.Buffer
	header http.Header
	code   int
}

func (r *recorder) Header() http.Header  { return r.header }
func (r *recorder) WriteHeader(code int) { r.code = code }

// TestControlOddReplies asks a process that is no wirelab.
func TestControlOddReplies(t *testing.T) {
	require.NoLeaks(t)
	for name, answer := range map[string]string{
		"nothing":     "",
		"not HTTP":    "hello\n",
		"not JSON":    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"another":     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
		"refused":     "HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\n{}",
		"cut short":   "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}",
		"long header": "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 20<<10) + "\r\n\r\n{}",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(socketDir(t), "1.sock")
			answerOnce(t, path, answer)
			if s, err := QueryStatus(context.Background(), path); err == nil {
				t.Errorf("status %+v", s)
			}
		})
	}
}

func answerOnce(t *testing.T, path, answer string) {
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = c.Read(make([]byte, 4096))
		_, _ = io.WriteString(c, answer)
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
}

func TestControlClosedWithoutRun(t *testing.T) {
	require.NoLeaks(t)
	dir := socketDir(t)
	c, err := ListenControl(filepath.Join(dir, "1.sock"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Close(), c.Close()); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	if err := c.Run(context.Background(), ControlHandlers{}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Run after Close: %v", err)
	}
}

// TestControlEndsConnections closes the socket under a Run that has a connection,
// which would stay for controlTimeout if Run forgot it.
func TestControlEndsConnections(t *testing.T) {
	require.NoLeaks(t)
	c, err := ListenControl(filepath.Join(socketDir(t), "1.sock"))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- c.Run(context.Background(), ControlHandlers{Status: laboratoryStatus}) }()
	conn, err := net.Dial("unix", c.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /v1/status HTTP/1.1\r\nHost: wirelab\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer := bufio.NewReader(conn)
	if response, err := http.ReadResponse(answer, nil); err != nil {
		t.Fatal(err)
	} else if _, err := io.Copy(io.Discard, response.Body); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Run: %v", err)
	}
	conn.SetReadDeadline(time.Now().Add(controlTimeout / 2))
	if _, err := answer.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("the connection: %v", err)
	}
}

func FuzzKickedID(f *testing.F) {
	f.Add([]byte(`{"id":17}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		id, err := kickedID(bytes.NewReader(body))
		if err == nil && id != 0 && !bytes.Contains(body, fmt.Append(nil, id)) {
			t.Errorf("%q: id %d", body, id)
		}
	})
}
