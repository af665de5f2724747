package capfile

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"wirelab/internal/atomicfile"
)

// Ring writes a capture to files of a bounded size and keeps the newest of them.
// The files are named after a path with a number before its extension:
// trace.pcapng becomes trace_00001.pcapng, trace_00002.pcapng and so on.
type Ring struct {
	// Path is the name to number. With Size 0 it is the one file.
	Path string
	// Into, if set, takes the capture instead of a file. It is not closed.
	Into io.Writer
	// Format and Comment are those of each file.
	Format  Format
	Comment string
	// Interfaces are described at the beginning of each file.
	Interfaces []Interface
	// Size ends a file once it has that many bytes; 0 means never.
	Size int64
	// Keep is how many files stay; 0 means all.
	Keep int
	// Finished, if set, is called before a file is closed and may append to it.
	Finished func(*Writer) error

	number int
	file   *os.File // nil: none is open
	writer *Writer
}

// FormatOf returns the format that the name of a file asks for: pcap for .pcap and
// .cap, and pcapng otherwise.
func FormatOf(path string) Format {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".pcap", ".cap":
		return Pcap
	}
	return PcapNG
}

// Open creates the first file.
func (r *Ring) Open() error { return r.open() }

func (r *Ring) open() error {
	r.number++
	out := r.Into
	if out == nil {
		name, err := atomicfile.Follow(r.name(r.number))
		if err != nil {
			return err
		}
		file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			return err
		}
		r.file, out = file, file
	}
	var err error
	if r.writer, err = NewWriter(out, r.Format, r.Comment); err != nil {
		return err
	}
	for _, i := range r.Interfaces {
		if _, err := r.writer.AddInterface(i); err != nil {
			return err
		}
	}
	if old := r.number - r.Keep; r.Keep > 0 && old > 0 {
		return os.Remove(r.name(old))
	}
	return nil
}

func (r *Ring) name(number int) string {
	if r.Size == 0 {
		return r.Path
	}
	extension := filepath.Ext(r.Path)
	return fmt.Sprintf("%s_%05d%s", strings.TrimSuffix(r.Path, extension), number, extension)
}

// WriteFrame appends a frame, in a new file if the present one is full.
func (r *Ring) WriteFrame(f *Frame, comment string) error {
	if r.Size > 0 && r.writer.Size() >= r.Size {
		if err := r.Close(); err != nil {
			return err
		}
		if err := r.open(); err != nil {
			return err
		}
	}
	return r.writer.WriteFrame(f, comment)
}

// AddInterface describes one more interface, in this and all later files, and returns
// its number.
func (r *Ring) AddInterface(i Interface) (int, error) {
	number, err := r.writer.AddInterface(i)
	if err == nil && number == len(r.Interfaces) {
		r.Interfaces = append(r.Interfaces, i)
	}
	return number, err
}

// Flush hands what was written so far to the file.
func (r *Ring) Flush() error { return r.writer.Flush() }

// Close finishes the present file. It may be called more than once.
func (r *Ring) Close() error {
	if r.writer == nil {
		return nil
	}
	var err error
	if r.Finished != nil {
		err = r.Finished(r.writer)
	}
	if len(r.writer.links) == 0 && r.Format == Pcap { // without frames it still has a header
		_, described := r.writer.AddInterface(Interface{Link: LinkEthernet})
		err = cmp.Or(err, described)
	}
	if flushed := r.writer.Flush(); err == nil {
		err = flushed
	}
	if r.file != nil {
		if closed := r.file.Close(); err == nil {
			err = closed
		}
	}
	r.file, r.writer = nil, nil
	return err
}
