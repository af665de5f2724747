package observe

import (
	"bufio"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"strings"

	"github.com/klauspost/compress/zstd"
)

const (
	maxEntry      = 1 << 20 // bytes of a line that are kept
	maxZstdWindow = 8 << 20 // bytes that a compressed file may make us hold
)

// A lineReader splits a file into lines. It holds one line of at most maxEntry
// bytes, and survives the end of the file: when that has grown, it goes on in the
// middle of the line where it was.
type lineReader struct {
	r    *bufio.Reader
	line []byte
	cut  bool // bytes of line were dropped
	done bool // line was returned
}

func newLineReader(r io.Reader) *lineReader {
	return &lineReader{r: bufio.NewReaderSize(r, 64<<10)}
}

// next returns the next line without its end, valid until the next call. At
// the end of the file it returns io.EOF and keeps what it has of a line.
func (l *lineReader) next() (line []byte, cut bool, err error) {
	if l.done {
		l.line, l.cut, l.done = l.line[:0], false, false
	}
	for {
		part, err := l.r.ReadSlice('\n')
		keep := min(len(part), maxEntry+1-len(l.line))
		l.line = append(l.line, part[:keep]...)
		l.cut = l.cut || keep < len(part)
		switch {
		case err == nil:
			return l.end()
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, false, err
		}
	}
}

// rest returns what the file has of a line without an end, if anything.
func (l *lineReader) rest() (line []byte, cut bool, ok bool) {
	if l.done || len(l.line) == 0 {
		return nil, false, false
	}
	line, cut, _ = l.end()
	return line, cut, true
}

func (l *lineReader) end() ([]byte, bool, error) {
	l.done = true
	line := l.line
	if n := len(line); n > 0 && line[n-1] == '\n' {
		line = line[:n-1]
	}
	if len(line) > maxEntry {
		line, l.cut = line[:maxEntry], true
	}
	return line, l.cut, nil
}

// openLog opens a log file, compressed or not. One that was compressed since its
// name was read is found under its new name.
func openLog(path string) (io.ReadCloser, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) && strings.HasSuffix(path, ".log") {
		path += ".gz"
		f, err = os.Open(path)
	}
	if err != nil {
		return nil, err
	}
	r, err := decompress(f, path)
	if err != nil {
		f.Close()
		return nil, err
	}
	return r, nil
}

func decompress(f *os.File, path string) (io.ReadCloser, error) {
	switch {
	case strings.HasSuffix(path, ".gz"):
		z, err := gzip.NewReader(f)
		if err != nil {
			return nil, err
		}
		return &decompressed{Reader: z, file: f, end: func() {}}, nil
	case strings.HasSuffix(path, ".zst"):
		z, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxZstdWindow))
		if err != nil {
			return nil, err
		}
		return &decompressed{Reader: z, file: f, end: z.Close}, nil
	}
	return f, nil
}

// decompressed closes the file below together with the decompressor.
type decompressed struct {
	io.Reader
	file *os.File
	end  func()
}

func (d *decompressed) Close() error {
	d.end()
	return d.file.Close()
}
