package address

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// thousand returns a section of 1,000 addresses and 1,000 routes, and the same for
// `ip -batch`.
func thousand() (section, batch string) {
	var addresses, routes []string
	var b strings.Builder
	for i := range 1000 {
		addresses = append(addresses, fmt.Sprintf("10.%d.%d.1/24", 100+i/250, i%250))
		fmt.Fprintf(&b, "address add 10.%d.%d.1/24 broadcast 10.%d.%d.255 dev a\n", 100+i/250, i%250, 100+i/250, i%250)
	}
	for i := range 1000 {
		routes = append(routes, fmt.Sprintf("172.%d.%d.0/24 via 10.100.0.9", 16+i/250, i%250))
		fmt.Fprintf(&b, "route add 172.%d.%d.0/24 via 10.100.0.9 dev a proto static\n", 16+i/250, i%250)
	}
	return "a: {addresses: [" + strings.Join(addresses, ", ") + "], routes: [" + strings.Join(routes, ", ") + "]}", b.String()
}

// BenchmarkThousand parses, plans and makes a change of 1,000 addresses and 1,000
// routes; the metric ratio is its time by that of `ip -batch`.
func BenchmarkThousand(b *testing.B) {
	m := inNamespace(b)
	section, batch := thousand()
	file := filepath.Join(b.TempDir(), "batch")
	if err := os.WriteFile(file, []byte(batch), 0o600); err != nil {
		b.Fatal(err)
	}
	var ours, theirs time.Duration
	for b.Loop() {
		begun := time.Now()
		c, _ := read(b, section)
		now, _ := m.Read()
		change, errs := c.Change(m, now)
		if errs != nil {
			b.Fatal(errs)
		}
		if err := m.Apply(b.Context(), change); err != nil {
			b.Fatal(err)
		}
		ours += time.Since(begun)
		ip(b, "address flush dev a")
		begun = time.Now()
		ip(b, "-batch "+file)
		theirs += time.Since(begun)
		ip(b, "address flush dev a")
	}
	b.ReportMetric(ours.Seconds()/float64(b.N), "ours-s/op")
	b.ReportMetric(theirs.Seconds()/float64(b.N), "ip-s/op")
	b.ReportMetric(ours.Seconds()/theirs.Seconds(), "ratio")
}
