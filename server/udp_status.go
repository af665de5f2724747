package server

import (
	"maps"
	"slices"

	"wirelab/clock"
	"wirelab/observe"
)

// fill puts the counters into st.
func (w *udpWorker) fill(st *observe.Server) {
	w.mu.Lock()
	defer w.mu.Unlock()
	st.Active, st.PeakActive = len(w.peers.byAddr), w.peak
	st.Traffic = w.traffic
	st.Refused, st.Events = byName(w.refused), maps.Clone(w.events)
	switch {
	case w.kernelStamps > 0 && w.userStamps > 0:
		st.StampSource = "mixed"
	case w.kernelStamps > 0:
		st.StampSource = clock.Kernel.String()
	case w.userStamps > 0:
		st.StampSource = clock.User.String()
	}
}

// snapshotChunk is how many peers are copied under one lock.
const snapshotChunk = 64

// peerStatus returns the peers, latest first. It copies them in small portions,
// so that datagrams need not wait for it, and evaluates the copies.
func (w *udpWorker) peerStatus() []observe.Peer {
	w.mu.Lock()
	peers := w.peers.latestFirst()
	w.mu.Unlock()
	all := make([]observe.Peer, 0, len(peers))
	snapshots := make([]peerSnapshot, min(snapshotChunk, len(peers)))
	for chunk := range slices.Chunk(peers, snapshotChunk) {
		w.mu.Lock()
		for i, p := range chunk {
			snapshots[i].take(p)
		}
		w.mu.Unlock()
		for i := range chunk {
			all = append(all, snapshots[i].status())
		}
	}
	return all
}
