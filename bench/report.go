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
	CPU, Kernel, Go, GCC, Wirelab, Command string
	Cores                                  int
	Date                                   time.Time
}

// thisMachine describes the machine as far as it tells.
func thisMachine(wirelabPath, command string) machine {
	m := machine{
		CPU:     cpuModel(),
		Kernel:  firstLine("uname", "-srm"),
		Go:      runtime.Version(),
		GCC:     firstLine("gcc", "--version"),
		Wirelab: "unknown",
		Command: command,
		Cores:   runtime.NumCPU(),
		Date:    time.Now().UTC(),
	}
	if info, err := buildinfo.ReadFile(wirelabPath); err == nil {
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

// firstLine returns the first line that a program prints, "unknown" without one.
func firstLine(name string, arguments ...string) string {
	output, err := exec.Command(name, arguments...).Output()
	line, _, _ := strings.Cut(string(output), "\n")
	if err != nil || line == "" {
		return "unknown"
	}
	return line
}

// writeReport writes all that was measured as Markdown.
func writeReport(w io.Writer, m machine, pairs []pair, held []held) error {
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
| Measured | %s |
`, "`"+m.Command+"`", m.CPU, m.Cores, m.Kernel, m.Go, m.GCC, m.Wirelab, m.Date.Format("2006-01-02 15:04 UTC"))
	writePairs(&text, pairs)
	writeHeld(&text, held)
	_, err := io.WriteString(w, text.String())
	return err
}

func writePairs(text *strings.Builder, pairs []pair) {
	if len(pairs) == 0 {
		return
	}
	fmt.Fprintf(text, `
## Server CPU for a TCP echo

%d bytes to and fro, closed loop, all connections busy, every byte compared. Microseconds of the server's CPU for each request, user and system;
median (least–most) of %d rounds, in which both servers take turns. The ratio is that of the two in the same round.

| Connections | Server | us/request | requests/s | Against | us/request | requests/s | Ratio | Promised | |
|---|---|---|---|---|---|---|---|---|---|
`, pairs[0].load.Size, len(pairs[0].subjects))
	for _, p := range pairs {
		ratio := p.ratio()
		promised, verdict := "", ""
		if p.limit > 0 {
			promised, verdict = fmt.Sprintf("≤ %.2f", p.limit), holds(ratio.median <= p.limit)
		}
		fmt.Fprintf(text, "| %d | %s | %s | %.0f | %s | %s | %.0f | **%.3f** (%.3f–%.3f) | %s | %s |\n", p.load.Connections,
			p.subject, cpuCell(p.subjects), spreads(p.subjects, sample.requestsPerSecond).median,
			p.baseline, cpuCell(p.baselines), spreads(p.baselines, sample.requestsPerSecond).median,
			ratio.median, ratio.low, ratio.high, promised, verdict)
	}
}

func cpuCell(samples []sample) string {
	s := spreads(samples, sample.cpuPerRequest)
	return fmt.Sprintf("%.2f (%.2f–%.2f)", s.median, s.low, s.high)
}

func writeHeld(text *strings.Builder, all []held) {
	if len(all) == 0 {
		return
	}
	text.WriteString(`
## Memory of silent connections

Resident memory of the server in MB (10^6 bytes), and bytes that each connection added; with connections that never said anything, and with
connections that had one message answered a second before.

| Connections | Server | never spoke | each | spoke once | each | Threads | Promised | |
|---|---|---|---|---|---|---|---|---|
`)
	for _, h := range all {
		promised, verdict := "", ""
		if h.limit > 0 {
			promised = fmt.Sprintf("≤ %.0f MB", float64(h.limit)/1e6)
			verdict = holds(max(h.silent.Server.Resident, h.spoken.Server.Resident) <= h.limit)
		}
		fmt.Fprintf(text, "| %d | %s | %.1f | %d | %.1f | %d | %d | %s | %s |\n", h.connections, h.peer,
			float64(h.silent.Server.Resident)/1e6, h.silent.residentPerConnection(h.connections),
			float64(h.spoken.Server.Resident)/1e6, h.spoken.residentPerConnection(h.connections),
			h.spoken.Server.Threads, promised, verdict)
	}
}

// holds says whether a promise was kept.
func holds(kept bool) string {
	if kept {
		return "holds"
	}
	return "**does not hold**"
}
