package address

import "slices"

// withDependents returns the configuration with what the kernel takes away with links
// that are to be absent: the other ends of cables, links that are over others, and the
// ports of bridges. They are steps of the plan, and come back with the rest.
func (c *Config) withDependents(now *State) *Config {
	full := *c
	full.Links = slices.Clone(c.Links)
	for i := 0; i < len(full.Links); i++ { // it grows
		l := &full.Links[i]
		old := now.link(l.Name)
		if !l.Absent || old == nil {
			continue
		}
		if old.makable() {
			l.Kind, l.Peer, l.Lower, l.ID = old.Kind, old.Peer, old.Lower, old.ID
		}
		mark := l.Mark
		for _, o := range now.Links {
			switch {
			case o.Name == old.Peer, o.Lower == old.Name:
				full.alsoAbsent(o, mark)
			case *o.Bridge == old.Name:
				full.noPort(o, mark)
			}
		}
	}
	return &full
}

// alsoAbsent adds a link that goes with another, unless the file has it.
func (c *Config) alsoAbsent(o Link, mark Mark) {
	if c.link(o.Name) == nil {
		c.Links = append(c.Links, Link{Mark: mark, Name: o.Name})
	}
}

// noPort takes a link out of its bridge, unless the file says where it belongs.
func (c *Config) noPort(o Link, mark Mark) {
	none := ""
	switch l := c.link(o.Name); {
	case l == nil:
		c.Links = append(c.Links, Link{Mark: Mark{Place: mark.Place}, Name: o.Name, Bridge: &none})
	case l.Bridge == nil:
		l.Bridge = &none
	}
}
