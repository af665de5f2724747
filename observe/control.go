package observe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"wirelab/internal/sys/file"
)

// The errors of control sockets.
var (
	// ErrControlBusy reports that a living process has a control socket at that
	// path. The error says which, if that process answers.
	ErrControlBusy = errors.New("control socket is in use")
	// ErrControlUnsafe reports that others than the user could get at the socket.
	ErrControlUnsafe = errors.New("control socket would not be private")
)

const (
	maxSocketPath  = 107 // bytes; sun_path of unix(7) without its final zero
	maxRequest     = 1 << 10
	controlTimeout = 10 * time.Second // for one request, either side
	drainControl   = time.Second      // for requests that are running when Run ends
	askHolder      = time.Second / 2  // for the holder of a socket to say who it is
)

// ControlHandlers answer what another process asks for. They are called from
// several goroutines at once.
type ControlHandlers struct {
	Status func() Status
	Kick   func(id uint64) bool // reports whether there was such a connection
}

// A Control is the local socket through which one user's processes look at each
// other. It speaks HTTP/1.1 with JSON:
//
//	GET  /v1/status            200 with a Status
//	POST /v1/kick {"id": 17}   200 {"kicked": true}, or 404 {"error": "..."}
//
// A nil Control answers nobody.
type Control struct {
	path     string
	pointer  string // a link to path; "": none
	lock     *fileLock
	listener net.Listener
	once     sync.Once
}

// ListenControl opens the control socket at path, mode 0600, in a directory of mode
// 0700 that belongs to the user, and is made if it does not exist. It replaces the
// socket of a process that died. The caller ends it with Run or Close.
//
// Errors: ErrControlBusy, ErrControlUnsafe, sys.ErrUnsupported.
func ListenControl(path string) (*Control, error) {
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("control socket %s: path of %d bytes, at most %d are possible", path, len(path), maxSocketPath)
	}
	if err := privateDir(filepath.Dir(path)); err != nil {
		return nil, err
	}
	lock, err := lockControl(path)
	if err != nil {
		return nil, err
	}
	listener, err := bindControl(path)
	if err != nil {
		lock.unlock()
		return nil, err
	}
	return &Control{path: path, lock: lock, listener: newSpareListener(listener)}, nil
}

