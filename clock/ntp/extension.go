package ntp

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// An Extension is an extension field (RFC 7822): a type, and a value whose length
// is a multiple of four octets.
type Extension struct {
	Type  uint16
	Value []byte // a part of the packet
}

const (
	extensionHeaderLen = 4
	minExtensionLen    = 16 // header included (RFC 7822, section 7.5.1.1)
)

// ErrExtension reports extension fields that do not end where the packet does.
var ErrExtension = errors.New("malformed NTP extension field")

// Lengths of message authentication codes with their key identifiers: MD5's,
// and SHA-1's or AES-CMAC's at most. A crypto-NAK is a key identifier alone.
const (
	cryptoNAKLen = 4
	shortMACLen  = 20
	longMACLen   = 24
)

// NextExtension splits the first extension field off what follows a header. It
// reports false at the end and where a message authentication code begins, which
// rest then is: at the end of a packet 20 or 24 octets are one (RFC 7822, section
// 7.5.1.4), as are 4. The error is ErrExtension.
func NextExtension(b []byte) (field Extension, rest []byte, ok bool, err error) {
	switch len(b) {
	case 0, cryptoNAKLen, shortMACLen, longMACLen:
		return Extension{}, b, false, nil
	}
	if len(b) < minExtensionLen {
		return Extension{}, nil, false, fmt.Errorf("%w: %d octets are left", ErrExtension, len(b))
	}
	length := int(binary.BigEndian.Uint16(b[2:]))
	if length < minExtensionLen || length%4 != 0 || length > len(b) {
		return Extension{}, nil, false, fmt.Errorf("%w: length %d of %d octets", ErrExtension, length, len(b))
	}
	field = Extension{Type: binary.BigEndian.Uint16(b), Value: b[extensionHeaderLen:length]}
	return field, b[length:], true, nil
}

// AppendExtension appends a field with value, padded with zeros to the least length
// and to a multiple of four.
func AppendExtension(dst []byte, kind uint16, value []byte) []byte {
	length := max((extensionHeaderLen+len(value)+3)&^3, minExtensionLen)
	dst = binary.BigEndian.AppendUint16(dst, kind)
	dst = binary.BigEndian.AppendUint16(dst, uint16(length))
	dst = append(dst, value...)
	for range length - extensionHeaderLen - len(value) {
		dst = append(dst, 0)
	}
	return dst
}
