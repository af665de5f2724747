package capfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The blocks of pcapng that a Reader looks into. It steps over all others.
const (
	blockInterface  = 1
	blockOldPacket  = 2
	blockSimple     = 3
	blockStatistics = 5
	blockPacket     = 6
	blockSection    = 0x0a0d0d0a

	byteOrderMagic = 0x1a2b3c4d
	sectionLength  = 28 // the least
)

// checkSection looks at the section header that a file begins with.
func (r *Reader) checkSection() error {
	head := r.window.peek(12)
	if len(head) < 12 {
		return r.window.ended(0, "the section header", sectionLength)
	}
	return r.readOrder(head)
}

// readOrder learns the byte order of a section from the beginning of its header.
func (r *Reader) readOrder(head []byte) error {
	switch {
	case binary.LittleEndian.Uint32(head[8:]) == byteOrderMagic:
		r.setOrder(binary.LittleEndian)
	case binary.BigEndian.Uint32(head[8:]) == byteOrderMagic:
		r.setOrder(binary.BigEndian)
	default:
		return &DamageError{r.window.offset(), fmt.Sprintf("a section header without byte-order magic (%x)", head[8:12])}
	}
	return nil
}

// nextBlock reads blocks of pcapng up to the next one that holds a frame.
func (r *Reader) nextBlock(f *Frame) error {
	w := &r.window
	for {
		head := w.peek(12)
		at := w.offset()
		if len(head) < 12 {
			if len(head) == 0 && errors.Is(w.err, io.EOF) {
				return io.EOF
			}
			return w.ended(at, "a block header", 12)
		}
		kind := r.uint32(head)
		if kind == blockSection {
			if err := r.readOrder(head); err != nil {
				return err
			}
		}
		length := r.uint32(head[4:])
		if length < 12 || length%4 != 0 {
			return &DamageError{at, fmt.Sprintf("a block length of %d: no multiple of 4 from 12 on", length)}
		}
		if kind == blockInterface && w.held {
			return errHeld // frames of a batch come from interfaces known at its beginning
		}
		if !known(kind) {
			if err := r.skipBlock(at, int64(length)); err != nil {
				return err
			}
			continue
		}
		body, err := r.block(at, length)
		if err != nil {
			return err
		}
		framed, err := r.readBlock(kind, at, body, f)
		if framed || err != nil {
			return err
		}
	}
}

func known(kind uint32) bool {
	switch kind {
	case blockPacket, blockInterface, blockOldPacket, blockSimple, blockStatistics, blockSection:
		return true
	}
	return false
}

// block consumes a block and returns what is between its header and its trailer.
func (r *Reader) block(at int64, length uint32) ([]byte, error) {
	if length > maxCaptured+usualCaptured {
		return nil, &DamageError{at, fmt.Sprintf("a block length of %d is more than any frame has", length)}
	}
	whole := r.window.peek(int(length))
	if len(whole) < int(length) {
		return nil, r.window.ended(at, "a block", int64(length))
	}
	if trailer := r.uint32(whole[length-4:]); trailer != length {
		return nil, &DamageError{at, fmt.Sprintf("a block length of %d in front and %d behind", length, trailer)}
	}
	r.window.start += int(length)
	return whole[8 : length-4], nil
}

// skipBlock steps over a block of any size without holding it.
func (r *Reader) skipBlock(at, length int64) error {
	if !r.window.holds(length) || !r.window.skip(length-4) {
		return r.window.ended(at, "a block", length)
	}
	trailer := r.window.peek(4)
	if len(trailer) < 4 {
		return r.window.ended(at, "a block", length)
	}
	if found := r.uint32(trailer); int64(found) != length {
		return &DamageError{at, fmt.Sprintf("a block length of %d in front and %d behind", length, found)}
	}
	r.window.start += 4
	return nil
}

// readBlock decodes one block and reports whether it filled in f.
func (r *Reader) readBlock(kind uint32, at int64, body []byte, f *Frame) (bool, error) {
	f.Offset = at
	switch kind {
	case blockPacket:
		return true, r.readPacket(body, f)
	case blockOldPacket:
		return true, r.readOldPacket(body, f)
	case blockSimple:
		return true, r.readSimple(body, f)
	case blockInterface:
		return false, r.readInterface(at, body)
	case blockStatistics:
		return false, r.readStatistics(at, body)
	}
	return false, r.readSection(at, body)
}

// readSection begins a section: its interfaces are numbered from 0 again.
func (r *Reader) readSection(at int64, body []byte) error {
	if len(body) < sectionLength-12 {
		return &DamageError{at, fmt.Sprintf("a section header of %d bytes is too short", len(body)+12)}
	}
	if major := r.order.Uint16(body[4:]); major != 1 {
		return &DamageError{at, fmt.Sprintf("a section of version %d, of which only 1 is known", major)}
	}
	r.first = len(r.interfaces)
	for code, value := range r.options(body[16:]).all() {
		if code == optionComment && len(r.comments) < 100 {
			r.comments = append(r.comments, string(value))
		}
	}
	return nil
}

// readInterface takes down an interface description.
func (r *Reader) readInterface(at int64, body []byte) error {
	if len(body) < 8 {
		return &DamageError{at, "an interface description that is too short"}
	}
	if len(r.interfaces) >= maxInterfaces {
		return &DamageError{at, fmt.Sprintf("more than %d interfaces", maxInterfaces)}
	}
	i := Interface{Link: LinkType(r.order.Uint16(body)), SnapLength: r.order.Uint32(body[4:])}
	tsresol, offset := byte(6), int64(0)
	for code, value := range r.options(body[8:]).all() {
		switch {
		case code == optionName:
			i.Name = bounded(value)
		case code == optionDescription:
			i.Description = bounded(value)
		case code == optionFilter && len(value) > 0 && value[0] == 0:
			i.Filter = bounded(value[1:])
		case code == optionResolution && len(value) == 1:
			tsresol = value[0]
		case code == optionTimeOffset && len(value) == 8:
			offset = int64(r.order.Uint64(value))
		}
	}
	i.clock = newResolution(tsresol, offset)
	r.interfaces = append(r.interfaces, i)
	return nil
}

// bounded returns text from a file, cut to what is reasonable for a name.
func bounded(text []byte) string { return string(text[:min(len(text), 256)]) }

// readStatistics takes down the counts of an interface. A later block replaces an
// earlier one.
func (r *Reader) readStatistics(at int64, body []byte) error {
	if len(body) < 12 {
		return &DamageError{at, "interface statistics that are too short"}
	}
	i, err := r.interfaceAt(at, r.order.Uint32(body))
	if err != nil {
		return err
	}
	var dropped counter
	for code, value := range r.options(body[12:]).all() {
		if len(value) != 8 {
			continue
		}
		switch n := r.order.Uint64(value); code {
		case optionReceived:
			r.interfaces[i].received.set(n)
		case optionInterfaceDrops, optionSystemDrops:
			dropped.set(dropped.n + n)
		}
	}
	if dropped.known {
		r.interfaces[i].dropped = dropped
	}
	return nil
}

// interfaceAt returns the index of the interface that the section calls id.
func (r *Reader) interfaceAt(at int64, id uint32) (int, error) {
	if uint64(id) >= uint64(len(r.interfaces)-r.first) {
		return 0, &DamageError{at, fmt.Sprintf("interface %d, where the section has described %d", id, len(r.interfaces)-r.first)}
	}
	return r.first + int(id), nil
}
