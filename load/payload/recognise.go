package payload

import (
	"encoding/binary"

	"wirelab/clock"
)

// Recognise returns the number of the message of a client, of which latest is the last
// that it began, that d claims to answer, as far as the payload tells one from another.
func (p *Payload) Recognise(client, latest uint64, d []byte) (n uint64, ok bool) {
	switch p.kind {
	case sequencePayload:
		n, ok = parseSequence(d, client)
	case randomPayload:
		n, ok = p.recogniseRandom(d, client, latest)
	case stampPayload:
		n, ok = recogniseStamp(d, latest)
	}
	return n, ok && 0 < n && n <= latest
}

// TellsApart reports whether every message can be known by its answer.
func (p *Payload) TellsApart() bool {
	switch p.kind {
	case sequencePayload:
		return p.Len() >= SequenceLen
	case randomPayload:
		return p.Len() >= randomKnown
	}
	return p.kind == stampPayload
}

// parseSequence reads the head of a seq message of a client.
func parseSequence(d []byte, client uint64) (n uint64, ok bool) {
	if len(d) < SequenceLen || d[clientDigits] != '/' {
		return 0, false
	}
	from, ok1 := parseDecimal(d[:clientDigits])
	n, ok2 := parseDecimal(d[clientDigits+1 : SequenceLen-1])
	return n, ok1 && ok2 && from == client
}

func parseDecimal(digits []byte) (v uint64, ok bool) {
	for _, b := range digits {
		if b < '0' || b > '9' {
			return 0, false
		}
		v = v*10 + uint64(b-'0')
	}
	return v, true
}

// randomKnown is the number of bytes by which a random message is known.
const randomKnown = 8

// recogniseRandom calculates the number of a message of a client, of which latest is
// the last, from its first bytes. Of the two that there may be, the other one is hardly
// ever so small.
func (p *Payload) recogniseRandom(d []byte, client, latest uint64) (n uint64, ok bool) {
	if len(d) < randomKnown {
		return 0, false
	}
	for _, n := range randomNumbers(p.seed, client, binary.LittleEndian.Uint64(d)) {
		if 0 < n && n <= latest {
			return n, true
		}
	}
	return 0, false
}

// recogniseStamp reads the sequence number of a packet, of which it has the lowest
// 32 bits, or of a reflection.
func recogniseStamp(d []byte, latest uint64) (n uint64, ok bool) {
	r, err := clock.ParseReflector(d)
	if err != nil {
		return 0, false
	}
	number := r.SenderSequence
	if r.SenderTimestamp == 0 {
		number = r.Sequence // an echo
	}
	age := uint64(uint32(latest) - number)
	return latest - age, age < latest
}
