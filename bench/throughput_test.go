package main

import "testing"

func TestParseThroughput(t *testing.T) {
	for text, want := range map[string]carried{
		`{"up":{"sent_bytes":5,"received_bytes":5,"bits_per_s":40}}`:   40,
		`{"down":{"sent_bytes":5,"received_bytes":5,"bits_per_s":20}}`: 20,
		`{"down":{"sent_bytes":5,"received_bytes":4,"bits_per_s":20}}`: 0,
		`{}`: 0,
	} {
		if got, err := parseThroughput([]byte(text)); got != want || (err == nil) != (want > 0) {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for text, want := range map[string]carried{
		`{"end":{"sum_received":{"bits_per_second":7}}}`: 7,
		`{"error":"busy"}`: 0,
	} {
		if got, err := parseIperfThroughput([]byte(text)); got != want || (err == nil) != (want > 0) {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
}
