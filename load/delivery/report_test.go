package delivery

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"wirelab/internal/receiver"
)

var serverBegan = time.Unix(1_795_341_784, 0)

// counted returns a sender whose datagrams came as c says.
func counted(sent uint64, before, after receiver.Report) Sender {
	before.Since, after.Since = serverBegan, serverBegan
	if after.Known {
		after.First, after.Last = serverBegan.Add(time.Second), serverBegan.Add(3*time.Second)
	}
	if before.Known {
		before.First, before.Last = after.First, after.First
	}
	return Sender{Sent: sent, Before: before, After: after}
}

// Of one datagram there is no rate, nor of several that came at the same time or by a clock
// that was set back.
func TestRateOfFewArrivals(t *testing.T) {
	for _, tt := range []struct {
		received uint64
		took     time.Duration
		want     float64
	}{{1, time.Second, 0}, {2, time.Second, 2}, {2, 0, 0}, {2, -time.Second, 0}, {3, time.Nanosecond, 3e9}} {
		a := arrivals{received: tt.received, first: serverBegan, last: serverBegan.Add(tt.took)}
		if got := a.perSecond(); got != tt.want {
			t.Errorf("%d within %v: %v/s, want %v", tt.received, tt.took, got, tt.want)
		}
	}
}

func TestAccount(t *testing.T) {
	for name, tc := range map[string]struct {
		senders []Sender
		want    Report
	}{
		"all came": {
			[]Sender{counted(100, receiver.Report{}, receiver.Report{Known: true, Sequenced: true, Packets: 100, Bytes: 6400, Arrived: 100, Longest: 1})},
			Report{Received: 100, Bytes: 6400, Distinct: 100, Numbered: true, MostSegments: 1, RatePerS: 50},
		},
		"nothing came": {
			[]Sender{counted(100, receiver.Report{}, receiver.Report{})},
			Report{Numbered: true, Lost: 100, LostElsewhere: 100},
		},
		"dropped one by one, and lost": {
			[]Sender{counted(100, receiver.Report{Drops: 5}, receiver.Report{Known: true, Sequenced: true, Packets: 80, Arrived: 80, Drops: 20, Longest: 1, Lost: 12})},
			Report{Received: 80, Distinct: 80, Numbered: true, Gap: 12, Lost: 20, DroppedByKernel: 15, LostElsewhere: 5, Drops: 15, MostSegments: 1, RatePerS: 40},
		},
		"dropped in runs": {
			[]Sender{counted(1000, receiver.Report{}, receiver.Report{Known: true, Sequenced: true, Packets: 800, Arrived: 800, Drops: 4, Longest: 64})},
			Report{Received: 800, Distinct: 800, Numbered: true, Lost: 200, DroppedByKernel: 200, Drops: 4, MostSegments: 64, RatePerS: 400},
		},
		"came twice": {
			[]Sender{counted(100, receiver.Report{}, receiver.Report{Known: true, Sequenced: true, Packets: 110, Arrived: 110, Duplicate: 20, Reordered: 3, Longest: 1})},
			Report{Received: 110, Distinct: 90, Numbered: true, Duplicate: 20, Reordered: 3, Lost: 10, LostElsewhere: 10, MostSegments: 1, RatePerS: 55},
		},
		"more than was sent": {
			[]Sender{counted(100, receiver.Report{}, receiver.Report{Known: true, Packets: 101, Arrived: 150, Longest: 1})},
			Report{Received: 101, Distinct: 100, Surplus: 1, Shared: true, MostSegments: 1, RatePerS: 50.5},
		},
		"known before": {
			[]Sender{counted(100, receiver.Report{Known: true, Packets: 7, Bytes: 70, Lost: 3, Duplicate: 1, Arrived: 7, Evicted: 1},
				receiver.Report{Known: true, Sequenced: true, Packets: 107, Bytes: 1070, Lost: 2, Duplicate: 1, Arrived: 107, Evicted: 2, Longest: 1})},
			Report{Received: 100, Bytes: 1000, Distinct: 100, Numbered: true, Evicted: true, MostSegments: 1, RatePerS: 50},
		},
		"two at one socket, one at another": {
			[]Sender{
				counted(50, receiver.Report{Socket: 1, Drops: 2}, receiver.Report{Known: true, Sequenced: true, Socket: 1, Packets: 40, Arrived: 80, Drops: 12, Longest: 1}),
				counted(50, receiver.Report{Socket: 1, Drops: 2}, receiver.Report{Known: true, Sequenced: true, Socket: 1, Packets: 40, Arrived: 80, Drops: 12, Longest: 1}),
				counted(50, receiver.Report{Drops: 9}, receiver.Report{Known: true, Sequenced: true, Packets: 45, Arrived: 45, Drops: 14, Longest: 1}),
			},
			Report{Received: 125, Distinct: 125, Numbered: true, Lost: 25, DroppedByKernel: 15, LostElsewhere: 10, Drops: 15, MostSegments: 1, RatePerS: 62.5},
		},
		"singles at one socket, runs at another": {
			[]Sender{
				counted(400, receiver.Report{}, receiver.Report{Known: true, Sequenced: true, Packets: 95, Arrived: 95, Drops: 5, Longest: 1}),
				counted(400, receiver.Report{Socket: 1}, receiver.Report{Known: true, Sequenced: true, Socket: 1, Packets: 300, Arrived: 300, Drops: 3, Longest: 64}),
			},
			Report{Received: 395, Distinct: 395, Numbered: true, Lost: 405, DroppedByKernel: 105, LostElsewhere: 300, Drops: 8, MostSegments: 64, RatePerS: 197.5},
		},
		"dropped while the senders were asked about": {
			[]Sender{
				counted(50, receiver.Report{Drops: 2}, receiver.Report{Known: true, Sequenced: true, Packets: 45, Arrived: 90, Drops: 12, Longest: 1}),
				counted(50, receiver.Report{Drops: 9}, receiver.Report{Known: true, Sequenced: true, Packets: 45, Arrived: 90, Drops: 12, Longest: 1}),
			},
			Report{Received: 90, Distinct: 90, Numbered: true, Lost: 10, DroppedByKernel: 3, LostElsewhere: 7, Drops: 3, MostSegments: 1, RatePerS: 45},
		},
	} {
		got, err := Account(tc.senders)
		if err != nil || *got != tc.want {
			t.Errorf("%s: %v\n%+v, want\n%+v", name, err, *got, tc.want)
		}
	}
}

