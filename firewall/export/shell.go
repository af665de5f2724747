package export

import (
	"bytes"
	"fmt"

	"wirelab/firewall"
)

// Shell returns a script that loads the rules: with nft where it is, else with
// iptables-restore and ip6tables-restore, if those have words for all of them.
func Shell(p *firewall.Program) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("#!/bin/sh\n# Loads the rules of wirelab's policy. Run it as root.\nset -eu\n\nif command -v nft >/dev/null 2>&1; then\n")
	fmt.Fprintf(&b, "nft -f - <<'RULES'\n%sRULES\nexit 0\nfi\n\n", NFT(p))
	v4, err := IPTables(p, firewall.IPv4)
	if err != nil {
		return shellWithout(&b, err), nil
	}
	v6, err := IPTables(p, firewall.IPv6)
	if err != nil {
		return shellWithout(&b, err), nil
	}
	fmt.Fprintf(&b, "iptables-restore <<'RULES'\n%sRULES\nip6tables-restore <<'RULES'\n%sRULES\n", v4, v6)
	return b.Bytes(), nil
}

// shellWithout ends the script where iptables has no words for some rule.
func shellWithout(b *bytes.Buffer, err error) []byte {
	for line := range bytes.Lines([]byte(err.Error())) {
		fmt.Fprintf(b, "# %s\n", bytes.TrimRight(line, "\n"))
	}
	b.WriteString("echo 'nft is not here, and iptables has no words for some of these rules' >&2\nexit 1\n")
	return b.Bytes()
}
