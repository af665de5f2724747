package netns

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"testing"

	"wirelab/internal/require"
	"wirelab/internal/sys"
)

// mustNew makes a namespace that the test closes, and skips where it may not.
func mustNew(t *testing.T) *Namespace {
	t.Helper()
	n, err := New()
	if errors.Is(err, sys.ErrNotPermitted) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

func interfaces(t *testing.T) int {
	t.Helper()
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

func TestDoRunsInsideAndLeavesNothing(t *testing.T) {
	require.NoLeaks(t)
	n := mustNew(t)
	outside := interfaces(t)
	var inside []net.Interface
	if err := n.Do(func() (err error) {
		inside, err = net.Interfaces()
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if len(inside) != 1 || inside[0].Name != "lo" {
		t.Errorf("a new namespace has %v", inside)
	}
	if now := interfaces(t); now != outside {
		t.Errorf("%d interfaces outside afterwards, %d before", now, outside)
	}
}

// To stay where one is takes no privilege.
func TestDoHere(t *testing.T) {
	n, err := Current()
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	outside, inside := interfaces(t), 0
	if err := n.Do(func() error {
		inside = interfaces(t)
		return nil
	}); err != nil || inside != outside {
		t.Errorf("%d interfaces inside, %d outside, %v", inside, outside, err)
	}
}

func TestDoReturnsTheErrorAndSurvivesGoexit(t *testing.T) {
	n := mustNew(t)
	if err := n.Do(func() error { return fs.ErrClosed }); err != fs.ErrClosed {
		t.Errorf("error %v", err)
	}
	if err := n.Do(func() error { runtime.Goexit(); return nil }); err == nil {
		t.Error("no error when the function ends its goroutine")
	}
}

func TestNamedAsIPKnowsThem(t *testing.T) {
	mustNew(t)
	name := fmt.Sprintf("wirelab-netns-%d", os.Getpid())
	n, err := Add(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { Delete(name) })
	defer n.Close()
	if out, err := exec.Command("ip", "netns", "exec", name, "ip", "-o", "link").CombinedOutput(); err != nil {
		t.Errorf("ip netns exec: %v: %s", err, out)
	}
	if _, err := Add(name); !errors.Is(err, fs.ErrExist) {
		t.Errorf("adding it twice: %v", err)
	}
	if names, err := Names(); err != nil || !slices.Contains(names, name) {
		t.Errorf("names %v, %v", names, err)
	}
	if err := Delete(name); err != nil {
		t.Error(err)
	}
	if err := Delete(name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("deleting it twice: %v", err)
	}
	if _, err := Named(name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("opening it afterwards: %v", err)
	}
}

func TestBadNames(t *testing.T) {
	for _, name := range []string{"", ".", "..", "a/b", "../x", string(make([]byte, 256))} {
		if _, err := Add(name); !errors.Is(err, ErrName) {
			t.Errorf("Add(%q): %v", name, err)
		}
		if err := Delete(name); !errors.Is(err, ErrName) {
			t.Errorf("Delete(%q): %v", name, err)
		}
	}
}

func ExampleNamespace_Do() {
	n, err := New()
	if err != nil {
		fmt.Println("lo") // without privilege there is nothing to see
		return
	}
	defer n.Close()
	err = n.Do(func() error {
		all, err := net.Interfaces()
		for _, i := range all {
			fmt.Println(i.Name)
		}
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output: lo
}
