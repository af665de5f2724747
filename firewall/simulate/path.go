package simulate

import (
	"net/netip"

	"wirelab/firewall"
)

// Ask runs the packet of a question and returns what becomes of it.
func (s *Simulator) Ask(q *firewall.Question) *Answer {
	r := &run{Simulator: s, packet: newPacket(q, &s.host), answer: &Answer{Question: q}}
	r.answer.State = r.packet.state
	r.types()
	kind := firewall.Accept
	if r.outgoing(q) {
		kind = r.send(q)
	} else {
		kind = r.receive(q)
	}
	r.finish(kind)
	return r.answer
}

// outgoing reports whether this host sends the packet.
func (r *run) outgoing(q *firewall.Question) bool {
	switch {
	case q.In != "":
		return false
	case q.Out != "" || q.Outgoing:
		return true
	}
	return q.Source.IsValid() && r.host.kind(q.Source) == firewall.AddressLocal && r.host.known() && r.host.kind(r.packet.destination()) != firewall.AddressLocal
}

// types finds out what kind of addresses the packet has.
func (r *run) types() {
	p := r.packet
	p.types = [2]uint32{r.host.kind(p.source()), r.host.kind(p.destination())}
	switch p.types[1] {
	case firewall.AddressBroadcast:
		p.cast = 1
	case firewall.AddressMulticast:
		p.cast = 2
	}
}

// receive runs a packet that comes in by an interface.
func (r *run) receive(q *firewall.Question) firewall.VerdictKind {
	before := r.packet.destination()
	if kind := r.at(firewall.Prerouting); kind != firewall.Accept {
		return kind
	}
	out, forward := r.route(q, before)
	if !forward {
		r.answer.Path = firewall.Input
		r.packet.types[1] = max(r.packet.types[1], firewall.AddressLocal)
		return r.at(firewall.Input)
	}
	r.answer.Path = firewall.Forward
	r.packet.setOut(out)
	if kind := r.at(firewall.Forward); kind != firewall.Accept {
		return kind
	}
	return r.at(firewall.Postrouting)
}

// route decides after prerouting whether a packet is for this host, and where it
// leaves if not.
func (r *run) route(q *firewall.Question, before netip.Addr) (out string, forward bool) {
	to := r.packet.destination()
	changed := to != before
	r.types()
	kind := r.packet.types[1]
	switch {
	case kind != firewall.AddressUnicast, r.local, to.Is6() && to.IsLinkLocalUnicast():
		return "", false // no link-local address is forwarded (RFC 4291 section 2.5.6)
	case q.Out != "" && !changed:
		return q.Out, true
	case r.host.known():
		if !q.Destination.IsValid() && !changed {
			return "", false
		}
		out = r.host.route(to)
		if out == "" {
			out = q.Out
		}
		return out, true
	case changed:
		return q.Out, true
	case q.Out == "" && q.Destination.IsValid():
		r.answer.Notes = append(r.answer.Notes, to.String()+" is taken for an address of this host; \"out NAME\" would say that it is not")
	}
	return q.Out, q.Out != ""
}

// send runs a packet of this host's own.
func (r *run) send(q *firewall.Question) firewall.VerdictKind {
	r.answer.Path = firewall.Output
	if !q.Source.IsValid() {
		out := q.Out
		if out == "" {
			out = r.host.route(r.packet.destination())
		}
		r.packet.setSource(r.host.own(out, r.packet.v6))
		r.types()
	}
	r.setOutgoing(q)
	before := r.packet.destination()
	if kind := r.at(firewall.Output); kind != firewall.Accept {
		return kind
	}
	if r.packet.destination() != before {
		r.setOutgoing(q)
	}
	return r.at(firewall.Postrouting)
}

func (r *run) setOutgoing(q *firewall.Question) {
	out := q.Out
	if to := r.packet.destination(); out == "" && r.host.kind(to) == firewall.AddressLocal {
		out = "lo"
	} else if out == "" {
		out = r.host.route(to)
	}
	r.packet.setOut(out)
}

// at runs all chains of a hook by their priority. An accept of one lets the next see
// the packet; every other verdict is final.
func (r *run) at(h firewall.Hook) firewall.VerdictKind {
	r.hook, r.nat = h, false
	r.forget()
	r.main = h == r.answer.Path
	for _, b := range r.bases[h] {
		if !r.sees(b) {
			continue
		}
		r.table = b.table
		kind := r.chain(b.chain, 0)
		if kind == firewall.Continue {
			kind = b.chain.Policy
			if b.chain.Type != firewall.NATChain && (kind == firewall.Drop || r.main) {
				r.answer.By = r.step(b.chain.Chain, nil, nil)
				r.answer.Hook = h
			}
		}
		if kind != firewall.Accept {
			return kind
		}
	}
	return firewall.Accept
}

// sees reports whether a base chain sees the packet: tables of the other family do
// not, and nat sees the first packet of a connection alone, until one chain has
// changed it.
func (r *run) sees(b base) bool {
	switch family := b.table.program.Family; {
	case family == firewall.IPv4 && r.packet.v6, family == firewall.IPv6 && !r.packet.v6:
		return false
	case b.chain.Type != firewall.NATChain:
		return true
	}
	return r.packet.state&(firewall.StateNew|firewall.StateRelated) != 0 && !r.nat
}

// translate changes an end of the packet.
func (r *run) translate(n *firewall.NAT) {
	p := r.packet
	r.nat = true
	defer r.forget()
	address, _ := netip.AddrFromSlice(n.From)
	if address.IsValid() && address.Is6() != p.v6 {
		return
	}
	switch n.Kind {
	case firewall.DestinationNAT, firewall.Redirect:
		if n.Kind == firewall.Redirect {
			r.local = true
			switch {
			case r.hook == firewall.Output:
				address = loopback(p.v6)
			case r.host.known():
				address = r.host.own(q(p.in[:]), p.v6)
			}
		}
		before := netip.AddrPortFrom(p.destination(), p.destinationPort())
		if address.IsValid() {
			p.setDestination(address)
		}
		if n.MinPort != 0 {
			p.transport[2], p.transport[3] = byte(n.MinPort>>8), byte(n.MinPort)
		}
		after := netip.AddrPortFrom(p.destination(), p.destinationPort())
		if after != before {
			p.status |= firewall.StatusDNAT
			r.answer.Destination = after
		}
	default:
		p.status |= firewall.StatusSNAT
		if n.Kind == firewall.Masquerade {
			address = r.host.own(q(p.out[:]), p.v6)
		}
		r.answer.Source = address
	}
}

func loopback(v6 bool) netip.Addr {
	if v6 {
		return netip.IPv6Loopback()
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}

// q returns the name of an interface as a text.
func q(name []byte) string { return firewall.InInterface.Format(name) }
