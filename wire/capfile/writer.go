package capfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Format is a format of capture files.
type Format int

// The formats that a Writer writes.
const (
	PcapNG Format = iota // interfaces, flags, comments, drop counts
	Pcap                 // one link type and nanoseconds
)

// ErrMixedLinks reports that a pcap file was given frames of a second link type.
var ErrMixedLinks = errors.New("a pcap file holds one link type; pcapng holds several")

// Writer writes a capture file. It does not allocate once its buffer has grown to
// the largest frame.
type Writer struct {
	out     io.Writer
	format  Format
	buf     []byte
	links   []LinkType // of the interfaces so far
	written int64
	err     error
}

// writeSize is how much a Writer gathers before it writes.
const writeSize = 256 << 10

// NewWriter begins a file in the format given, with a comment for the whole file
// that may be empty (pcap has no place for one). Interfaces are added before frames.
func NewWriter(out io.Writer, format Format, comment string) (*Writer, error) {
	w := &Writer{out: out, format: format, buf: make([]byte, 0, writeSize+64<<10)}
	if format == Pcap {
		return w, nil
	}
	at := w.begin(blockSection)
	w.put32(byteOrderMagic)
	w.put32(1)           // version 1.0
	w.put32(0xffff_ffff) // the length of the section is not known
	w.put32(0xffff_ffff)
	if comment != "" {
		w.option(optionComment, comment)
	}
	w.option(4, "wirelab") // shb_userappl
	w.put32(0)
	return w, w.end(at)
}

// AddInterface describes one more interface and returns its number, counting from 0.
func (w *Writer) AddInterface(i Interface) (int, error) {
	if w.format == Pcap {
		return w.addOnly(i)
	}
	at := w.begin(blockInterface)
	w.put16(uint16(i.Link))
	w.put16(0)
	w.put32(i.SnapLength)
	if i.Name != "" {
		w.option(optionName, i.Name)
	}
	if i.Description != "" {
		w.option(optionDescription, i.Description)
	}
	w.option(optionResolution, "\x09")
	if i.Filter != "" {
		w.option(optionFilter, "\x00"+i.Filter)
	}
	w.put32(0)
	w.links = append(w.links, i.Link)
	return len(w.links) - 1, w.end(at)
}

// addOnly writes the file header of pcap for the first interface, and lets others
// of its kind be as if they were that one.
func (w *Writer) addOnly(i Interface) (int, error) {
	if len(w.links) > 0 {
		if i.Link != w.links[0] {
			return 0, ErrMixedLinks
		}
		return 0, nil
	}
	w.links = append(w.links, i.Link)
	snap := i.SnapLength
	if snap == 0 {
		snap = usualCaptured
	}
	w.put32(magicNanoseconds)
	w.put32(2 | 4<<16) // version 2.4
	w.put32(0)
	w.put32(0)
	w.put32(snap)
	w.put32(uint32(i.Link))
	return 0, w.spill()
}

// WriteFrame appends a frame with a comment that may be empty. It uses Data,
// Length, Time, Interface, Flags and Dropped; pcap keeps the first three only.
func (w *Writer) WriteFrame(f *Frame, comment string) error {
	if w.format == Pcap {
		return w.writeRecord(f)
	}
	if f.Interface < 0 || f.Interface >= len(w.links) {
		return fmt.Errorf("write frame: interface %d of %d", f.Interface, len(w.links))
	}
	at := w.begin(blockPacket)
	w.put32(uint32(f.Interface))
	w.put32(uint32(uint64(f.Time) >> 32))
	w.put32(uint32(f.Time))
	w.put32(uint32(len(f.Data)))
	w.put32(uint32(f.Length))
	w.buf = append(w.buf, f.Data...)
	w.pad()
	if comment != "" {
		w.option(optionComment, comment)
	}
	if f.Flags != 0 {
		w.put32(optionFlags | 4<<16)
		w.put32(uint32(f.Flags))
	}
	if f.Dropped != 0 {
		w.put32(optionDropped | 8<<16)
		w.put64(f.Dropped)
	}
	if comment != "" || f.Flags != 0 || f.Dropped != 0 {
		w.put32(0)
	}
	return w.end(at)
}

func (w *Writer) writeRecord(f *Frame) error {
	if len(w.links) == 0 {
		return errors.New("write frame: no interface")
	}
	w.put32(uint32(f.Time / 1e9))
	w.put32(uint32(f.Time % 1e9))
	w.put32(uint32(len(f.Data)))
	w.put32(uint32(f.Length))
	w.buf = append(w.buf, f.Data...)
	return w.spill()
}

// WriteStatistics appends what an interface received and lost until the time given
// in nanoseconds since 1970. It does nothing in pcap.
func (w *Writer) WriteStatistics(id int, time int64, received, dropped uint64) error {
	if w.format == Pcap {
		return nil
	}
	at := w.begin(blockStatistics)
	w.put32(uint32(id))
	w.put32(uint32(uint64(time) >> 32))
	w.put32(uint32(time))
	w.put32(optionReceived | 8<<16)
	w.put64(received)
	w.put32(optionInterfaceDrops | 8<<16)
	w.put64(dropped)
	w.put32(0)
	return w.end(at)
}

// Size returns the length of the file so far, in bytes.
func (w *Writer) Size() int64 { return w.written + int64(len(w.buf)) }

// Flush hands everything over to the underlying writer. Errors last: a file that
// has lost a part is not continued.
func (w *Writer) Flush() error {
	if w.err != nil || len(w.buf) == 0 {
		return w.err
	}
	n, err := w.out.Write(w.buf)
	w.written += int64(n)
	w.buf, w.err = w.buf[:0], err
	return err
}

func (w *Writer) spill() error {
	if len(w.buf) >= writeSize {
		return w.Flush()
	}
	return w.err
}

// begin starts a block and returns where it is.
func (w *Writer) begin(kind uint32) int {
	at := len(w.buf)
	w.put32(kind)
	w.put32(0)
	return at
}

// end finishes the block at its place: both lengths.
func (w *Writer) end(at int) error {
	length := uint32(len(w.buf) - at + 4)
	binary.LittleEndian.PutUint32(w.buf[at+4:], length)
	w.put32(length)
	return w.spill()
}

func (w *Writer) put16(v uint16) { w.buf = binary.LittleEndian.AppendUint16(w.buf, v) }
func (w *Writer) put32(v uint32) { w.buf = binary.LittleEndian.AppendUint32(w.buf, v) }
func (w *Writer) put64(v uint64) { w.buf = binary.LittleEndian.AppendUint64(w.buf, v) }

// option appends an option of at most 65,535 bytes; a longer value is cut.
func (w *Writer) option(code uint16, value string) {
	value = value[:min(len(value), 0xffff)]
	w.put16(code)
	w.put16(uint16(len(value)))
	w.buf = append(w.buf, value...)
	w.pad()
}

// pad fills up to a multiple of 4. Blocks begin at multiples of 4 of the buffer
// because each block is one.
func (w *Writer) pad() {
	for len(w.buf)%4 != 0 {
		w.buf = append(w.buf, 0)
	}
}
