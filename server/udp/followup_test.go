package udp_test

import (
	"context"
	"testing"
	"time"

	"wirelab/clock"
	"wirelab/clock/stamp"
)

// The second answer tells when the first really left, and so on.
func TestTellsWhenReflectionsLeft(t *testing.T) {
	s := serve(t, "timediff")
	sender, err := stamp.Dial(stamp.Config{Reflector: s.Addr(), Timeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	defer sender.Close()
	var plain, followed time.Duration
	for n := range 20 {
		answer, err := sender.Exchange(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		e := answer.Exchange
		if answer.FollowUp != (n > 0) || e.Offset().Abs() > e.Bound() || e.Held() < 0 || answer.Refused > 0 {
			t.Errorf("answer %d: %+v, offset %v ± %v", n, answer, e.Offset(), e.Bound())
		}
		if n == 0 {
			plain = e.Delay()
			continue
		}
		if e.T1.Source != clock.Kernel || e.T3.Source != clock.Kernel || e.T4.Source != clock.Kernel {
			t.Errorf("answer %d: %+v", n, e)
		}
		if n == 1 || e.Delay() < followed {
			followed = e.Delay()
		}
	}
	if followed >= plain {
		t.Errorf("the least delay with the true T3 is %v, without it was %v", followed, plain)
	}
}

// Each session has its own state: one does not get what another's packet did.
func TestKeepsSessionsApart(t *testing.T) {
	s := serve(t, "timediff")
	for range 3 {
		sender, err := stamp.Dial(stamp.Config{Reflector: s.Addr(), Timeout: patience})
		if err != nil {
			t.Fatal(err)
		}
		if answer, err := sender.Exchange(context.Background()); err != nil || answer.FollowUp {
			t.Errorf("%+v, %v", answer, err)
		}
		sender.Close()
	}
}
