package server

// eventCounts counts events by name. The same event often comes again, so that
// the latest is kept at hand.
type eventCounts struct {
	byName map[string]*uint64
	name   string
	latest *uint64
}

func newEventCounts() eventCounts { return eventCounts{byName: map[string]*uint64{}} }

func (e *eventCounts) add(name string, n uint64) {
	if n == 0 {
		return
	}
	if e.latest == nil || name != e.name {
		e.latest, e.name = e.byName[name], name
		if e.latest == nil {
			e.latest = new(uint64)
			e.byName[name] = e.latest
		}
	}
	*e.latest += n
}