// bindControl is called with the lock held, so that a socket that is already there
// belongs to nobody. Until its mode is set, the directory keeps others away.
func bindControl(path string) (net.Listener, error) {
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() != os.ModeSocket {
		return nil, fmt.Errorf("control socket %s: a file that is not a socket is in the way", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return l, nil
}

// lockControl takes the lock that says whose the socket is. A process that looks
// whether it is stale holds the lock for a moment, without a socket that answers:
// so that one refusal means little.
func lockControl(path string) (*fileLock, error) {
	const tries, pause = 5, 20 * time.Millisecond
	for try := 1; ; try++ {
		lock, err := lockFile(controlLock(path))
		switch {
		case err == nil:
			return lock, nil
		case !errors.Is(err, errLocked):
			return nil, fmt.Errorf("control socket: %w", err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), askHolder)
		status, err := QueryStatus(ctx, path)
		cancel()
		switch {
		case err == nil:
			return nil, fmt.Errorf("control socket %s: %w by process %d", path, ErrControlBusy, status.PID)
		case try == tries || errors.Is(err, context.DeadlineExceeded):
			return nil, fmt.Errorf("control socket %s: %w by a process that does not answer", path, ErrControlBusy)
		}
		time.Sleep(pause)
	}
}

func controlLock(path string) string { return path + ".lock" }

// privateDir makes dir if need be, and refuses one that others could enter, or
// could have put in our way: then they could answer in our name.
func privateDir(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("control socket: %w", err)
	}
	info, uid, err := owner(dir)
	if err != nil {
		return err
	}
	switch {
	case !info.IsDir():
		return fmt.Errorf("%w: %s is not a directory", ErrControlUnsafe, dir)
	case uid != os.Getuid():
		return fmt.Errorf("%w: directory %s belongs to user %d", ErrControlUnsafe, dir, uid)
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("%w: directory %s has mode %04o, not 0700; take one of its own", ErrControlUnsafe, dir, info.Mode().Perm())
	}
	return trustedParent(filepath.Dir(dir))
}

// trustedParent refuses a directory in which others could replace ours.
func trustedParent(dir string) error {
	info, uid, err := owner(dir)
	if err != nil {
		return err
	}
	switch sticky := info.Mode()&os.ModeSticky != 0; {
	case uid != os.Getuid() && uid != 0: // its owner could, sticky or not
		return fmt.Errorf("%w: directory %s belongs to user %d", ErrControlUnsafe, dir, uid)
	case !sticky && info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("%w: others may write to directory %s", ErrControlUnsafe, dir)
	}
	return nil
}

func owner(dir string) (os.FileInfo, int, error) {
	info, err := os.Lstat(dir)
	if err != nil {
		return nil, 0, fmt.Errorf("control socket: %w", err)
	}
	uid, err := file.Owner(info)
	if err != nil {
		return nil, 0, fmt.Errorf("control socket: %w", err)
	}
	return info, uid, nil
}

// PointFrom makes a symbolic link to the socket, where FindControls finds it as well. Its
// directory must be as private as the socket's. The link goes with the socket.
func (c *Control) PointFrom(link string) error {
	if err := privateDir(filepath.Dir(link)); err != nil {
		return err
	}
	if info, err := os.Lstat(link); err == nil && info.Mode().Type() == os.ModeSymlink {
		_ = os.Remove(link) // of a process that died and had our id
	}
	if err := os.Symlink(c.path, link); err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	c.pointer = link
	return nil
}

// Path returns where the socket is.
func (c *Control) Path() string { return c.path }

// Run answers requests until ctx is done, for which it returns nil, or the socket
// fails, then removes the socket. Requests that are running by then have one second.
func (c *Control) Run(ctx context.Context, h ControlHandlers) error {
	if c == nil {
		<-ctx.Done()
		return nil
	}
	defer c.Close()
	server := &http.Server{
		Handler:        controlMux(h),
		ReadTimeout:    controlTimeout,
		WriteTimeout:   controlTimeout,
		IdleTimeout:    controlTimeout,
		MaxHeaderBytes: maxRequest,
		ErrorLog:       slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	served := make(chan error, 1)
	go func() {
		defer close(served)
		served <- server.Serve(c.listener)
	}()
	var failed error
	select {
	case err := <-served:
		failed = fmt.Errorf("control socket %s: %w", c.path, err)
	case <-ctx.Done():
	}
	endRequests(server)
	<-served
	return failed
}

// endRequests ends the server and its connections, those with a request after a while.
func endRequests(server *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), drainControl)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		server.Close()
	}
}

// Close removes the socket, and ends a running Run with an error. Run closes by
// itself.
func (c *Control) Close() error {
	if c == nil {
		return nil
	}
	var err error
	c.once.Do(func() {
		if c.pointer != "" {
			_ = os.Remove(c.pointer) // FindControls removes it else
		}
		// Closing the listener removes the socket's file; the lock goes after it.
		if err = c.listener.Close(); errors.Is(err, net.ErrClosed) {
			err = nil
		}
		c.lock.unlock()
	})
	return err
}

func controlMux(h ControlHandlers) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, h.Status())
	})
	mux.HandleFunc("POST /v1/kick", func(w http.ResponseWriter, r *http.Request) {
		id, err := kickedID(http.MaxBytesReader(w, r.Body, maxRequest))
		switch {
		case err != nil:
			reply(w, http.StatusBadRequest, problem{fmt.Sprintf("body is not {\"id\": NUMBER}: %v", err)})
		case !h.Kick(id):
			reply(w, http.StatusNotFound, problem{fmt.Sprintf("no connection %d", id)})
		default:
			reply(w, http.StatusOK, map[string]bool{"kicked": true})
		}
	})
	return mux
}

// problem is the body of an answer that is not 200.
type problem struct {
	Error string `json:"error"`
}

func reply(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	// The peer may have gone; there is nobody else to tell.
	_ = json.NewEncoder(w).Encode(body)
}

// kickedID parses the body of a kick request.
func kickedID(body io.Reader) (uint64, error) {
	var request struct {
		ID *uint64 `json:"id"`
	}
	d := json.NewDecoder(body)
	d.DisallowUnknownFields()
	if err := d.Decode(&request); err != nil {
		return 0, err
	}
	if request.ID == nil {
		return 0, errors.New("no id")
	}
	return *request.ID, nil
}
