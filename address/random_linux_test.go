package address

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestRandomStates goes from one random state to another and back, and compares with
// what ip(8) says.
func TestRandomStates(t *testing.T) {
	m := inNamespace(t)
	start := ipState(t)
	rapid.Check(t, func(r *rapid.T) {
		first, second := randomState(r, "first"), randomState(r, "second")
		toFirst := applied(r, m, first)
		one := ipState(r)
		toSecond := applied(r, m, second)
		restored(r, m, toSecond)
		if diff := cmp.Diff(one, ipState(r)); diff != "" {
			r.Fatalf("back in the first state\n%s\nfrom\n%s\n%s", first, second, diff)
		}
		restored(r, m, toFirst)
		if diff := cmp.Diff(start, ipState(r)); diff != "" {
			r.Fatalf("back at the start from\n%s\n%s", first, diff)
		}
	})
}

// applied applies a text, and checks that there is nothing to do then.
func applied(r *rapid.T, m Machine, text string) []byte {
	c, errs := read(r, text)
	if errs != nil {
		r.Skip("not a file:", errs)
	}
	now, err := m.Read()
	if err != nil {
		r.Fatal(err)
	}
	change, errs := c.Change(m, now)
	if errs != nil {
		r.Skip("not here:", errs)
	}
	if err := m.Apply(r.Context(), change); err != nil {
		r.Fatalf("%v\nof\n%s", err, text)
	}
	now, err = m.Read()
	if err != nil {
		r.Fatal(err)
	}
	again, errs := c.Change(m, now)
	if errs != nil || len(again.Steps()) > 0 {
		r.Fatalf("%v: %v\nafter\n%s", errs, again.Steps(), text)
	}
	before, err := change.Before.Snapshot()
	if err != nil {
		r.Fatal(err)
	}
	return before
}

func restored(r *rapid.T, m Machine, snapshot []byte) {
	if err := m.Restore(r.Context(), snapshot); err != nil {
		r.Fatal(err)
	}
	if err := m.Verify(r.Context(), snapshot); err != nil {
		r.Fatal(err)
	}
}

// randomState returns a section of random links, addresses, routes and rules.
func randomState(r *rapid.T, name string) string {
	var b strings.Builder
	if rapid.Bool().Draw(r, name+" exclusive") {
		b.WriteString("exclusive: true\n")
	}
	for _, link := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d"}), 1, 3, rapid.ID[string]).Draw(r, name+" links") {
		fmt.Fprintf(&b, "%s: {%s}\n", link, strings.Join(randomLink(r, link), ", "))
	}
	if rapid.IntRange(0, 3).Draw(r, name+" bridge") == 0 {
		b.WriteString("br0: {bridge: [v0], addresses: [10.77.0.1/24]}\nv0: {veth: v1}\n")
	}
	if n := rapid.IntRange(0, 2).Draw(r, name+" rules"); n > 0 {
		fmt.Fprintf(&b, "rules: [from 10.9.0.0/16 table 100, mark %d table 101]\n", n)
	}
	return b.String()
}

func randomLink(r *rapid.T, link string) []string {
	number := int(link[0] - 'a')
	fields := []string{"mtu: " + fmt.Sprint(rapid.SampledFrom([]int{1500, 1400, 1280, 1000}).Draw(r, "mtu"))}
	down := rapid.IntRange(0, 5).Draw(r, "down") == 0
	if down {
		fields = append(fields, "state: down")
	}
	hosts := rapid.SliceOfNDistinct(rapid.IntRange(1, 4), 0, 3, rapid.ID[int]).Draw(r, "addresses")
	var addresses []string
	for _, h := range hosts {
		addresses = append(addresses, fmt.Sprintf("10.%d.0.%d/%d", number, h, 24-4*(h/4)))
	}
	ipv6 := !strings.Contains(fields[0], "1000") && !down
	if ipv6 && rapid.Bool().Draw(r, "ipv6") {
		addresses = append(addresses, fmt.Sprintf(`"fd00:%d::1/%d"`, number, rapid.SampledFrom([]int{64, 96}).Draw(r, "length")))
	}
	fields = append(fields, "addresses: ["+strings.Join(addresses, ", ")+"]")
	if len(hosts) > 0 && !down {
		fields = append(fields, "routes: ["+strings.Join(randomRoutes(r, number), ", ")+"]")
	}
	return fields
}

