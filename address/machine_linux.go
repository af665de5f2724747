package address

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"wirelab/internal/netlink"
	"wirelab/internal/sys"
)

// A Machine is the network namespace of the thread that calls its methods. The
// caller keeps the goroutine on one thread if threads differ in that.
type Machine struct {
	ResolvConf string // where the name servers stand; "": /etc/resolv.conf
}

// Read returns the whole state: the answers of several tables, one after the other.
// Routes of the kernel's own table local are left out, and so are the sysctls: those
// are read by name.
func (m Machine) Read() (*State, error) {
	c, err := netlink.Dial(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return m.read(c)
}

func (m Machine) read(c *netlink.Conn) (*State, error) {
	s := &State{}
	names, err := s.readLinks(c)
	if err != nil {
		return nil, err
	}
	if err := s.readAddresses(c, names); err != nil {
		return nil, err
	}
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		if err := s.readRoutes(c, family, names); err != nil && !errors.Is(err, sys.ErrUnsupported) {
			return nil, err
		}
		if err := s.readRules(c, family); err != nil && !errors.Is(err, sys.ErrUnsupported) {
			return nil, err
		}
	}
	s.DNS, err = m.readDNS()
	return s, err
}

// dump asks for a table and calls decode with each message of the kind. fixed is the
// header that follows the message's own.
func dump(c *netlink.Conn, ask uint16, fixed []byte, kind uint16, what string, decode func(netlink.Message) error) error {
	var e netlink.Encoder
	e.Message(ask, 0)
	e.Raw(fixed)
	all, err := c.Dump(&e, netlink.Named("read", what))
	if err != nil {
		return err
	}
	for m := range all.All() {
		if m.Kind != kind {
			continue
		}
		if err := decode(m); err != nil {
			return &sys.OpError{Op: "read", Object: what, Err: err}
		}
	}
	return nil
}

// readLinks returns the names of the links by index, too.
func (s *State) readLinks(c *netlink.Conn) (map[int]string, error) {
	var raw []rawLink
	err := dump(c, unix.RTM_GETLINK, make([]byte, unix.SizeofIfInfomsg), unix.RTM_NEWLINK, "links", func(m netlink.Message) error {
		l, err := decodeLink(m)
		raw = append(raw, l)
		return err
	})
	if err != nil {
		return nil, err
	}
	names := make(map[int]string, len(raw))
	for _, l := range raw {
		names[l.Index] = l.Name
	}
	for _, l := range raw {
		none := ""
		l.Bridge = &none
		if l.master != 0 {
			master := names[l.master]
			l.Bridge = &master
		}
		l.relate(names)
		l.Speed = speed(l.Name, l.Index)
		s.Links = append(s.Links, l.Link)
	}
	return names, nil
}

// relate names the link at the other end of a veth, or below.
func (l *rawLink) relate(names map[int]string) {
	name := names[l.other]
	switch {
	case l.Kind == "veth" && (l.elsewhere || name == ""):
		l.Foreign = true
	case l.Kind == "veth":
		l.Peer = name
	case l.Kind == "vxlan" && l.vxlanLink != 0:
		l.Lower = names[l.vxlanLink]
	case l.Kind != "vxlan" && l.elsewhere:
		l.Foreign = true
	case l.Kind != "vxlan":
		l.Lower = name // of macvlan and its like, too
	}
}

// speed returns what the driver says, if /sys is of this network namespace.
func speed(name string, index int) int {
	dir := filepath.Join("/sys/class/net", name)
	if n, err := readNumber(dir + "/ifindex"); err != nil || n != index {
		return 0
	}
	n, err := readNumber(dir + "/speed")
	if err != nil || n < 0 {
		return 0
	}
	return n
}

func readNumber(path string) (int, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

func (s *State) readAddresses(c *netlink.Conn, names map[int]string) error {
	return dump(c, unix.RTM_GETADDR, make([]byte, unix.SizeofIfAddrmsg), unix.RTM_NEWADDR, "addresses", func(m netlink.Message) error {
		a, index, err := decodeAddress(m)
		if a.Link = names[index]; a.Link != "" && err == nil {
			s.Addresses = append(s.Addresses, a)
		}
		return err
	})
}

func (s *State) readRoutes(c *netlink.Conn, family byte, names map[int]string) error {
	fixed := make([]byte, unix.SizeofRtMsg)
	fixed[0] = family
	return dump(c, unix.RTM_GETROUTE, fixed, unix.RTM_NEWROUTE, "routes", func(m netlink.Message) error {
		r, keep, err := decodeRoute(m, names)
		if keep && err == nil {
			s.Routes = append(s.Routes, r)
		}
		return err
	})
}

func (s *State) readRules(c *netlink.Conn, family byte) error {
	fixed := make([]byte, unix.SizeofRtMsg)
	fixed[0] = family
	return dump(c, unix.RTM_GETRULE, fixed, unix.RTM_NEWRULE, "rules", func(m netlink.Message) error {
		r, err := decodeRule(m)
		s.Rules = append(s.Rules, r)
		return err
	})
}

func sysctlPath(key string) string { return "/proc/sys/" + key }

// readSysctl returns false where there is no such file, as where IPv6 is missing.
func readSysctl(key string) (value string, ok bool, err error) {
	text, err := os.ReadFile(sysctlPath(key))
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	return strings.TrimSpace(string(text)), err == nil, err
}

// sysctlNames returns what there is in a directory.
func sysctlNames(directory string) []string {
	entries, _ := os.ReadDir(sysctlPath(directory)) // none where IPv6 is missing
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func writeSysctl(key, value string) error {
	err := os.WriteFile(sysctlPath(key), []byte(value), 0)
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	if err != nil {
		return &sys.OpError{Op: "set sysctl", Object: key + "=" + value, Err: err}
	}
	return nil
}
