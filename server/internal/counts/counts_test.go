package counts

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"wirelab/server"
)

func TestPhrasesLeaveOutWhatIsZero(t *testing.T) {
	got := Phrases(
		Of("refused", map[string]uint64{"denied": 10, "max_conns": 1234, "max_per_ip": 0}),
		Of("closed", map[string]uint64{"idle": 0}),
		Of("events", nil),
	)
	if want := []string{"refused 1,244 (denied 10, max_conns 1,234)"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestColumnsNeverShowLessThanNothing(t *testing.T) {
	for _, c := range []struct {
		active, peak int
		want         string
	}{{3, 5, "3 5"}, {5, 3, "5 5"}, {-1, -1, "0 0"}} {
		columns := Columns("echo", "epoll", c.active, c.peak, server.Traffic{})
		if got := columns[2].Text + " " + columns[3].Text; got != c.want {
			t.Errorf("%d of %d are shown as %q", c.active, c.peak, got)
		}
	}
}

func TestAgoIsNotNegative(t *testing.T) {
	now := time.Now()
	if got, nothing := Ago(now.Add(time.Hour), now), Ago(now, now); got != nothing {
		t.Errorf("%q, want %q", got, nothing)
	}
}

// What a line limit holds back is told of once, and another second begins anew.
func TestLineLimit(t *testing.T) {
	var l LineLimit
	at := time.Unix(1795341784, 0)
	allowed := 0
	for range MaxLinesPerSecond + 7 {
		if l.Allow(at) {
			allowed++
		}
	}
	if allowed != MaxLinesPerSecond || !l.Allow(at.Add(time.Second)) {
		t.Errorf("%d lines in a second", allowed)
	}
	if first, then := l.TakeHidden(), l.TakeHidden(); first != 7 || then != 0 {
		t.Errorf("%d lines were hidden, and then %d", first, then)
	}
}

func TestLogTellsOfHiddenLines(t *testing.T) {
	var text bytes.Buffer
	log := slog.New(slog.NewTextHandler(&text, nil))
	LogHidden(log, "peers", 0)
	LogHidden(log, "refusals", 7)
	log.Info("stopped", Attr("closed", map[string]uint64{"idle": 2, "drained": 1}))
	if strings.Contains(text.String(), "peers") {
		t.Errorf("nothing was hidden, and it says\n%s", &text)
	}
	for _, want := range []string{"what=refusals not_logged=7\n", "closed.drained=1 closed.idle=2\n"} {
		if strings.Count(text.String(), want) != 1 {
			t.Errorf("%q is not in\n%s", want, &text)
		}
	}
}
