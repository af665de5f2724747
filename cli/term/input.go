package term

import (
	"context"
	"errors"
	"io"
	"os"

	"wirelab/internal/sys"
	"wirelab/internal/sys/file"
)

// OpenInput returns what is read from r so that Close unblocks a Read. r itself
// stays open.
func OpenInput(r io.Reader) (io.ReadCloser, error) {
	if f, ok := r.(*os.File); ok {
		in, err := file.NewInput(f)
		if !errors.Is(err, sys.ErrUnsupported) {
			return in, err
		}
	}
	return detach(r), nil
}

// detach reads from r in a goroutine of its own. Where r cannot be
// interrupted, that goroutine stays in its last Read until the process ends, which
// is why there is file.Input.
func detach(r io.Reader) io.ReadCloser {
	pipe, w := io.Pipe()
	go func() {
		_, err := io.Copy(w, r)
		w.CloseWithError(err)
	}()
	return pipe
}

// Await returns what read returns, which may wait for as long as nobody writes into a pipe
// that was given for a file. When ctx ends first, its error is returned at once, and read is
// left behind: a system call that opens a pipe cannot be called back, and ends with the
// process, as the command does.
func Await[T any](ctx context.Context, read func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := read()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}
