package guard_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"wirelab/guard"
)

// A file is guarded here; Unguarded, so that the example needs no second process.
func ExampleGuard() {
	dir, _ := os.MkdirTemp("", "guard")
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "motd")
	_ = os.WriteFile(file, []byte("good morning"), 0o600)
	g := &guard.Guard{Dir: filepath.Join(dir, "state"), Subjects: []guard.Subject{{
		Kind:    "motd",
		Save:    func(context.Context, []byte) ([]byte, error) { return os.ReadFile(file) },
		Restore: func(_ context.Context, snapshot []byte) error { return os.WriteFile(file, snapshot, 0o600) },
		Verify: func(_ context.Context, snapshot []byte) error {
			if now, err := os.ReadFile(file); err != nil || !bytes.Equal(now, snapshot) {
				return errors.New("the file says something else")
			}
			return nil
		},
	}}}
	_, err := g.Apply(context.Background(), guard.Change{
		Kinds: []string{"motd"}, Title: "say good evening", Unguarded: true,
		Apply: func(context.Context) error { return os.WriteFile(file, []byte("good evening"), 0o600) },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	history, _ := g.History("motd")
	for _, e := range history {
		fmt.Printf("%d %s: %s\n", e.Number, e.Title, e.Parts[0].Snapshot)
	}
	// Output:
	// 1 before the first change: good morning
	// 2 say good evening: good evening
}
