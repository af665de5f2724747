package human

import (
	"encoding/hex"
	"fmt"
)

// HexRow is how many bytes a row of AppendHexRow holds at most.
const HexRow = 16

// AppendHexRow appends a row of bytes as hexadecimal digits and ASCII, behind the offset of
// the first: "00000000  68 65 6c 6c 6f …  |hello…|".
func AppendHexRow(dst []byte, offset uint64, b []byte) []byte {
	dst = fmt.Appendf(dst, "%08x ", offset)
	for i := range HexRow {
		if i%(HexRow/2) == 0 {
			dst = append(dst, ' ')
		}
		if i < len(b) {
			dst = append(hex.AppendEncode(dst, b[i:i+1]), ' ')
		} else {
			dst = append(dst, "   "...)
		}
	}
	dst = append(dst, '|')
	for _, c := range b {
		if c < ' ' || c > '~' {
			c = '.'
		}
		dst = append(dst, c)
	}
	return append(dst, '|')
}
