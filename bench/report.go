package main

import (
	"debug/buildinfo"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// A machine is where and when something was measured.
type machine struct {
	CPU, Kernel, Go, GCC, Wirelab, Peers, Command string
	Cores                                         int
	Date                                          time.Time
}

// thisMachine describes the machine as far as it tells.
func thisMachine(built programs, command string) machine {
	m := machine{
		CPU:     cpuModel(),
		Kernel:  firstLine("uname", "-srm"),
		Go:      runtime.Version(),
		GCC:     firstLine("gcc", "--version"),
		Wirelab: "unknown",
		Peers:   peerVersions(built),
		Command: command,
		Cores:   runtime.NumCPU(),
		Date:    time.Now().UTC(),
	}
	if info, err := buildinfo.ReadFile(built[wirelab]); err == nil {
		m.Wirelab = revision(info)
	}
	return m
}

func revision(info *buildinfo.BuildInfo) string {
	settings := make(map[string]string)
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	text := "unknown revision"
	if r := settings["vcs.revision"]; len(r) >= 12 {
		text = r[:12]
	}
	if settings["vcs.modified"] == "true" {
		text += " with changes"
	}
	return text + ", " + info.GoVersion
}

func cpuModel() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

// peerVersions names what is not built here but taken from elsewhere.
func peerVersions(built programs) string {
	gnet := "unknown version"
	if info, err := buildinfo.ReadFile(built["./gnetecho"]); err == nil {
		for _, d := range info.Deps {
			if d.Path == "github.com/panjf2000/gnet/v2" {
				gnet = d.Version
			}
		}
	}
	return "gnet " + gnet + ", iperf3 " + packageVersion("iperf3") + ", sockperf " + packageVersion("sockperf")
}

// packageVersion returns the version of a Debian package.
func packageVersion(name string) string {
	return firstLine("dpkg-query", "--show", "--showformat=${Version}\\n", name)
}

// firstLine returns the first line that a program prints, "unknown" without one.
func firstLine(name string, arguments ...string) string {
	output, err := exec.Command(name, arguments...).Output()
	line, _, _ := strings.Cut(string(output), "\n")
	if err != nil || line == "" {
		return "unknown"
	}
	return line
}

// writeReport writes all that was measured as Markdown, and then the notes that
// people keep about it.
func writeReport(w io.Writer, m machine, r *results, notes string) error {
	var text strings.Builder
	fmt.Fprintf(&text, `# Results

Written by %s; run it again rather than edit this file.

| | |
|---|---|
| Machine | %s, %d cores |
| Kernel | %s |
| Go of the peers | %s |
| gcc | %s |
| wirelab | %s |
| Peers | %s |
| Measured | %s |
`, "`"+m.Command+"`", m.CPU, m.Cores, m.Kernel, m.Go, m.GCC, m.Wirelab, m.Peers, m.Date.Format("2006-01-02 15:04 UTC"))
	writePairs(&text, r.pairs)
	writeTails(&text, r.tails)
	writeHeld(&text, r.held)
	writeFloods(&text, r.floods)
	writeThroughput(&text, r.throughputs)
	writeCosts(&text, r.costs)
	writeRelays(&text, r.relays)
	writeTemplates(&text, r.templates)
	writeFirewall(&text, r.firewall)
	writeAddresses(&text, r.addresses)
	writeMissing(&text, r)
	text.WriteString(notes)
	_, err := io.WriteString(w, text.String())
	return err
}
