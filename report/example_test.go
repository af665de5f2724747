package report_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log"
	"time"

	"wirelab/report"
)

// What a measurement of one's own says, and two of them compared.
func Example() {
	type rates struct {
		Schema   string  `json:"schema"`
		RatePerS float64 `json:"rate_per_s"`
	}
	kinds := []report.Kind{{Schema: "example.rates/1", Check: func(json.RawMessage) error { return nil }}}
	saved := func(rate float64) *report.Saved {
		var file bytes.Buffer
		at := time.Date(2026, 11, 26, 4, 0, 0, 0, time.UTC)
		if err := report.Save(&file, at, "rates --of example", report.Machine{}, rates{"example.rates/1", rate}); err != nil {
			log.Fatal(err)
		}
		r, err := report.Read(&file, kinds)
		if err != nil {
			log.Fatal(err)
		}
		return r
	}
	c, err := report.Compare(saved(1000), saved(1500))
	if err != nil {
		log.Fatal(err)
	}
	for _, figure := range c.Figures {
		fmt.Println(figure.Name, *figure.A, *figure.B, *figure.Ratio, figure.Verdict)
	}
	// Output: rate_per_s 1000 1500 1.5 not_sampled
}
