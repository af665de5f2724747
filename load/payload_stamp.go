package load

import (
	"encoding/binary"
	"time"
)

// A STAMP Session-Sender packet, unauthenticated (RFC 8762, section 4.2.1), and
// the reflector's answer to it (section 4.3.1), which has the same length.
const stampHead = 44

// putStamp writes the Session-Sender packet of message n: its sequence number,
// the time of sending, and an error estimate that says "not synchronised".
func putStamp(m []byte, n uint64, sent time.Time) int {
	clear(m[:stampHead])
	binary.BigEndian.PutUint32(m, uint32(n))
	putNTPTime(m[4:], sent)
	binary.BigEndian.PutUint16(m[12:], 1)
	return stampHead
}

// ntpEpoch is the number of seconds from 1900 to 1970.
const ntpEpoch = 2208988800

func putNTPTime(b []byte, t time.Time) {
	binary.BigEndian.PutUint32(b, uint32(t.Unix()+ntpEpoch))
	binary.BigEndian.PutUint32(b[4:], uint32(uint64(t.Nanosecond())<<32/1e9))
}

// judgeReflection says what is wrong with a complete answer to a stamp message
// that is not the message itself.
func (c *Check) judgeReflection() string {
	var sent [stampHead]byte
	putStamp(sent[:], c.n, c.sent)
	const senderFields = 24 // the sender's sequence number, timestamp and error estimate
	if [14]byte(c.packet[senderFields:]) != [14]byte(sent[:]) {
		return "a reflection of another packet"
	}
	return ""
}
