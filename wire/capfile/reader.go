package capfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

const (
	// maxCaptured is the largest frame that a Reader takes. Larger lengths mean
	// that what was read is no length.
	maxCaptured = 16 << 20
	// usualCaptured is the largest length that a file may use without having
	// announced it.
	usualCaptured = 256 << 10
	// maxInterfaces bounds what the interfaces of a file can cost.
	maxInterfaces = 1 << 16
)

// ErrFormat reports that a file is neither pcap nor pcapng.
var ErrFormat = errors.New("neither a pcap nor a pcapng file")

// Reader reads a capture file from beginning to end.
type Reader struct {
	window     window
	order      binary.ByteOrder
	little     bool // the order, for the fast path
	format     string
	interfaces []Interface

	// Of pcap:
	header   int // length of a record header; 0: it is pcapng
	limit    uint32
	fraction int64 // nanoseconds in a unit of the second half of a time

	// Of pcapng:
	first      int    // index of the first interface of the section
	flagsAlone uint32 // code and length of the flags option, as uint32 reads them
	comments   []string
	err        error
}

// NewReader reads the header of a file. It returns ErrFormat if there is none that
// it knows, and a *DamageError if it makes no sense.
func NewReader(source io.Reader) (*Reader, error) {
	r := &Reader{window: newWindow(source)}
	magic := r.window.peek(4)
	if len(magic) < 4 {
		if err := r.window.err; err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		return nil, ErrFormat
	}
	if binary.BigEndian.Uint32(magic) == blockSection {
		r.format = "pcapng"
		return r, r.checkSection()
	}
	r.format = "pcap"
	return r, r.readHeader(magic)
}

// Format returns "pcap" or "pcapng".
func (r *Reader) Format() string { return r.format }

// Interfaces returns the interfaces found so far, of all sections, in the order
// of the file. The slice is the Reader's own.
func (r *Reader) Interfaces() []Interface { return r.interfaces }

// Comments returns the comments of sections that were found so far, at most 100.
func (r *Reader) Comments() []string { return r.comments }

// Offset returns how far the file has been read, in bytes.
func (r *Reader) Offset() int64 { return r.window.offset() }

// Dropped returns how many frames the capture lost by what was read so far, and
// whether the file says so at all.
func (r *Reader) Dropped() (n uint64, known bool) {
	for i := range r.interfaces {
		dropped, ok := r.interfaces[i].Dropped()
		n, known = n+dropped, known || ok
	}
	return n, known
}

// Next reads the next frame into f. It returns io.EOF at the end, and a
// *DamageError where the file makes no sense; after either it returns the same again.
func (r *Reader) Next(f *Frame) error {
	switch {
	case r.err != nil:
	case r.header > 0:
		r.err = r.nextRecord(f)
	default:
		r.err = r.nextBlock(f)
	}
	return r.err
}

// Batch appends the next frames to frames, as many as are whole in memory, one at least,
// and returns the longer slice. It reads into memory, which the frames point into: they
// are valid until memory is written, as the next call with the same memory does. All
// interfaces that the frames name are known when the first is read. Errors are those of
// Next; the frames before them are returned too.
func (r *Reader) Batch(memory []byte, frames []Frame) ([]Frame, error) {
	r.window.use(memory)
	defer func() { r.window.held = false }()
	for {
		frames = slices.Grow(frames, 1)[:len(frames)+1]
		if err := r.Next(&frames[len(frames)-1]); err != nil {
			frames = frames[:len(frames)-1]
			if err == errHeld {
				r.err, err = nil, nil
			}
			return frames, err
		}
		r.window.held = true
	}
}

// magics of pcap files in the byte order of their writer.
const (
	magicMicroseconds = 0xa1b2c3d4
	magicNanoseconds  = 0xa1b23c4d
	magicModified     = 0xa1b2cd34 // Kuznetzov's, with longer records
	fileHeaderLength  = 24
)

// readHeader reads the file header of pcap.
func (r *Reader) readHeader(magic []byte) error {
	known := []uint32{magicMicroseconds, magicNanoseconds, magicModified}
	switch {
	case slices.Contains(known, binary.LittleEndian.Uint32(magic)):
		r.setOrder(binary.LittleEndian)
	case slices.Contains(known, binary.BigEndian.Uint32(magic)):
		r.setOrder(binary.BigEndian)
	default:
		return ErrFormat
	}
	header := r.window.peek(fileHeaderLength)
	if len(header) < fileHeaderLength {
		return r.window.ended(0, "the file header", fileHeaderLength)
	}
	r.header, r.fraction = 16, 1000
	switch r.order.Uint32(header) {
	case magicNanoseconds:
		r.fraction = 1
	case magicModified:
		r.header = 24
	}
	snap := r.order.Uint32(header[16:])
	r.limit = max(usualCaptured, min(snap, maxCaptured))
	link := LinkType(r.order.Uint32(header[20:])) // the upper half tells of check sequences
	r.interfaces = []Interface{{Link: link, SnapLength: snap}}
	r.window.start += fileHeaderLength
	return nil
}

func (r *Reader) setOrder(order binary.ByteOrder) {
	r.order, r.little = order, order == binary.LittleEndian
	r.flagsAlone = optionFlags<<16 | 4
	if r.little {
		r.flagsAlone = optionFlags | 4<<16
	}
}

// nextRecord reads a record of pcap.
func (r *Reader) nextRecord(f *Frame) error {
	w := &r.window
	f.Offset = w.offset()
	rest := w.ahead(r.header)
	if len(rest) < r.header {
		if len(rest) == 0 && errors.Is(w.err, io.EOF) {
			return io.EOF
		}
		return w.ended(f.Offset, "a record header", int64(r.header))
	}
	seconds, fraction := r.uint32(rest), r.uint32(rest[4:])
	captured, length := r.uint32(rest[8:]), r.uint32(rest[12:])
	if captured > r.limit {
		return &DamageError{f.Offset, fmt.Sprintf("a frame of %d captured bytes is longer than any (%d)", captured, r.limit)}
	}
	size := r.header + int(captured)
	if rest = w.ahead(size); len(rest) < size {
		return w.ended(f.Offset, "a record", int64(size))
	}
	w.start += size
	f.Data, f.Length = rest[r.header:size], int(length)
	f.Time, f.Timed = int64(seconds)*1e9+int64(fraction)*r.fraction, true
	f.Interface, f.Link = 0, r.interfaces[0].Link
	f.Flags, f.Dropped, f.options = 0, 0, options{}
	return nil
}

// uint32 is r.order.Uint32 without the cost of a call through an interface.
func (r *Reader) uint32(b []byte) uint32 {
	if r.little {
		return binary.LittleEndian.Uint32(b)
	}
	return binary.BigEndian.Uint32(b)
}
