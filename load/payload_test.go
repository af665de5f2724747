package load

import (
	"testing"
	"time"

	"wirelab/load/payload"
)

var testTime = time.Date(2026, 11, 22, 10, 3, 4, 123456789, time.UTC)

func mustParse(t testing.TB, spec string, size int) *payload.Payload {
	t.Helper()
	p, err := payload.Parse(spec, size)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
