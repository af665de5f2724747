package address

// A pairing says which route of one state is compared with which of another. Several can
// have one key: one was appended behind the other, and the kernel takes the first.
type pairing struct {
	was   []int            // for each route of the second state, the index of that in the first; -1: none
	used  []bool           // for each route of the first, whether one of the second has it
	first map[routeKey]int // the first route of the first state that has the key
	next  []int            // for each route of the first, the next one with its key; -1: none
}

// pairRoutes gives each route of to the same one of from; where there is none, another one
// with its key, routes that are to be before those that are not to be.
func pairRoutes(from, to []Route) pairing {
	p := pairing{was: make([]int, len(to)), used: make([]bool, len(from)), first: make(map[routeKey]int, len(from)), next: make([]int, len(from))}
	for i := len(from) - 1; i >= 0; i-- {
		if p.next[i] = -1; from[i].Absent {
			continue
		}
		key := from[i].key()
		if later, ok := p.first[key]; ok {
			p.next[i] = later
		}
		p.first[key] = i
	}
	for i := range to {
		p.was[i] = -1
	}
	for _, fits := range []func(old, r Route) bool{
		Route.same,
		func(_, r Route) bool { return !r.Absent },
		func(_, _ Route) bool { return true },
	} {
		p.take(from, to, fits)
	}
	return p
}

// several reports whether the route with index i of the first state, routes, shares its key.
func (p *pairing) several(routes []Route, i int) bool {
	return p.next[i] >= 0 || p.first[routes[i].key()] != i
}

func (p *pairing) take(from, to []Route, fits func(old, r Route) bool) {
	for i, r := range to {
		if p.was[i] >= 0 {
			continue
		}
		j, ok := p.first[r.key()]
		for ; ok && j >= 0; j = p.next[j] {
			if !p.used[j] && fits(from[j], r) {
				p.was[i], p.used[j] = j, true
				break
			}
		}
	}
}
