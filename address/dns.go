package address

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// readDNS reads resolv.conf(5).
func (m Machine) readDNS() (*DNS, error) {
	d := &DNS{}
	text, err := os.ReadFile(m.resolvConf())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.Absent = true
	case errors.Is(err, fs.ErrPermission):
		d.manager = "somebody who lets nobody read it"
		return d, nil
	case err != nil: // no reason to leave links alone, or not to take a change back
		d.manager = "somebody who makes it unreadable (" + err.Error() + ")"
		return d, nil
	}
	d.parse(string(text))
	d.manager = m.manager(d.Text)
	return d, nil
}

func (m Machine) resolvConf() string {
	if m.ResolvConf == "" {
		return "/etc/resolv.conf"
	}
	return m.ResolvConf
}

func (d *DNS) parse(text string) {
	d.Text = text
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		switch words[0] {
		case "nameserver":
			if a, err := netip.ParseAddr(words[1]); err == nil {
				d.Servers = append(d.Servers, a)
			}
		case "search", "domain":
			d.Search = words[1:]
		}
	}
}

// manager returns who else writes the file, "" if nobody seems to.
func (m Machine) manager(text string) string {
	if target, err := os.Readlink(m.resolvConf()); err == nil {
		return target + ", which it leads to"
	}
	for line := range strings.Lines(text) {
		lower := strings.ToLower(line)
		for _, name := range []string{"systemd-resolved", "networkmanager", "resolvconf", "dhclient", "tailscale", "wsl"} {
			if strings.HasPrefix(line, "#") && strings.Contains(lower, name) && strings.Contains(lower, "generated") {
				return name
			}
		}
	}
	return ""
}

// same reports whether two files say the same. A snapshot has the whole text.
func (d *DNS) same(o *DNS) bool {
	if o == nil {
		return false
	}
	if d.Text != "" || d.Absent {
		return d.Absent == o.Absent && d.Text == o.Text
	}
	return !o.Absent && (d.Servers == nil || slices.Equal(d.Servers, o.Servers)) && (d.Search == nil || slices.Equal(d.Search, o.Search))
}

func (d *DNS) describe() string {
	if d.Absent {
		return "remove resolv.conf"
	}
	var words []string
	for _, s := range d.Servers {
		words = append(words, s.String())
	}
	text := "set name servers " + strings.Join(words, " ")
	if len(d.Search) > 0 {
		text += ", search " + strings.Join(d.Search, " ")
	}
	if d.Servers == nil && d.Text == "" {
		text = "set search " + strings.Join(d.Search, " ")
	}
	return text
}

// merge returns the text of the file with d's servers, and all else as it is.
func (d *DNS) merge(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		word, _, _ := strings.Cut(strings.Join(strings.Fields(line), " "), " ") // tabs are as good
		if d.Servers != nil && word == "nameserver" || d.Search != nil && (word == "search" || word == "domain") {
			continue
		}
		b.WriteString(strings.TrimSuffix(line, "\n") + "\n")
	}
	if len(d.Search) > 0 {
		fmt.Fprintf(&b, "search %s\n", strings.Join(d.Search, " "))
	}
	for _, s := range d.Servers {
		fmt.Fprintf(&b, "nameserver %v\n", s)
	}
	return b.String()
}

// writeDNS replaces the file whole.
func (m Machine) writeDNS(d DNS) error {
	path := m.resolvConf()
	if d.Absent {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("name servers: %w", err)
		}
		return nil
	}
	text := d.Text
	if text == "" {
		old, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("name servers: %w", err)
		}
		text = d.merge(string(old))
	}
	if err := replaceFile(path, text); err != nil {
		return fmt.Errorf("name servers: %w", err)
	}
	return nil
}

// replaceFile writes a new file and renames it. A file that is a mount of its own, as
// in containers and `ip netns exec`, cannot be replaced and is written in place.
func replaceFile(path, text string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".resolv.conf.")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); errors.Is(err, syscall.EBUSY) {
		return os.WriteFile(path, []byte(text), 0o644)
	}
	return err
}
