package counts

import (
	"log/slog"
	"maps"
	"slices"
	"time"
)

// Attr returns a log attribute that groups counts by name.
func Attr(name string, counts map[string]uint64) slog.Attr {
	var attrs []slog.Attr
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		attrs = append(attrs, slog.Uint64(what, counts[what]))
	}
	return slog.GroupAttrs(name, attrs...)
}

// MaxLinesPerSecond is how many lines of one kind are logged in a second.
const MaxLinesPerSecond = 50

// A LineLimit keeps log lines to what a person can read: peers come again at once, and
// the sources of datagrams can be invented. Its user locks it.
type LineLimit struct {
	second int64
	lines  int
	hidden uint64 // lines not allowed and not yet told of
}

// Allow reports whether one more line may be logged, and counts it if not.
func (l *LineLimit) Allow(at time.Time) bool {
	if second := at.Unix(); second != l.second {
		l.second, l.lines = second, 0
	}
	if l.lines >= MaxLinesPerSecond {
		l.hidden++
		return false
	}
	l.lines++
	return true
}

// TakeHidden returns how many lines were not allowed since it was last called.
func (l *LineLimit) TakeHidden() uint64 {
	n := l.hidden
	l.hidden = 0
	return n
}

// LogHidden logs that n lines of a kind were not logged, unless there were none.
func LogHidden(log *slog.Logger, what string, n uint64) {
	if n > 0 {
		log.Warn("not all were logged", "what", what, "not_logged", n)
	}
}
