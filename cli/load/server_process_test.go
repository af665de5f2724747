package load

import (
	"slices"
	"testing"
)

func TestServerEnvironment(t *testing.T) {
	got := serverEnvironment([]string{"PATH=/bin", "WIRELAB_SERVER_PORT=1", "HOME=/"})
	if !slices.Equal(got, []string{"PATH=/bin", "HOME=/"}) {
		t.Error(got)
	}
}
