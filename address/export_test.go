package address

import (
	"strings"
	"testing"
)

// A port of a bridge has nothing to say for itself, and netplan takes no empty value.
func TestNetplanOfALinkWithoutWishes(t *testing.T) {
	c, errs := read(t, "br0: {bridge: [eth2], addresses: [10.64.38.1/24]}")
	if errs != nil {
		t.Fatal(errs)
	}
	text, left, err := c.Export("netplan")
	if err != nil || len(left) > 0 {
		t.Fatal(left, err)
	}
	want := `network:
  version: 2
  renderer: networkd
  ethernets:
    eth2: {}
  bridges:
    br0:
      interfaces: [eth2]
      addresses:
        - "10.64.38.1/24"
`
	if text != want {
		t.Errorf("%s\nwant\n%s", text, want)
	}
}

// Of netplan only new versions know pairs of links, which the file says.
func TestNetplanOfAPair(t *testing.T) {
	c, errs := read(t, "w0: {veth: w1}")
	if errs != nil {
		t.Fatal(errs)
	}
	if text, _, err := c.Export("netplan"); err != nil || !strings.Contains(text, "virtual-ethernets: # from netplan 1.1 on\n") {
		t.Error(text, err)
	}
}
