package observe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// maxReply bounds what a process may answer: 65,536 peers take half of it.
const maxReply = 64 << 20

// answerTime is how long a process may take to begin its answer. One that has been
// stopped never does.
const answerTime = 2 * time.Second

var (
	// ErrControlReply reports an answer that is not one of a wirelab.
	ErrControlReply = errors.New("unexpected answer")
	// ErrControlSilent reports that a process has not begun to answer within two seconds.
	ErrControlSilent = errors.New("no answer")
)

// FindControls returns the paths of the control sockets in dir that belong to
// living processes, in the order of their names, and removes those that dead ones
// left. A directory that does not exist has none; of one that others could write to
// it returns ErrControlUnsafe.
func FindControls(dir string) ([]string, error) {
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err := privateDir(dir); err != nil {
		return nil, err
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var live []string
	for _, file := range files {
		path := filepath.Join(dir, file.Name())
		switch {
		case filepath.Ext(path) != ".sock":
		case file.Type() == fs.ModeSymlink:
			if target, ok := followPointer(path); ok {
				live = append(live, target)
			}
		case file.Type() == fs.ModeSocket && !removeStale(path):
			live = append(live, path)
		}
	}
	return live, nil
}

// followPointer returns the socket that a link of [Control.PointFrom] names, if it
// belongs to a living process, and removes the link if not.
func followPointer(link string) (socket string, ok bool) {
	socket, err := os.Readlink(link)
	if err != nil {
		return "", false
	}
	info, err := os.Lstat(socket)
	if errors.Is(err, fs.ErrNotExist) || err == nil && privateDir(filepath.Dir(socket)) == nil && removeStale(socket) {
		_ = os.Remove(link)
		return "", false
	}
	return socket, err == nil && info.Mode().Type() == fs.ModeSocket && privateDir(filepath.Dir(socket)) == nil
}

// removeStale removes the socket at path if no living process has its lock.
func removeStale(path string) bool {
	lock, err := lockFile(controlLock(path))
	if err != nil {
		return false
	}
	defer lock.unlock()
	return os.Remove(path) == nil
}

// QueryStatus asks the process whose control socket is at path for its Status.
func QueryStatus(ctx context.Context, path string) (Status, error) {
	var s Status
	code, err := askControl(ctx, path, http.MethodGet, "/v1/status", nil, &s)
	if err == nil && (code != http.StatusOK || s.PID == 0) {
		err = fmt.Errorf("control socket %s: %w: status %d", path, ErrControlReply, code)
	}
	return s, err
}

// RequestKick asks the process whose control socket is at path to end the
// connection with that id, and reports whether there was one.
func RequestKick(ctx context.Context, path string, id uint64) (bool, error) {
	var reply struct {
		Kicked bool `json:"kicked"`
	}
	body := fmt.Appendf(nil, `{"id":%d}`, id)
	code, err := askControl(ctx, path, http.MethodPost, "/v1/kick", body, &reply)
	if err == nil && code != http.StatusOK && code != http.StatusNotFound {
		err = fmt.Errorf("control socket %s: %w: status %d", path, ErrControlReply, code)
	}
	return code == http.StatusOK && reply.Kicked, err
}

// askControl makes one request on a connection of its own, and decodes the answer
// whatever its status code.
func askControl(ctx context.Context, path, method, target string, body []byte, answer any) (code int, err error) {
	callers := ctx
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	silent := time.AfterFunc(answerTime, cancel)
	defer silent.Stop()
	transport := &http.Transport{
		DisableKeepAlives:      true,
		MaxResponseHeaderBytes: 4 << 10,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: 2 * time.Second}).DialContext(ctx, "unix", path)
		},
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://wirelab"+target, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	response, err := transport.RoundTrip(request)
	if !silent.Stop() && err != nil && callers.Err() == nil {
		return 0, fmt.Errorf("control socket %s: %w within %v", path, ErrControlSilent, answerTime)
	}
	if err != nil {
		return 0, fmt.Errorf("control socket %s: %w", path, err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(response.Body, maxReply+1))
	switch {
	case err != nil:
		return 0, fmt.Errorf("control socket %s: %w", path, err)
	case len(raw) > maxReply:
		return 0, fmt.Errorf("control socket %s: %w: over %d bytes", path, ErrControlReply, maxReply)
	}
	if err := json.Unmarshal(raw, answer); err != nil {
		return 0, fmt.Errorf("control socket %s: %w: %w", path, ErrControlReply, err)
	}
	return response.StatusCode, nil
}
