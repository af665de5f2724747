package udp

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"

	"wirelab/internal/receiver"
	"wirelab/internal/sys/datagram"
)

// Two services that answer whatever comes answer each other for ever, once a third
// party has sent one of them a datagram in the name of the other. A client in a closed
// loop that repeats a message looks the same: each of its datagrams is what it was
// answered. So after many such datagrams in a row the server asks the peer a question
// that only a service answers, see [receiver.AppendChallenge], and answers a service no more.

// EventNotAnsweredService counts datagrams of peers that turned out to be services.
const EventNotAnsweredService = "not_answered_service"

// Echoes in a row after which a peer is asked, at first and at last: the number
// doubles each time.
const (
	firstEchoes = 1000
	mostEchoes  = 1 << 20
)

// An echoWatch counts what a peer sends back.
type echoWatch struct {
	answer  uint64 // fingerprint of the last answer to the peer; 0: none yet
	nonce   uint64 // of the last question; 0: none yet
	echoes  uint32 // datagrams in a row that were the answers before them
	limit   uint32
	service bool
}

// saw looks at a datagram of the peer, and reports whether it is time to ask. One whose
// answer is endless counts as an echo.
func (e *echoWatch) saw(payload []byte, endless bool) (ask bool) {
	if !endless && (e.answer == 0 || fingerprint(payload) != e.answer) {
		e.echoes = 0
		return false
	}
	e.echoes++
	if e.echoes < max(e.limit, firstEchoes) {
		return false
	}
	e.echoes, e.limit = 0, min(2*max(e.limit, firstEchoes), mostEchoes)
	e.nonce = rand.Uint64() | 1
	return true
}

// answered looks at an answer to the peer.
func (e *echoWatch) answered(answer []byte) { e.answer = fingerprint(answer) }

// fingerprint tells datagrams apart, mostly, by their lengths and ends. It is not 0.
func fingerprint(b []byte) uint64 {
	f := uint64(len(b))<<1 | 1
	if len(b) >= 8 {
		f ^= bits.RotateLeft64(binary.LittleEndian.Uint64(b), 17) ^ binary.LittleEndian.Uint64(b[len(b)-8:])
		return f | 1
	}
	for _, c := range b {
		f = f*31 + uint64(c)<<8
	}
	return f | 1
}

// ask lists a question to the peer beside its answer.
func (w *worker) ask(read *datagram.Datagram, nonce uint64) {
	w.joining = false
	w.answers = append(w.answers, datagram.Datagram{
		Payload: receiver.AppendChallenge(nil, nonce), Peer: read.Peer, Local: read.Local, Interface: read.Interface, ID: notSent,
	})
	w.awaiting = append(w.awaiting, awaitedStamp{})
}

// takeChallenge deals with a question of another server, which is answered, and with
// the answer to one of ours. It reports whether the datagram was either.
func (w *worker) takeChallenge(read *datagram.Datagram, payload []byte) bool {
	nonce, answer, ok := receiver.ParseChallenge(payload)
	if !ok {
		return false
	}
	if p, known := w.peers.byAddr[read.Peer]; known && p.echo.nonce != 0 && p.echo.nonce == nonce {
		if !p.echo.service {
			p.echo.service = true
			w.cfg.Log.Warn("a peer answers answers and is answered no more", "peer", read.Peer)
		}
		return true
	}
	if !answer {
		w.joining = false
		w.datagram.findings = findings{}
		receiver.PutService(w.slot, nonce)
		w.list(read, w.slot[:receiver.Len])
		w.joining = false
	}
	return true
}
