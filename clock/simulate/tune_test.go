package simulate

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"
)

func TestTune(t *testing.T) {
	for _, s := range Scenarios() {
		if v := os.Getenv("SC"); v != "" && v != s.Name {
			continue
		}
		var rms, mx, lk, rq []float64
		broken, steps := 0, 0
		for seed := range uint64(30) {
			r, err := Run(s, seed+1)
			if err != nil {
				t.Fatal(s.Name, err)
			}
			rms = append(rms, r.RMS.Seconds())
			mx = append(mx, r.Max.Seconds())
			lk = append(lk, r.Lock.Seconds())
			rq = append(rq, float64(r.Requests))
			broken += r.Broken
			steps += r.Steps
			if os.Getenv("V") != "" {
				fmt.Println(seed+1, r.RMS, r.Max, r.Lock, r.Requests, r.Broken, r.State, r.Reason, time.Duration(r.Last.Bound))
			}
		}
		for _, x := range [][]float64{rms, mx, lk, rq} {
			slices.Sort(x)
		}
		fmt.Printf("%-14s rms %.1e/%.1e max %.1e/%.1e lock %.0f/%.0f req %.0f/%.0f broken %d steps %d\n", s.Name, rms[15], rms[29], mx[15], mx[29], lk[15], lk[29], rq[15], rq[29], broken, steps)
	}
}
