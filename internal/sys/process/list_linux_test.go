package process

import (
	"os"
	"slices"
	"testing"
)

func TestListFindsThisProcess(t *testing.T) {
	all := List()
	i := slices.IndexFunc(all, func(p Listed) bool { return p.PID == os.Getpid() })
	if i < 0 {
		t.Fatalf("%d processes, and not this one", len(all))
	}
	if !slices.Equal(all[i].Args, os.Args) || all[i].Name == "" {
		t.Errorf("%+v, want %q", all[i], os.Args)
	}
}