func randomRoutes(r *rapid.T, number int) []string {
	var routes []string
	if rapid.Bool().Draw(r, "default") {
		routes = append(routes, fmt.Sprintf("default via 10.%d.0.9 metric %d", number, number+1))
	}
	if rapid.Bool().Draw(r, "via") {
		routes = append(routes, fmt.Sprintf("192.0.%d.0/24 via 10.%d.0.%d", number, number, rapid.IntRange(8, 12).Draw(r, "gateway")))
	}
	if rapid.Bool().Draw(r, "near") {
		routes = append(routes, fmt.Sprintf("198.51.%d.0/24 table %d", number, rapid.SampledFrom([]int{254, 100}).Draw(r, "table")))
	}
	if rapid.Bool().Draw(r, "blackhole") {
		routes = append(routes, fmt.Sprintf("blackhole 203.0.%d.0/24", number))
	}
	return routes
}

// ipState returns what ip(8) says, without what nobody decides: the age and order of
// IPv6 addresses, routes of the kernel, and numbers.
func ipState(t interface {
	Fatalf(string, ...any)
	Helper()
},
) []string {
	t.Helper()
	var lines []string
	for _, args := range []string{"-j address", "-j route show table all", "-j -6 route show table all", "-j rule", "-j -6 rule"} {
		var objects []map[string]any
		if err := json.Unmarshal([]byte(mustRun(t, args)), &objects); err != nil {
			t.Fatalf("ip %s: %v", args, err)
		}
		var part []string
		for _, o := range objects {
			part = append(part, ipLines(o)...)
		}
		if strings.Contains(args, "route") {
			slices.Sort(part)
		}
		lines = append(lines, part...)
	}
	return lines
}

// ipLines returns an object as lines; a link has one for itself and for each address.
func ipLines(o map[string]any) []string {
	if o["protocol"] == "kernel" || o["table"] == "local" || o["type"] == "multicast" {
		return nil
	}
	infos, isLink := o["addr_info"].([]any)
	if !isLink {
		delete(o, "flags") // linkdown comes and goes with the carrier
		return []string{fmt.Sprint(o)}
	}
	lines := []string{fmt.Sprint(o["ifname"], o["mtu"], o["address"], strings.Contains(fmt.Sprint(o["flags"]), "UP "), o["master"])}
	var ipv6 []string
	for _, info := range infos {
		a := info.(map[string]any)
		delete(a, "tentative")
		if a["scope"] == "link" {
			continue // they come by themselves, some time after the link
		}
		if a["family"] == "inet6" {
			ipv6 = append(ipv6, fmt.Sprint(a))
		} else {
			lines = append(lines, fmt.Sprint(a))
		}
	}
	slices.Sort(ipv6)
	// The order counts within a network, of which the first is the source.
	slices.SortStableFunc(lines[1:], func(a, b string) int { return strings.Compare(networkOf(a), networkOf(b)) })
	return append(lines, ipv6...)
}

// networkOf returns what is the same in the addresses of one network.
func networkOf(address string) string {
	_, broadcast, _ := strings.Cut(address, "broadcast:")
	broadcast, _, _ = strings.Cut(broadcast, " ")
	return broadcast
}

func mustRun(t interface {
	Fatalf(string, ...any)
	Helper()
}, args string,
) string {
	t.Helper()
	out, err := run("ip", args)
	if err != nil {
		t.Fatalf("ip %s: %v: %s", args, err, out)
	}
	return out
}
