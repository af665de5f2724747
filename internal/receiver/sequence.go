package receiver

import "encoding/binary"

// The head of a seq message as `wirelab load` writes it: "00000017/000000000042 ",
// the number of the client and that of the message in decimal.
const (
	clientDigits = 8
	numberDigits = 12
	slashAt      = clientDigits
	numberAt     = slashAt + 1
	spaceAt      = numberAt + numberDigits
	sequenceLen  = spaceAt + 1
)

// Sequence returns the number of a message of load's payload seq, and whether b
// is one. The client's number is not read: a client has a socket of its own.
func Sequence(b []byte) (number uint64, ok bool) {
	if len(b) < sequenceLen || b[slashAt] != '/' || b[spaceAt] != ' ' {
		return 0, false
	}
	client := binary.LittleEndian.Uint64(b)
	high := binary.LittleEndian.Uint64(b[numberAt:])
	low := binary.LittleEndian.Uint64(b[numberAt+numberDigits-8:]) // its first four digits are high's last
	if !allDigits(client) || !allDigits(high) || !allDigits(low) {
		return 0, false
	}
	return eightDigits(high)*1e4 + eightDigits(low)%1e4, true
}

// allDigits reports whether all eight bytes of w are ASCII digits: their upper half
// is 3, and still is with 6 added.
func allDigits(w uint64) bool {
	const upper, threes, sixes = 0xf0f0f0f0f0f0f0f0, 0x3030303030303030, 0x0606060606060606
	return w&upper == threes && (w+sixes)&upper == threes
}

// eightDigits returns the value of eight ASCII digits, the first in the lowest byte:
// neighbours are joined to pairs, pairs to fours, fours to the number.
func eightDigits(w uint64) uint64 {
	w -= 0x3030303030303030
	w = (w*10 + w>>8) & 0x00ff00ff00ff00ff
	w = (w*100 + w>>16) & 0x0000ffff0000ffff
	return (w*10000 + w>>32) & 0xffffffff
}
