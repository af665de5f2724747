package foreign

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"wirelab/firewall"
)

// effectWords writes what a rule does beside its verdict.
func effectWords(e *firewall.Effects) ([]string, error) {
	var parts []string
	if len(e.Unknown) > 0 {
		return nil, errors.New(e.Unknown[0])
	}
	if l := e.Limit; l != nil {
		parts = append(parts, limitWords(l))
	}
	if l := e.Log; l != nil {
		parts = append(parts, logWords(l))
	}
	if e.ClampMSS {
		parts = append(parts, "clamp-mss")
	}
	if n := e.NAT; n != nil {
		parts = append(parts, natWords(n)...)
	}
	return parts, nil
}

func limitWords(l *firewall.Limit) string {
	over := ""
	if l.Over {
		over = "over "
	}
	text := fmt.Sprintf("limit %s%d/%s", over, l.Rate, unitName(l.Per))
	if l.Burst != 5 {
		text += fmt.Sprintf(" burst %d", l.Burst)
	}
	if l.Source != firewall.NoField {
		text += " per source"
	}
	return text
}

func unitName(d time.Duration) string {
	return map[time.Duration]string{time.Second: "second", time.Minute: "minute", time.Hour: "hour", 24 * time.Hour: "day", 7 * 24 * time.Hour: "week"}[d]
}

func logWords(l *firewall.Log) string {
	text := "log"
	if l.Prefix != "" {
		text += ` "` + l.Prefix + `"`
	}
	if l.Level != 4 && !l.HasGroup {
		text += fmt.Sprintf(" level %d", l.Level)
	}
	if l.HasGroup {
		text += fmt.Sprintf(" group %d", l.Group)
	}
	return text
}

func natWords(n *firewall.NAT) []string {
	target := ""
	if n.From != nil {
		a, _ := netip.AddrFromSlice(n.From)
		b, _ := netip.AddrFromSlice(n.To)
		target = a.String()
		if b.IsValid() && b != a {
			target += "-" + b.String()
		}
		if a.Is6() && n.MinPort != 0 {
			target = "[" + target + "]"
		}
	}
	if n.MinPort != 0 {
		target += ":" + firewall.PortRange{First: n.MinPort, Last: max(n.MinPort, n.MaxPort)}.String()
	}
	var parts []string
	if target != "" {
		parts = append(parts, "-> "+target)
	}
	if n.Random {
		parts = append(parts, "random")
	}
	if n.Persistent {
		parts = append(parts, "persistent")
	}
	return parts
}
