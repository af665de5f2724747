package foreign

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"wirelab/firewall/simulate"
	"wirelab/internal/sys"
)

func TestNFTFileDecidesAlike(t *testing.T) {
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip("nft is not here")
	}
	text, err := os.ReadFile("testdata/vmaps.nft")
	if err != nil {
		t.Fatal(err)
	}
	result, err := NFT("vmaps.nft", text)
	if errors.Is(err, sys.ErrNotPermitted) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	policy, left := Policy(result, "vmaps.nft")
	if len(left) > 0 {
		t.Errorf("not taken: %v", left)
	}
	t.Logf("%s", policy)
	host := router("wan", "lan", "guest")
	verdicts(t, simulate.New(host, compiled(t, policy)), "testdata/vmaps.nft.verdicts")
}

func TestNFTMistakeIsSaid(t *testing.T) {
	if _, err := exec.LookPath("nft"); err != nil || os.Getuid() != 0 {
		t.Skip("needs nft and root")
	}
	if _, err := NFT("bad.nft", []byte("table inet f { chain c { frobnicate } }")); err == nil || !strings.Contains(err.Error(), "nft does not load it") {
		t.Error(err)
	}
}
