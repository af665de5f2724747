package capfile

import "fmt"

// readPacket decodes an enhanced packet block.
func (r *Reader) readPacket(body []byte, f *Frame) error {
	if len(body) < 20 {
		return &DamageError{f.Offset, "a packet block that is too short"}
	}
	if err := r.setTimed(f, r.uint32(body), body); err != nil {
		return err
	}
	if len(f.options.raw) > 0 {
		r.setOptions(f, optionDropped)
	}
	return nil
}

// readOldPacket decodes the obsolete packet block, whose header holds a short
// number of the interface and a count of losses.
func (r *Reader) readOldPacket(body []byte, f *Frame) error {
	if len(body) < 20 {
		return &DamageError{f.Offset, "a packet block that is too short"}
	}
	if err := r.setTimed(f, uint32(r.order.Uint16(body)), body); err != nil {
		return err
	}
	if drops := r.order.Uint16(body[2:]); drops != 0xffff { // 0xffff: unknown
		f.Dropped = uint64(drops)
		r.interfaces[f.Interface].lost += f.Dropped
	}
	r.setOptions(f, 0)
	return nil
}

// setTimed takes what both kinds of block have: the interface's number, and from the body
// the time, both lengths and the frame.
func (r *Reader) setTimed(f *Frame, id uint32, body []byte) error {
	if err := r.setInterface(f, id); err != nil {
		return err
	}
	ticks := uint64(r.uint32(body[4:]))<<32 | uint64(r.uint32(body[8:]))
	if err := r.setData(f, body[20:], r.uint32(body[12:]), r.uint32(body[16:])); err != nil {
		return err
	}
	f.Time, f.Timed = r.interfaces[f.Interface].clock.nanoseconds(ticks)
	f.Flags, f.Dropped = 0, 0
	return nil
}

// readSimple decodes a simple packet block: the first interface, no time.
func (r *Reader) readSimple(body []byte, f *Frame) error {
	if len(body) < 4 {
		return &DamageError{f.Offset, "a packet block that is too short"}
	}
	if err := r.setInterface(f, 0); err != nil {
		return err
	}
	length := r.uint32(body)
	captured := length
	if snap := r.interfaces[f.Interface].SnapLength; snap > 0 {
		captured = min(captured, snap)
	}
	if err := r.setData(f, body[4:], captured, length); err != nil {
		return err
	}
	f.Time, f.Timed, f.Flags, f.Dropped, f.options = 0, false, 0, 0, options{}
	return nil
}

func (r *Reader) setInterface(f *Frame, id uint32) (err error) {
	if f.Interface, err = r.interfaceAt(f.Offset, id); err != nil {
		return err
	}
	f.Link = r.interfaces[f.Interface].Link
	return nil
}

// setData takes the frame from the rest of a block; options follow it after padding.
func (r *Reader) setData(f *Frame, rest []byte, captured, length uint32) error {
	if uint64(captured) > uint64(len(rest)) {
		return &DamageError{f.Offset, fmt.Sprintf("a packet block with %d captured bytes in %d", captured, len(rest))}
	}
	f.Data, f.Length = rest[:captured:captured], int(length)
	f.options = r.options(rest[min(len(rest), (int(captured)+3)&^3):])
	return nil
}

// setOptions takes flags and, from the option with the code given, losses.
func (r *Reader) setOptions(f *Frame, drops uint16) {
	if raw := f.options.raw; len(raw) == 12 && r.uint32(raw) == r.flagsAlone && r.uint32(raw[8:]) == optionEnd {
		f.Flags = Flags(r.uint32(raw[4:])) // the usual case
		return
	}
	for code, value := range f.options.all() {
		switch {
		case code == optionFlags && len(value) == 4:
			f.Flags = Flags(r.uint32(value))
		case code == drops && code != 0 && len(value) == 8:
			f.Dropped = r.order.Uint64(value)
			r.interfaces[f.Interface].lost += f.Dropped
		}
	}
}
