package guard

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"wirelab/internal/sys/session"
)

// TestWallClock: whatever the wall clock says, before a change or after a step of an
// hour, the deadline is where it was. It is one of CLOCK_BOOTTIME.
func TestWallClock(t *testing.T) {
	file, g := setUp(t)
	if err := g.openDir(); err != nil {
		t.Fatal(err)
	}
	var j *Journal
	begun := session.Boottime()
	synctest.Test(t, func(t *testing.T) { // here it is midnight of the first of January 2000
		var err error
		if j, err = newJournal(fileChange(file, "", time.Minute), []Part{{Kind: "file", Snapshot: []byte("old")}}); err != nil {
			t.Fatal(err)
		}
	})
	if j.Begun.Year() != 2000 || j.Deadline < begun+time.Minute || j.Deadline > session.Boottime()+time.Minute {
		t.Errorf("begun at %v, deadline %v at %v", j.Begun, j.Deadline, begun)
	}
	right := time.Now()
	for _, step := range []time.Duration{-time.Hour, 0, time.Hour} {
		j.Begun = right.Add(-step) // what a journal says once the clock has been stepped
		for _, left := range []time.Duration{time.Minute, -time.Second} {
			j.Deadline = session.Boottime() + left
			if err := writeJSON(g.path(journalName), j); err != nil {
				t.Fatal(err)
			}
			read, err := g.readJournal()
			if err != nil || read.Left() > left || read.Left() < left-10*time.Second {
				t.Errorf("stepped by %v: %v is left of %v, %v", step, read.Left(), left, err)
			}
			h := holder{journal: read, held: true, changed: 1}
			if late := h.overdue() != ""; late != (left < 0) {
				t.Errorf("stepped by %v with %v left: overdue: %t", step, left, late)
			}
		}
	}
}

// TestGuardStoppedForGood: a guard that somebody stopped, and that is long overdue, is
// replaced by the next start.
func TestGuardStoppedForGood(t *testing.T) {
	t.Parallel()
	file, g := setUp(t)
	p, err := g.Apply(t.Context(), fileChange(file, "", time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	_ = syscall.Kill(p.Holder, syscall.SIGSTOP)
	t.Cleanup(func() { _ = syscall.Kill(p.Holder, syscall.SIGKILL) }) // where Resolve has not
	if o, err := g.Resolve(t.Context()); o != nil || err != nil {
		t.Errorf("within its time: %+v, %v", o, err)
	}
	j, err := g.readJournal()
	if err != nil {
		t.Fatal(err)
	}
	j.Deadline = session.Boottime() - 11*time.Second
	if err := writeJSON(g.path(journalName), j); err != nil {
		t.Fatal(err)
	}
	o, err := g.Resolve(t.Context())
	if err != nil || o == nil || o.Result != Reverted {
		t.Errorf("%+v, %v", o, err)
	}
	waitFor(t, file, "old")
	waitSettled(t, g)
}

// TestGuardKilledAtItsFiles kills the holding process while it writes how the change
// ended, and expects the next start to come to the same end.
func TestGuardKilledAtItsFiles(t *testing.T) {
	tests := []struct {
		name    string
		block   string // the file
		confirm time.Duration
		want    string
		result  Result
	}{
		{"before it is remembered", "confirmed/000001.json.new", 0, "old", Reverted},
		{"between the states", "confirmed/000002.json.new", 0, "old", Reverted},
		{"after it is remembered", "outcome.json.new", 0, "new", Confirmed},
		{"after it is taken back", "outcome.json.new", time.Second, "old", Reverted},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file, g := setUp(t)
			block(t, g, tt.block)
			made := make(chan struct{})
			go func() {
				defer close(made)
				_, _ = g.Apply(context.Background(), fileChange(file, "", tt.confirm))
			}()
			pid := holderOf(t, g)
			waitBlocked(t, pid)
			if err := session.Kill(pid, 5*time.Second); err != nil {
				t.Fatal(err)
			}
			<-made
			if err := os.Remove(g.path(tt.block)); err != nil {
				t.Fatal(err)
			}
			o, err := g.Resolve(t.Context())
			if err != nil || o == nil || o.Result != tt.result {
				t.Errorf("%+v, %v", o, err)
			}
			waitFor(t, file, tt.want)
			waitSettled(t, g)
			if latest, ok, err := g.Latest("file"); err != nil || tt.want == "new" && (!ok || string(latest.Parts[0].Snapshot) != "new") || ok && string(latest.Parts[0].Snapshot) != tt.want {
				t.Errorf("at boot there will be %+v, %t, %v", latest.Parts, ok, err)
			}
		})
	}
}

// block makes a file of the guard one at which whoever writes it waits.
func block(t *testing.T, g *Guard, name string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(g.path(name)), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(g.path(name), 0o600); err != nil { // opening it waits for a reader
		t.Fatal(err)
	}
}

// holderOf waits for the holding process, and returns its number.
func holderOf(t *testing.T, g *Guard) int {
	t.Helper()
	for range 1000 {
		if h, err := g.dial(t.Context()); err == nil {
			defer h.close()
			pid, _, err := session.PeerOf(h.conn)
			if err != nil {
				t.Fatal(err)
			}
			return pid
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("there is no guard")
	return 0
}
