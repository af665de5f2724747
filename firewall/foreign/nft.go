package foreign

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"

	"wirelab/internal/sys"
	"wirelab/internal/sys/netns"
)

// Kind sees what a foreign file is: "iptables", "firewalld", "nft-json" or "nft".
func Kind(text []byte) string {
	trimmed := bytes.TrimSpace(text)
	switch {
	case bytes.HasPrefix(trimmed, []byte("<")):
		return "firewalld"
	case bytes.HasPrefix(trimmed, []byte("{")) && bytes.Contains(trimmed[:min(len(trimmed), 200)], []byte("nftables")):
		return "nft-json"
	}
	for line := range bytes.Lines(trimmed) {
		line = bytes.TrimSpace(line)
		switch {
		case len(line) == 0 || line[0] == '#' && !bytes.Contains(line, []byte("nft")):
		case bytes.HasPrefix(line, []byte("#!")) && bytes.Contains(line, []byte("nft")):
			return "nft"
		case line[0] == '#':
		case bytes.HasPrefix(line, []byte("table ")), bytes.HasPrefix(line, []byte("flush ")), bytes.HasPrefix(line, []byte("define ")),
			bytes.HasPrefix(line, []byte("add ")), bytes.HasPrefix(line, []byte("include ")), bytes.HasPrefix(line, []byte("delete table")), bytes.HasPrefix(line, []byte("destroy ")):
			return "nft"
		}
	}
	return "iptables"
}

// NFT reads a file for nft: nft itself loads it in a network namespace that is thrown
// away, and says what it has understood. The rules of this machine are not touched. It
// needs nft and the right to make a namespace.
func NFT(name string, text []byte) (Result, error) {
	tool, err := exec.LookPath("nft")
	if err != nil {
		return Result{}, fmt.Errorf("%s is for nft, which is not here to read it; where it is, \"nft -j list ruleset\" prints what import reads without nft", name)
	}
	list, listing, err := loaded(tool, text)
	if err != nil {
		return Result{}, fmt.Errorf("%s: nft does not load it: %w", name, err)
	}
	return readNFT(name, list, ruleTexts(listing), lineNumbers(text))
}

// loaded returns what nft lists, as JSON and as text, once it has loaded the file in
// a namespace of its own.
func loaded(tool string, text []byte) (list, listing []byte, err error) {
	space, err := netns.New()
	if errors.Is(err, sys.ErrNotPermitted) {
		return loadedByUser(tool, text, err)
	}
	if err != nil {
		return nil, nil, err
	}
	defer space.Close()
	err = space.Do(func() error {
		if _, err := run(tool, text, "-f", "-"); err != nil {
			return err
		}
		if list, err = run(tool, nil, "-j", "list", "ruleset"); err != nil {
			return err
		}
		listing, err = run(tool, nil, "-a", "list", "ruleset")
		return err
	})
	return list, listing, err
}

// loadedByUser does the same for a user without privilege, in a user namespace, if
// the system lets users have one.
func loadedByUser(tool string, text []byte, denied error) (list, listing []byte, err error) {
	const between = "#### what nft lists ####"
	script := `"$0" -f - && "$0" -j list ruleset && echo '` + between + `' && "$0" -a list ruleset`
	out, err := run("unshare", text, "--map-root-user", "--net", "sh", "-c", script, tool)
	if err != nil {
		return nil, nil, fmt.Errorf("%w (%w: run as root, or import what \"nft -j list ruleset\" prints)", err, denied)
	}
	list, listing, _ = bytes.Cut(out, []byte(between))
	return list, listing, nil
}

// run runs a program and returns what it prints, or what it complains about.
func run(tool string, input []byte, args ...string) ([]byte, error) {
	cmd := exec.Command(tool, args...)
	var out, complaint bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &out, &complaint
	if err := cmd.Run(); err != nil {
		if first, _, _ := strings.Cut(complaint.String(), "\n"); first != "" {
			return nil, errors.New(first)
		}
		return nil, err
	}
	return out.Bytes(), nil
}

var handle = regexp.MustCompile(`^\s*(.*?) # handle (\d+)\s*$`)

// ruleTexts takes the text of each rule from what "nft -a list ruleset" prints.
func ruleTexts(listing []byte) map[string]string {
	texts := map[string]string{}
	table := ""
	for line := range bytes.Lines(listing) {
		text := string(line)
		if rest, is := strings.CutPrefix(text, "table "); is {
			words := strings.Fields(rest)
			if len(words) > 1 {
				table = words[0] + " " + words[1]
			}
			continue
		}
		if m := handle.FindStringSubmatch(text); m != nil {
			texts[table+" "+m[2]] = m[1]
		}
	}
	return texts
}

// lineNumbers finds rules of the file by their text, where no two lines have the same.
func lineNumbers(text []byte) map[string]int {
	lines, seen := map[string]int{}, map[string]bool{}
	number := 0
	for line := range bytes.Lines(text) {
		number++
		code, _, _ := strings.Cut(string(line), "#")
		key := squeezed(code)
		if lines[key] = number; seen[key] || key == "" {
			delete(lines, key)
		}
		seen[key] = true
	}
	return lines
}
