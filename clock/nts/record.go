package nts

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Types of records of the key exchange (RFC 8915, section 7.6).
const (
	recordEnd          = 0
	recordNextProtocol = 1
	recordError        = 2
	recordWarning      = 3
	recordAlgorithm    = 4
	recordCookie       = 5
	recordServer       = 6
	recordPort         = 7

	critical = 1 << 15

	protocolNTPv4 = 0
	algorithmSIV  = 15 // AEAD_AES_SIV_CMAC_256

	errorUnknown    = 0 // a critical record that is not known
	errorBadRequest = 1

	maxRecords      = 64
	maxMessage      = 16 << 10
	recordHeaderLen = 4

	alpn           = "ntske/1"
	exporterLabel  = "EXPORTER-network-time-security"
	clientToServer = 0 // direction of a key
	serverToClient = 1
)

// ErrExchange reports a key exchange that does not follow RFC 8915, or that failed.
var ErrExchange = errors.New("NTS key exchange failed")

// A record is a record of the key exchange.
type record struct {
	kind     uint16 // without the critical bit
	critical bool
	body     []byte
}

func appendRecord(dst []byte, kind uint16, body []byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, kind)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(body)))
	return append(dst, body...)
}

func appendNumbers(dst []byte, kind uint16, numbers ...uint16) []byte {
	var body []byte
	for _, n := range numbers {
		body = binary.BigEndian.AppendUint16(body, n)
	}
	return appendRecord(dst, kind, body)
}

// numbers reads a body of 16-bit numbers.
func (r *record) numbers() []uint16 {
	var all []uint16
	for b := r.body; len(b) >= 2; b = b[2:] {
		all = append(all, binary.BigEndian.Uint16(b))
	}
	return all
}

// readMessage reads records up to the end of message. It bounds what a peer can make
// it keep.
func readMessage(r io.Reader) ([]record, error) {
	var all []record
	size := 0
	for range maxRecords {
		var head [recordHeaderLen]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrExchange, err)
		}
		kind := binary.BigEndian.Uint16(head[:])
		one := record{kind: kind &^ critical, critical: kind&critical != 0, body: make([]byte, binary.BigEndian.Uint16(head[2:]))}
		if size += len(one.body); size > maxMessage {
			return nil, fmt.Errorf("%w: a message of more than %d octets", ErrExchange, maxMessage)
		}
		if _, err := io.ReadFull(r, one.body); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrExchange, err)
		}
		if one.kind == recordEnd {
			return all, nil
		}
		all = append(all, one)
	}
	return nil, fmt.Errorf("%w: a message of more than %d records", ErrExchange, maxRecords)
}
