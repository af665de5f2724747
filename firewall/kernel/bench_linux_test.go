package kernel

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"wirelab/firewall"
	"wirelab/firewall/export"
	"wirelab/internal/setting"
)

// manyRules returns a program of so many rules that no two of share a shape.
func manyRules(count int) *firewall.Program {
	chain := firewall.Chain{Name: "input", Hook: firewall.Input, Policy: firewall.Drop}
	for i := range count {
		chain.Rules = append(chain.Rules, firewall.Rule{
			Matches: []firewall.Match{
				{Field: firewall.NetworkProtocol, From: []byte{2}},
				{Field: firewall.IPv4Source, From: binary.BigEndian.AppendUint32(nil, 10<<24+uint32(i))},
				{Field: firewall.TransportProtocol, From: []byte{6}},
				{Field: firewall.DestinationPort, From: binary.BigEndian.AppendUint16(nil, uint16(i%60000+1))},
			},
			Effects: firewall.Effects{Counter: true}, Verdict: firewall.Verdict{Kind: firewall.Accept},
			Place: setting.Place{File: "wirelab.yaml", Line: i + 4, Column: 7}, Text: "accept tcp/80 from 10.0.0.1",
		})
	}
	p := &firewall.Program{Family: firewall.AnyFamily, Table: "wirelab", Chains: []firewall.Chain{chain}}
	p.Rehash()
	return p
}

// manyAddresses returns a program with one set of so many addresses, or prefixes.
func manyAddresses(count int, prefixes bool) *firewall.Program {
	set := firewall.Set{Name: "many", Key: []firewall.FieldID{firewall.IPv4Source}, Interval: prefixes}
	for i := range count {
		e := firewall.Element{From: binary.BigEndian.AppendUint32(nil, 10<<24+uint32(i)*8)}
		if prefixes {
			e.To = binary.BigEndian.AppendUint32(nil, 10<<24+uint32(i)*8+3)
		}
		set.Elements = append(set.Elements, e)
	}
	p := manyRules(1)
	p.Sets = []firewall.Set{set}
	p.Chains[0].Rules[0].Matches[1] = firewall.Match{Field: firewall.IPv4Source, Set: "many"}
	p.Rehash()
	return p
}

// BenchmarkLoad loads a program into an empty namespace, over netlink and with
// nft from its exported text, in turn, and reports the ratio.
func BenchmarkLoad(b *testing.B) {
	for name, p := range map[string]*firewall.Program{
		"10000rules": manyRules(10000), "100000addresses": manyAddresses(100000, false), "100000prefixes": manyAddresses(100000, true),
	} {
		b.Run(name, func(b *testing.B) {
			if _, err := exec.LookPath("nft"); err != nil {
				b.Skip(err)
			}
			script := filepath.Join(b.TempDir(), "rules.nft")
			if err := os.WriteFile(script, export.NFT(p), 0o600); err != nil {
				b.Fatal(err)
			}
			n, k := namespace(b)
			var ours, theirs time.Duration
			for b.Loop() {
				started := time.Now()
				mustApply(b, k, p)
				ours += time.Since(started)
				if err := k.Remove(p); err != nil {
					b.Fatal(err)
				}
				started = time.Now()
				nft(b, n, "-f", script)
				theirs += time.Since(started)
				nft(b, n, "flush", "ruleset")
			}
			b.ReportMetric(float64(ours.Milliseconds())/float64(b.N), "ms/netlink")
			b.ReportMetric(float64(theirs.Milliseconds())/float64(b.N), "ms/nft")
			b.ReportMetric(ours.Seconds()/theirs.Seconds(), "ratio")
		})
	}
}

// BenchmarkChangeOne changes one rule of 10,000: by a process that has just made such a
// change, and by one that must list the rules first.
func BenchmarkChangeOne(b *testing.B) {
	_, k := namespace(b)
	programs := []*firewall.Program{manyRules(10000), manyRules(10000)}
	programs[1].Chains[0].Rules[5000].Verdict.Kind = firewall.Drop
	programs[1].Rehash()
	mustApply(b, k, programs[0])
	turn := 0
	change := func() {
		turn++
		plan, err := k.Plan(programs[turn%2])
		if err == nil && len(plan.Changes) != 2 {
			err = fmt.Errorf("%d changes", len(plan.Changes))
		}
		if err == nil {
			err = k.Apply(plan)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	change()
	b.Run("remembered", func(b *testing.B) {
		for b.Loop() {
			change()
		}
	})
	b.Run("listed", func(b *testing.B) {
		for b.Loop() {
			k.last = nil
			change()
		}
	})
}
