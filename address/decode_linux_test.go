package address

import (
	"errors"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"wirelab/internal/netlink"
)

// What the kernel lists, of this machine and of routes with several hops, and any other bytes.
func FuzzDecode(f *testing.F) {
	c, err := netlink.Dial(unix.NETLINK_ROUTE)
	if err != nil {
		f.Skip(err)
	}
	defer c.Close()
	for ask, fixed := range map[uint16]int{
		unix.RTM_GETLINK: unix.SizeofIfInfomsg, unix.RTM_GETADDR: unix.SizeofIfAddrmsg, unix.RTM_GETROUTE: unix.SizeofRtMsg, unix.RTM_GETRULE: unix.SizeofRtMsg,
	} {
		var e netlink.Encoder
		e.Message(ask, 0)
		e.Raw(make([]byte, fixed))
		all, err := c.Dump(&e, netlink.Named("list", "seeds"))
		if err != nil {
			f.Fatal(err)
		}
		for m := range all.All() {
			f.Add(m.Kind, slices.Clone(m.Body))
		}
	}
	f.Add(uint16(unix.RTM_NEWROUTE), []byte{
		unix.AF_INET, 8, 0, 0, unix.RT_TABLE_MAIN, 3, 0, unix.RTN_UNICAST, 0, 0, 0, 0, 8, 0, unix.RTA_DST, 0, 10, 0, 0, 0,
		36, 0, unix.RTA_MULTIPATH, 0, 16, 0, 0, 0, 1, 0, 0, 0, 8, 0, unix.RTA_GATEWAY, 0, 10, 0, 0, 1, 16, 0, 4, 1, 2, 0, 0, 0, 8, 0, unix.RTA_GATEWAY, 0, 10, 0, 0, 2,
	})
	names := map[int]string{1: "lo", 2: "eth0"}
	f.Fuzz(func(t *testing.T, kind uint16, body []byte) {
		m := netlink.Message{Kind: kind, Body: body}
		link, err1 := decodeLink(m)
		link.relate(names)
		a, _, err2 := decodeAddress(m)
		if err2 == nil && !a.Prefix.IsValid() {
			t.Errorf("address %+v", a)
		}
		route, keep, err3 := decodeRoute(m, names)
		if err3 == nil && keep && !route.Destination.IsValid() {
			t.Errorf("route %+v", route)
		}
		rule, err4 := decodeRule(m)
		_, _ = route.String(), rule.String()
		for _, err := range []error{err1, err2, err3, err4} {
			if err != nil && !errors.Is(err, netlink.ErrMalformed) {
				t.Error(err)
			}
		}
	})
}
