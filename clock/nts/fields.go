package nts

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/facebook/time/ntp/protocol/nts/aessiv"

	"wirelab/clock/ntp"
)

// Types of extension fields (RFC 8915, section 7.5).
const (
	fieldUniqueID      = 0x0104
	fieldCookie        = 0x0204
	fieldPlaceholder   = 0x0304
	fieldAuthenticator = 0x0404
)

const (
	// uniqueIDLen is how long a request's unique identifier is, at least (section 5.3).
	uniqueIDLen = 32
	// nonceLen is that of the nonces here, as chrony has them: the most that the algorithm asks for.
	nonceLen = 16
	keyLen   = aessiv.KeySize
	// maxCookies is how many cookies a client keeps (section 5.7).
	maxCookies = 8
	// maxFields bounds the fields of one packet that are looked at.
	maxFields = 32
)

// ErrNotAuthentic reports a packet that its authenticator does not prove.
var ErrNotAuthentic = errors.New("NTS authentication failed")

// fields are what a packet's extension fields hold, up to the authenticator: what
// comes after it proves nothing. Slices are parts of the packet.
type fields struct {
	uniqueID     []byte
	cookie       []byte
	placeholders int
	proved       []byte // the packet up to the authenticator
	nonce        []byte
	sealed       []byte // ciphertext; nil: there is no authenticator
}

func parseFields(packet []byte) (f fields, err error) {
	_, rest, err := ntp.Parse(packet)
	if err != nil {
		return f, err
	}
	for range maxFields {
		at := len(packet) - len(rest)
		field, next, ok, err := ntp.NextExtension(rest)
		if err != nil || !ok {
			return f, err
		}
		switch field.Type {
		case fieldUniqueID:
			f.uniqueID = field.Value
		case fieldCookie:
			f.cookie = field.Value
		case fieldPlaceholder:
			f.placeholders++
		case fieldAuthenticator:
			f.proved = packet[:at]
			f.nonce, f.sealed, err = splitAuthenticator(field.Value)
			return f, err
		}
		rest = next
	}
	return f, nil
}

// splitAuthenticator reads nonce and ciphertext, each padded to a multiple of four
// octets (RFC 8915, section 5.6).
func splitAuthenticator(value []byte) (nonce, sealed []byte, err error) {
	if len(value) < 4 {
		return nil, nil, fmt.Errorf("%w: the authenticator is cut", ErrNotAuthentic)
	}
	n, s := int(binary.BigEndian.Uint16(value)), int(binary.BigEndian.Uint16(value[2:]))
	at := 4 + padded(n)
	if n == 0 || s < aessiv.BlockSize || at+padded(s) > len(value) {
		return nil, nil, fmt.Errorf("%w: the authenticator is cut", ErrNotAuthentic)
	}
	return value[4 : 4+n], value[at : at+s], nil
}

func padded(n int) int { return (n + 3) &^ 3 }

// appendAuthenticator proves all of packet and hides plaintext, which has a length that
// is a multiple of four.
func appendAuthenticator(packet, plaintext []byte, key *aessiv.AESSIV) ([]byte, error) {
	nonce := random(nonceLen)
	sealed, err := key.Seal(nil, plaintext, packet, nonce)
	if err != nil {
		return nil, err
	}
	value := make([]byte, 0, 4+nonceLen+padded(len(sealed)))
	value = binary.BigEndian.AppendUint16(value, nonceLen)
	value = binary.BigEndian.AppendUint16(value, uint16(len(sealed)))
	value = append(append(value, nonce...), sealed...)
	return ntp.AppendExtension(packet, fieldAuthenticator, value), nil
}

// open checks the authenticator and returns what it hides.
func (f *fields) open(key *aessiv.AESSIV) ([]byte, error) {
	if f.sealed == nil {
		return nil, fmt.Errorf("%w: there is no authenticator", ErrNotAuthentic)
	}
	plain, err := key.Open(nil, f.sealed, f.proved, f.nonce)
	if err != nil {
		return nil, ErrNotAuthentic
	}
	return plain, nil
}

// random returns unguessable octets. crypto/rand does not fail.
func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}
