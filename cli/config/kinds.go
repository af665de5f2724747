package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode"

	"wirelab/internal/setting"
)

func same(s string) string { return s }

func boolean() kind[bool] {
	return kind[bool]{name: "bool", allowed: "true or false", format: strconv.FormatBool, plain: true,
		parse: func(s string) (bool, error) {
			if s != "true" && s != "false" {
				return false, errors.New("is neither true nor false")
			}
			return s == "true", nil
		}}
}

func count(least, most int) kind[int] {
	return kind[int]{name: "number", allowed: fmt.Sprintf("%d to %d", least, most), format: strconv.Itoa, plain: true,
		parse: func(s string) (int, error) { return parseWhole(s, least, most) }}
}

func port() kind[uint16]       { return portFrom(0) }
func targetPort() kind[uint16] { return portFrom(1) }

func portFrom(least int) kind[uint16] {
	return kind[uint16]{name: "port", allowed: fmt.Sprintf("%d to 65535", least), plain: true,
		format: func(p uint16) string { return strconv.Itoa(int(p)) },
		parse: func(s string) (uint16, error) {
			n, err := parseWhole(s, least, 65535)
			return uint16(n), err
		}}
}

func parseWhole(s string, least, most int) (int, error) {
	n, err := strconv.Atoi(s)
	switch {
	case errors.Is(err, strconv.ErrRange) || err == nil && (n < least || n > most):
		return 0, errors.New("is out of range")
	case err != nil:
		return 0, errors.New("is not a whole number")
	}
	return n, nil
}

func size(least, most int64) kind[int64] {
	return kind[int64]{name: "size", format: setting.FormatSize,
		allowed: fmt.Sprintf("%s to %s (units B, KB, MB, GB, KiB, MiB, GiB)", setting.FormatSize(least), setting.FormatSize(most)),
		parse: func(s string) (int64, error) {
			n, err := setting.ParseSize(s)
			if err == nil && (n < least || n > most) {
				err = errors.New("is out of range")
			}
			return n, err
		}}
}

// bytes is size for what the kernel takes as an int.
func bytes(least, most int) kind[int] {
	wide := size(int64(least), int64(most))
	return kind[int]{name: wide.name, allowed: wide.allowed, format: func(n int) string { return wide.format(int64(n)) },
		parse: func(s string) (int, error) {
			n, err := wide.parse(s)
			return int(n), err
		}}
}

func dscp() kind[int] {
	return kind[int]{name: "DSCP", allowed: "0 to 63, ef, va, le, cs0 to cs7, or af11 to af43", format: strconv.Itoa, parse: setting.ParseDSCP, plain: true}
}

func duration(least, most time.Duration) kind[time.Duration] {
	return kind[time.Duration]{name: "duration", format: setting.FormatDuration,
		allowed: fmt.Sprintf("%s to %s, such as 500ms, 5s, 10m, 1h or 7d", setting.FormatDuration(least), setting.FormatDuration(most)),
		parse: func(s string) (time.Duration, error) {
			d, err := setting.ParseDuration(s)
			if err == nil && (d < least || d > most) {
				err = errors.New("is out of range")
			}
			return d, err
		}}
}

// name is the kind of what is chosen from a table that only the caller of Load
// knows (Choices).
func name() kind[string] {
	return kind[string]{name: "name", allowed: "a name", format: same,
		parse: func(s string) (string, error) {
			if s == "" {
				return "", errors.New("is empty")
			}
			return s, nil
		}}
}

func path() kind[string] {
	return kind[string]{name: "path", allowed: "a path", format: same,
		parse: func(s string) (string, error) {
			if len(s) > 4095 || strings.ContainsFunc(s, unicode.IsControl) {
				return "", errors.New("is not a path")
			}
			if strings.HasPrefix(s, "~/") {
				return "", errors.New("begins with ~/, which only a shell understands: write the whole path")
			}
			return s, nil
		}}
}

func address() kind[netip.Addr] {
	return kind[netip.Addr]{name: "address", allowed: "an IP address such as 127.0.0.1, ::1, 0.0.0.0, or localhost",
		format: netip.Addr.String,
		parse: func(s string) (netip.Addr, error) {
			if s == "localhost" {
				return netip.AddrFrom4([4]byte{127, 0, 0, 1}), nil
			}
			a, err := netip.ParseAddr(s)
			if err != nil {
				return a, errors.New("is not an IP address")
			}
			return a.Unmap(), nil
		}}
}

// timeServer is the kind of what is asked for the time; whoever looks it up judges the rest.
func timeServer() kind[string] {
	return kind[string]{name: "server", allowed: "HOST, HOST:PORT or [IPv6]:PORT", format: same,
		parse: func(s string) (string, error) {
			if s == "" || strings.ContainsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
				return "", errors.New("is not a server")
			}
			return s, nil
		}}
}

func prefix() kind[netip.Prefix] {
	return kind[netip.Prefix]{name: "network", allowed: "addresses and networks such as 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32",
		format: formatPrefix, parse: parsePrefix}
}

func parsePrefix(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	switch {
	case err != nil:
		return p, errors.New("is neither an address nor a network")
	case p.Addr().Is4In6():
		return p, errors.New("is an IPv4-mapped network; write it as IPv4")
	case p != p.Masked():
		return p, fmt.Errorf("has bits set beyond its /%d; write %s", p.Bits(), p.Masked())
	}
	return p, nil
}

func formatPrefix(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

func host() kind[string] {
	return kind[string]{name: "host", allowed: "a host name or an IP address, without port", format: same,
		parse: func(s string) (string, error) {
			if _, err := netip.ParseAddr(s); err != nil && !isHostName(s) {
				return "", errors.New("is neither a host name nor an address")
			}
			return s, nil
		}}
}

// isHostName reports whether s has the form of a host name (RFC 1123 section
// 2.1; underscores too, since there are such hosts). A name of digits and dots
// alone is a mistyped address.
func isHostName(s string) bool {
	s = strings.TrimSuffix(s, ".")
	if len(s) > 253 || strings.Trim(s, "0123456789.") == "" {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.ContainsFunc(label, notInHostName) {
			return false
		}
	}
	return true
}

func notInHostName(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
}

func level() kind[slog.Level] {
	return kind[slog.Level]{name: "level", allowed: "debug, info, warn or error",
		format: func(l slog.Level) string { return strings.ToLower(l.String()) }, parse: ParseLevel}
}

// ParseLevel reads the name of a log level: debug, info, warn or error.
func ParseLevel(s string) (slog.Level, error) {
	switch s {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, errors.New("is not a level")
}
