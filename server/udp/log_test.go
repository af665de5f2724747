package udp

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"wirelab/internal/sys/datagram"
	"wirelab/server/internal/counts"
)

func TestLogsNoMorePeersThanCanBeRead(t *testing.T) {
	var log bytes.Buffer
	w := &worker{cfg: Config{Log: slog.New(slog.NewTextHandler(&log, nil))}}
	arrive := func(n int, at time.Time) {
		w.messages = make([]message, n)
		batch := make([]datagram.Datagram, n)
		for i := range batch {
			w.messages[i].peer, w.messages[i].isNew, batch[i].Time = &peer{}, true, at
		}
		w.logBatch(batch)
	}
	at := time.Unix(1795341784, 0)
	arrive(counts.MaxLinesPerSecond+7, at)
	if n := strings.Count(log.String(), "new peer"); n != counts.MaxLinesPerSecond {
		t.Errorf("%d lines in a second", n)
	}
	log.Reset()
	arrive(1, at.Add(time.Second))
	if !strings.Contains(log.String(), "not_logged=7") || strings.Count(log.String(), "\n") != 2 {
		t.Errorf("in the next second:\n%s", &log)
	}
}
