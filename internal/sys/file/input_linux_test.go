package file

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func newTestInput(t *testing.T, f *os.File) *Input {
	t.Helper()
	in, err := NewInput(f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close() })
	return in
}

func newTestPipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

func TestInputReadsPipeToItsEnd(t *testing.T) {
	r, w := newTestPipe(t)
	in := newTestInput(t, r)
	const text = "two\nlines"
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	w.Close()
	got, err := io.ReadAll(in)
	if err != nil || string(got) != text {
		t.Fatalf("read %q, %v; want %q", got, err, text)
	}
}

func TestInputReadsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	text := strings.Repeat("0123456789", 10_000)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := io.ReadAll(newTestInput(t, f))
	if err != nil || string(got) != text {
		t.Fatalf("read %d bytes, %v; want %d", len(got), err, len(text))
	}
}

func TestInputCloseUnblocksRead(t *testing.T) {
	r, w := newTestPipe(t)
	in := newTestInput(t, r)
	result := make(chan error, 1)
	go func() {
		buf := make([]byte, 10)
		if _, err := in.Read(buf); err != nil { // the byte below: Read runs now
			result <- err
			return
		}
		result <- nil
		_, err := in.Read(buf)
		result <- err
	}()
	if _, err := w.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := <-result; err != nil {
		t.Fatal(err)
	}
	in.Close()
	if err := <-result; !errors.Is(err, os.ErrClosed) {
		t.Fatalf("blocked Read returned %v, want os.ErrClosed", err)
	}
	if _, err := in.Read(make([]byte, 1)); !errors.Is(err, os.ErrClosed) {
		t.Fatalf("Read after Close returned %v, want os.ErrClosed", err)
	}
	if err := in.Close(); err != nil {
		t.Fatalf("second Close: %v", err)
	}
}

// Bytes that nobody read before Close belong to the next reader.
func TestInputCloseLeavesFileOpen(t *testing.T) {
	r, w := newTestPipe(t)
	in := newTestInput(t, r)
	if _, err := w.Write([]byte("left")); err != nil {
		t.Fatal(err)
	}
	in.Close()
	buf := make([]byte, 10)
	n, err := r.Read(buf)
	if err != nil || string(buf[:n]) != "left" {
		t.Fatalf("read %q, %v", buf[:n], err)
	}
}
