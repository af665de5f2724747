package packet

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"wirelab/cli/term"
	"wirelab/internal/setting"
	"wirelab/report"
	"wirelab/wire"
)

// rateFlag is frames a second; max, the zero value of number, is as fast as it goes.
type rateFlag float64

func (f *rateFlag) String() string {
	if *f == 0 {
		return "max"
	}
	return strconv.FormatFloat(float64(*f), 'f', -1, 64)
}

// Type names the flag's values in the help.
func (f *rateFlag) Type() string { return "number" }

// Set takes a number or max.
func (f *rateFlag) Set(s string) error {
	if s == "max" {
		*f = 0
		return nil
	}
	rate, err := setting.ParseRate(s)
	if err == nil && rate <= 0 {
		err = errors.New("is not above 0")
	}
	if err != nil {
		return fmt.Errorf("%w; write it as 100, 50k or 50k/s, or max", err)
	}
	*f = rateFlag(rate)
	return nil
}

// deliveryReport is what became of a flood or a replay, counted in four places:
// wirelab.packet.flood/1 and wirelab.packet.replay/1.
type deliveryReport struct {
	Schema      string          `json:"schema"`
	Packet      string          `json:"packet,omitempty"`
	Seed        *uint64         `json:"seed,omitempty"`
	File        string          `json:"file,omitempty"`
	Device      string          `json:"interface"`
	Via         string          `json:"via"`
	NotTaken    []wire.Refusal  `json:"not_taken,omitempty"`
	Workers     int             `json:"workers,omitempty"`
	Length      int             `json:"length_bytes,omitempty"`
	Asked       uint64          `json:"asked"`
	Accepted    uint64          `json:"accepted"`
	Interface   uint64          `json:"interface_sent"`
	Peer        *peerReport     `json:"peer"`
	Lost        uint64          `json:"lost"`
	Duration    int64           `json:"duration_ns"`
	Rate        float64         `json:"rate_per_s"`
	AskedRate   float64         `json:"asked_rate_per_s"` // 0: as fast as it goes
	Lateness    *latenessReport `json:"lateness"`
	Interrupted bool            `json:"interrupted"`
}

// floodSchema names the form of what a flood saves.
const floodSchema = "wirelab.packet.flood/1"

// Kinds returns the reports that these commands save, with what prints them.
func Kinds(c *term.Console) []term.SavedKind {
	a := &app{c}
	return []term.SavedKind{{
		Kind: report.Kind{Schema: floodSchema, Check: report.CheckAs(func(*deliveryReport) error { return nil })},
		Printer: func(saved json.RawMessage) (func() error, error) {
			r := new(deliveryReport)
			if err := json.Unmarshal(saved, r); err != nil {
				return nil, fmt.Errorf("%w: %w", report.ErrReport, err)
			}
			return func() error {
				if a.JSON {
					return a.PrintJSON(r)
				}
				return a.printDelivery(floodHead(*r), *r, r.failure())
			}, nil
		},
	}}
}

func floodHead(r deliveryReport) string { return "flood of " + r.Packet + " on " + r.Device }

// failure says of a saved report that frames were lost.
func (r *deliveryReport) failure() error {
	if r.Lost > 0 {
		return fmt.Errorf("%s are lost", term.Counted(r.Lost, "frame"))
	}
	return nil
}

type peerReport struct {
	Name      string `json:"interface"`
	Namespace string `json:"namespace,omitempty"`
	Received  uint64 `json:"received"`
}

type latenessReport struct {
	Mean float64 `json:"mean_us"`
	Max  float64 `json:"max_us"`
}

func newDeliveryReport(schema, device string, d wire.Delivery) deliveryReport {
	r := deliveryReport{
		Schema: schema, Device: device, Via: d.Via, NotTaken: d.Refused, Asked: d.Asked, Accepted: d.Accepted, Interface: d.Interface,
		Duration: d.Elapsed.Nanoseconds(), Rate: d.Rate, Interrupted: d.Interrupted,
	}
	r.Lost = d.Accepted - min(d.Accepted, d.Interface)
	if d.Peer != nil {
		r.Peer = &peerReport{d.Peer.Name, d.Peer.Namespace, d.Received}
		r.Lost = d.Accepted - min(d.Accepted, d.Interface, d.Received)
	}
	if d.Late.Count > 0 {
		r.Lateness = &latenessReport{micros(d.Late.Mean()), micros(d.Late.Max)}
	}
	return r
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

// printDelivery prints the four counts for people.
func (a *app) printDelivery(head string, r deliveryReport, failed error) error {
	via := r.Via + notTaken(r.NotTaken)
	if r.Workers > 1 {
		via = fmt.Sprintf("%s, %d workers%s", r.Via, r.Workers, notTaken(r.NotTaken))
	}
	lines := [][2]string{{"by way of", via}}
	if r.Length > 0 {
		lines = append(lines, [2]string{"frames", fmt.Sprintf("%d bytes", r.Length)})
	}
	if r.Seed != nil {
		lines = append(lines, [2]string{"seed", strconv.FormatUint(*r.Seed, 10)})
	}
	lines = append(lines,
		[2]string{"asked", term.Count(r.Asked)},
		[2]string{"accepted", term.Count(r.Accepted) + " by the kernel"},
		[2]string{"sent", countLine(r.Interface, r.Accepted) + " by the counter of " + r.Device})
	if r.Peer != nil {
		name := r.Peer.Name
		if r.Peer.Namespace != "" {
			name += " in " + r.Peer.Namespace
		}
		lines = append(lines, [2]string{"received", countLine(r.Peer.Received, r.Accepted) + " by the counter of " + name})
	} else {
		lines = append(lines, [2]string{"received", "nobody here knows: the other end is not ours"})
	}
	rate := term.Rate(r.Rate) + " for " + term.Duration(time.Duration(r.Duration))
	if r.AskedRate > 0 {
		rate = fmt.Sprintf("%.6g/s, asked %.6g/s, for %s", r.Rate, r.AskedRate, term.Duration(time.Duration(r.Duration)))
	}
	lines = append(lines, [2]string{"rate", rate})
	if r.Lateness != nil {
		lines = append(lines, [2]string{"lateness", fmt.Sprintf("%s on average, %s at most", term.Micros(r.Lateness.Mean), term.Micros(r.Lateness.Max))})
	}
	var b strings.Builder
	term.WriteReport(&b, a.Colors(a.Stdout), head, failed == nil && !r.Interrupted, lines)
	_, err := a.Stdout.Write([]byte(b.String()))
	return err
}

// countLine shows a counter, and by how much more than ours it counted.
func countLine(n, ours uint64) string {
	if n > ours {
		return fmt.Sprintf("%s (%s of others)", term.Count(n), term.Count(n-ours))
	}
	return term.Count(n)
}

func notTaken(refused []wire.Refusal) string {
	var b strings.Builder
	for _, r := range refused {
		fmt.Fprintf(&b, "; not %s: %s", r.Via, r.Reason)
	}
	return b.String()
}
