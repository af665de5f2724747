package netlink

import (
	"encoding/binary"
	"fmt"
	"time"
)

// Messages and attributes of NFLOG, from linux/netfilter/nfnetlink_log.h.
const (
	logPacket    = subsystemLog << 8
	logConfig    = subsystemLog<<8 | 1
	logCommand   = 1 // NFULA_CFG_CMD
	logMode      = 2
	logTimeout   = 4
	logThreshold = 5

	loggedHeader  = 1 // NFULA_PACKET_HDR
	loggedMark    = 2
	loggedTime    = 3
	loggedIn      = 4
	loggedOut     = 5
	loggedPayload = 9
	loggedPrefix  = 10
)

// LoggedPacket is a packet that a rule logged.
type LoggedPacket struct {
	Protocol uint16 // EtherType
	Hook     uint8  // netfilter's number of the hook
	Mark     uint32
	Time     time.Time // zero if the kernel took none
	In, Out  uint32    // interface indices, 0 if there is none
	Prefix   string
	Payload  []byte // from the network header on; aliases the message
}

// ParseLog reads a message that a connection subscribed by Log received. It
// reports false for messages of another kind.
func ParseLog(m Message) (p LoggedPacket, ok bool, err error) {
	if m.Kind != logPacket {
		return p, false, nil
	}
	d := m.Attributes(4)
	for d.Next() {
		switch d.Kind() {
		case loggedHeader:
			if header := d.Bytes(); len(header) >= 3 {
				p.Protocol, p.Hook = binary.BigEndian.Uint16(header), header[2]
			}
		case loggedMark:
			p.Mark = d.Big32()
		case loggedTime:
			if stamp := d.Bytes(); len(stamp) >= 16 {
				seconds, micros := binary.BigEndian.Uint64(stamp), binary.BigEndian.Uint64(stamp[8:])
				p.Time = time.Unix(int64(seconds), int64(micros%1e6)*1000)
			}
		case loggedIn:
			p.In = d.Big32()
		case loggedOut:
			p.Out = d.Big32()
		case loggedPayload:
			p.Payload = d.Bytes()
		case loggedPrefix:
			p.Prefix = d.String()
		}
	}
	if err := d.Err(); err != nil {
		return p, true, fmt.Errorf("logged packet: %w", err)
	}
	return p, true, nil
}
