package term

import (
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
