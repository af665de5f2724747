package wire

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"wirelab/wire/capfile"
)

// series returns what gives count frames of a size, as far apart as said.
func series(count, size int, apart time.Duration, timed bool) func(*capfile.Frame) error {
	n := 0
	return func(f *capfile.Frame) error {
		if n == count {
			return io.EOF
		}
		b := make([]byte, size)
		numbered(b, size, uint64(n), 1)
		*f = capfile.Frame{Data: b, Length: size, Link: capfile.LinkEthernet, Timed: timed, Time: 1e18 + int64(n)*int64(apart)}
		n++
		return nil
	}
}

func TestReplayTimes(t *testing.T) {
	s := newSpace(t)
	s.do(t, func() {
		for name, one := range map[string]struct {
			replay Replay
			frames uint64
			span   time.Duration // between the first and the last
		}{
			"scaled":          {Replay{Speed: 100, Next: series(5, 60, time.Second, true)}, 5, 40 * time.Millisecond},
			"at a rate":       {Replay{Rate: 50, Speed: 1, Next: series(3, 60, time.Hour, true)}, 3, 40 * time.Millisecond},
			"times ignored":   {Replay{Next: series(3, 60, time.Hour, true)}, 3, 0},
			"without times":   {Replay{Speed: 1, Next: series(3, 60, time.Hour, false)}, 3, 0},
			"several batches": {Replay{Next: series(1100, 60, 0, true)}, 1100, 0},
			"nothing":         {Replay{Speed: 1, Next: series(0, 60, 0, true)}, 0, 0},
			"one by one":      {Replay{Via: "sendto", Next: series(70, 60, 0, true)}, 70, 0},
		} {
			one.replay.Device = device(t, "va")
			d, err := one.replay.Run(context.Background())
			if err != io.EOF || d.Asked != one.frames || d.Accepted != one.frames || d.Interface != one.frames || d.Received != one.frames || d.Interrupted {
				t.Errorf("%s: %+v, %v", name, d, err)
			}
			if d.Elapsed < one.span || d.Elapsed > one.span+10*time.Second {
				t.Errorf("%s: took %v, not %v", name, d.Elapsed, one.span)
			}
			if fastest := float64(one.frames-1) / one.span.Seconds(); one.span > 0 && (d.Rate > fastest || d.Rate <= 0 || d.Late.Count != one.frames) {
				t.Errorf("%s: %v/s, at most %v; late %+v", name, d.Rate, fastest, d.Late)
			}
			if one.frames == 0 && d.Rate != 0 || one.span == 0 && d.Late.Count != 0 {
				t.Errorf("%s: %v/s, late %+v", name, d.Rate, d.Late)
			}
		}
	})
}

// Frames that are large fill the memory of a batch before its number is full.
func TestReplayLargeFrames(t *testing.T) {
	s := newSpace(t)
	s.do(t, func() {
		ip(t, "link set va mtu 9000")
		ip(t, "link set vb mtu 9000")
		c := openCapture(t, CaptureConfig{Device: device(t, "vb")})
		r := Replay{Device: device(t, "va"), Next: series(130, 9000, 0, true)}
		if d, err := r.Run(context.Background()); err != io.EOF || d.Received != 130 {
			t.Fatalf("%+v, %v", d, err)
		}
		for n := range 130 {
			var f capfile.Frame
			ok, err := c.Next(&f, 5*time.Second)
			if !ok || err != nil || len(f.Data) != 9000 || f.Data[27] != byte(n) {
				t.Fatalf("frame %d: %t, %d bytes, %v", n, ok, len(f.Data), err)
			}
		}
		r.Next = series(1, 9015, 0, true)
		if d, err := r.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "frame 1 (9015 bytes)") || d.Asked != 1 || d.Accepted != 0 {
			t.Errorf("%+v, %v", d, err)
		}
	})
}

// A replay ends at a frame that the device cannot send, after those before it.
func TestReplayStops(t *testing.T) {
	s := newSpace(t)
	s.do(t, func() {
		for name, change := range map[string]func(*capfile.Frame){
			"link":  func(f *capfile.Frame) { f.Link = capfile.LinkRaw },
			"empty": func(f *capfile.Frame) { f.Data = nil },
		} {
			n, next := 0, series(5, 60, 0, true)
			r := Replay{Device: device(t, "va"), Next: func(f *capfile.Frame) error {
				err := next(f)
				if n++; n == 3 {
					change(f)
				}
				return err
			}}
			d, err := r.Run(context.Background())
			var link *LinkError
			if err == nil || !strings.HasPrefix(err.Error(), "frame 3 ") || errors.As(err, &link) != (name == "link") {
				t.Errorf("%s: %+v, %v", name, d, err)
			}
			if name == "link" && (d.Accepted != 2 || link.Frame != 3 || link.Link != capfile.LinkRaw) {
				t.Errorf("%+v, %v", d, err)
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		times, n := []int64{0, 1e7, 1e18}, 0
		r := Replay{Device: device(t, "va"), Speed: 1, Next: func(f *capfile.Frame) error {
			err := series(1, 60, 0, true)(f)
			f.Time = times[n]
			n++
			return err
		}}
		// What was waited for in vain is no part of the rate.
		if d, err := r.Run(ctx); err != nil || !d.Interrupted || d.Accepted != 2 || d.Rate <= 1 || d.Elapsed < time.Second {
			t.Errorf("%+v, %v", d, err)
		}
	})
}