// Two servers have sockets of the same numbers, whose counts have nothing to do with each other.
func TestAccountOfTwoServers(t *testing.T) {
	here := counted(50, receiver.Report{}, receiver.Report{Known: true, Sequenced: true, Packets: 40, Arrived: 40, Drops: 10, Longest: 1})
	there := counted(50, receiver.Report{}, receiver.Report{Known: true, Sequenced: true, Packets: 40, Arrived: 40, Longest: 1})
	there.Before.Since = serverBegan.Add(time.Minute)
	there.After.Since = there.Before.Since
	got, err := Account([]Sender{here, there})
	if err != nil || got.Received != 80 || got.Lost != 20 || got.DroppedByKernel != 10 || got.LostElsewhere != 10 || got.Shared || got.RatePerS != 40 {
		t.Errorf("%+v, %v", got, err)
	}
}

// The rate is that of all datagrams in the whole time, however short each sender's was.
func TestAccountOfSendersInTurn(t *testing.T) {
	var senders []Sender
	for n := range 4 {
		s := counted(100, receiver.Report{}, receiver.Report{Known: true, Sequenced: true, Packets: 100, Arrived: 400, Longest: 1})
		s.After.First = serverBegan.Add(time.Duration(n) * time.Second)
		s.After.Last = s.After.First.Add(time.Second)
		senders = append(senders, s)
	}
	senders = append(senders, counted(100, receiver.Report{}, receiver.Report{})) // none of its came
	if got, err := Account(senders); err != nil || got.RatePerS != 100 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestAccountNeedsOneServer(t *testing.T) {
	s := counted(1, receiver.Report{}, receiver.Report{})
	s.After.Since = serverBegan.Add(time.Minute)
	if _, err := Account([]Sender{s}); !errors.Is(err, ErrServerRestarted) {
		t.Errorf("%v", err)
	}
}

// A peer that was forgotten is counted from when it was met again.
func TestAccountOfAForgottenPeer(t *testing.T) {
	s := counted(100, receiver.Report{Known: true, Packets: 50}, receiver.Report{Known: true, Packets: 60})
	s.Before.First = s.After.First.Add(-time.Hour)
	if got, err := Account([]Sender{s}); err != nil || got.Received != 60 || got.Lost != 40 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestAccountLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.Uint64Max(1000)
		var senders []Sender
		var sent uint64
		for range rapid.IntRange(1, 5).Draw(t, "senders") {
			before := receiver.Report{Drops: number.Draw(t, "drops"), Socket: rapid.Uint32Max(2).Draw(t, "socket")}
			after := receiver.Report{
				Known: true, Sequenced: true, Socket: before.Socket, Packets: number.Draw(t, "packets"),
				Drops: before.Drops + number.Draw(t, "more drops"), Longest: rapid.Uint32Max(64).Draw(t, "longest"),
			}
			after.Duplicate = min(after.Packets, number.Draw(t, "duplicate"))
			after.Arrived = after.Packets
			s := counted(number.Draw(t, "sent"), before, after)
			sent += s.Sent
			senders = append(senders, s)
		}
		r, err := Account(senders)
		if err != nil {
			t.Fatal(err)
		}
		if r.Distinct+r.DroppedByKernel+r.LostElsewhere != sent || r.Lost != r.DroppedByKernel+r.LostElsewhere ||
			r.Distinct+r.Surplus != r.Received-r.Duplicate || r.Drops == 0 && r.DroppedByKernel > 0 {
			t.Fatalf("of %d: %+v", sent, r)
		}
	})
}
