package payload

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"wirelab/clock"
)

// Syntax lists what Parse understands.
const Syntax = "text:… | hex:… | file:PATH | random:SEED | pattern | seq | time | stamp"

var errUnknownPayload = errors.New("unknown; use one of " + Syntax)

// Parse makes the payload that spec describes:
//
//	text:WORDS    these bytes; \n \r \t \\ \xFF and Go's other escapes are understood
//	hex:0a0B ff   these bytes; spaces and colons are skipped
//	file:PATH     the bytes of a file
//	random:SEED   bytes that follow from the seed, different in every message
//	pattern       the printable ASCII characters, again and again
//	seq           begins with client and message number, then as pattern
//	time          a line: seconds since 1970, a dot, six digits; then as pattern if there is room
//	stamp         a STAMP Session-Sender packet (RFC 8762, section 4.2.1), unauthenticated
//
// Messages have size bytes, at most MaxLen: a text, hex or file payload is
// repeated or cut to it. Size 0 means the payload's own length: that of the text,
// hex or file, 18 bytes for time, 44 for stamp, and 64 for the others. Errors are of
// type *Error.
func Parse(spec string, size int) (*Payload, error) {
	p := &Payload{spec: spec}
	err := checkSize(size)
	if err == nil {
		err = p.parse(size)
	}
	if err != nil {
		return nil, &Error{Spec: spec, Err: err}
	}
	return p, nil
}

func checkSize(size int) error {
	if size < 0 || size > MaxLen {
		return fmt.Errorf("size %d is not between 1 and %d bytes", size, MaxLen)
	}
	return nil
}

func (p *Payload) parse(size int) (err error) {
	name, argument, hasArgument := strings.Cut(p.spec, ":")
	switch name {
	case "text":
		p.body, err = unescape(argument)
	case "hex":
		p.body, err = parseHex(argument)
	case "file":
		p.body, err = readBounded(argument)
	case "random":
		p.kind, p.body = randomPayload, make([]byte, orDefault(size, defaultSize))
		p.seed, err = strconv.ParseUint(argument, 0, 64)
		if err != nil {
			err = errors.New("the seed must be a number from 0 to 2^64-1, as in random:1")
		}
	default:
		if hasArgument {
			return errUnknownPayload
		}
		return p.parsePlain(name, size)
	}
	if err != nil {
		return err
	}
	if len(p.body) == 0 {
		return errors.New("no bytes: a message has at least one")
	}
	if size > 0 {
		p.body = repeated(p.body, size)
	}
	return nil
}

// parsePlain parses the payloads that take no argument.
func (p *Payload) parsePlain(name string, size int) error {
	switch name {
	case "pattern":
		p.body = repeated(printable(), orDefault(size, defaultSize))
	case "seq":
		p.kind, p.body = sequencePayload, repeated(printable(), orDefault(size, defaultSize))
	case "time":
		if size > 0 && size < timeHead+1 {
			return fmt.Errorf("size %d is too small: time needs %d bytes", size, timeHead+1)
		}
		p.kind, p.body = timePayload, timeLine(orDefault(size, timeHead+1))
	case "stamp":
		if size > 0 && size < clock.TestPacketLen {
			return fmt.Errorf("size %d is too small: a STAMP packet has %d bytes", size, clock.TestPacketLen)
		}
		p.kind, p.body = stampPayload, stampPacket(orDefault(size, clock.TestPacketLen))
	default:
		return errUnknownPayload
	}
	return nil
}

func orDefault(size, otherwise int) int {
	if size == 0 {
		return otherwise
	}
	return size
}

// printable returns the 95 printable ASCII characters: a number that shares no
// factor with the sizes of buffers, so that a displaced piece does not go unseen.
func printable() []byte {
	p := make([]byte, 0, '~'-' '+1)
	for c := byte('!'); c <= '~'; c++ {
		p = append(p, c)
	}
	return append(p, ' ')
}

func repeated(b []byte, size int) []byte {
	return slices.Repeat(b, (size+len(b)-1)/len(b))[:size]
}

// timeLine returns a line of size bytes whose head is still to be written.
func timeLine(size int) []byte {
	line := make([]byte, timeHead, size)
	if filler := size - timeHead - 2; filler >= 0 {
		line = append(append(line, ' '), repeated(printable(), filler)...)
	}
	return append(line, '\n')
}

func unescape(s string) ([]byte, error) {
	b := make([]byte, 0, len(s))
	for s != "" {
		if s[0] != '\\' {
			b, s = append(b, s[0]), s[1:]
			continue
		}
		r, multibyte, rest, err := strconv.UnquoteChar(s, 0)
		if err != nil {
			return nil, fmt.Errorf("bad escape at %.6q; write \\\\ for a backslash", s)
		}
		if multibyte {
			b = append(b, string(r)...)
		} else {
			b = append(b, byte(r))
		}
		s = rest
	}
	return b, nil
}

func parseHex(s string) ([]byte, error) {
	b, err := hex.DecodeString(strings.NewReplacer(" ", "", ":", "").Replace(s))
	if err != nil {
		return nil, errors.New("not hexadecimal: each byte has two digits, such as 0a ff")
	}
	return b, nil
}

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, MaxLen+1))
	if err == nil && len(b) > MaxLen {
		err = fmt.Errorf("%s has more than %d bytes", path, MaxLen)
	}
	return b, err
}
