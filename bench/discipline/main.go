// Command discipline measures how well wirelab's loop keeps a clock, on its own
// simulator, beside chronyd in clknetsim (github.com/mlichvar/clknetsim) with the same
// parameters.
//
//	git clone https://github.com/mlichvar/clknetsim && make -C clknetsim
//	go run ./discipline -wirelab ../wirelab -clknetsim ./clknetsim
//
// Without -clknetsim it measures wirelab alone. Nothing here touches a clock.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A scenario is one of wirelab's and what it is in clknetsim.
type scenario struct {
	name          string
	forward, back string // delays of packets, in clknetsim's language
	offset        string // of the clock at the start
	wander        string
	judgedFrom    int    // seconds
	server        string // options of chrony's server line
	config        string // more lines for chrony
}

const (
	usual = "(+ 1e-4 (* 1e-4 (exponential)))"
	calm  = "(+ 1e-4 (* 1e-5 (exponential)))"
	rough = "(+ 1e-4 (* 1e-3 (exponential)))"
	lan   = "(+ 2e-5 (* 5e-6 (exponential)))"
)

var scenarios = []scenario{
	{"default", usual, usual, "0.1", "1e-9", 210, "", ""},
	{"calm", calm, calm, "0.1", "1e-9", 210, "", ""},
	{"rough", rough, rough, "0.1", "1e-9", 1000, "", ""},
	{"asymmetric", usual, "(* 1 1e-4)", "0.1", "1e-9", 210, "", ""},
	{"lan", lan, lan, "0.1", "1e-9", 210, "minpoll 4 maxpoll 4", ""},
	{"hour", usual, usual, "3600", "1e-9", 210, "", "makestep 1 3"},
	{"restless", usual, usual, "0.1", "1e-8", 210, "", ""},
}

// A figure is median and worst of some runs, in seconds.
type figure struct{ median, worst float64 }

func figureOf(values []float64) figure {
	slices.Sort(values)
	return figure{values[len(values)/2], values[len(values)-1]}
}

func (f figure) String() string { return micros(f.median) + " / " + micros(f.worst) + " us" }

func micros(seconds float64) string {
	decimals := 0
	if seconds < 10e-6 {
		decimals = 1
	}
	return strconv.FormatFloat(seconds*1e6, 'f', decimals, 64)
}

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	wirelab := flag.String("wirelab", "../wirelab", "the `program` to measure")
	clknetsim := flag.String("clknetsim", "", "`directory` in which clknetsim was built; none: without chronyd")
	runs := flag.Int("runs", 30, "seeds of each scenario")
	flag.Parse()
	if err := run(ctx, *wirelab, *clknetsim, *runs); err != nil {
		fmt.Fprintln(os.Stderr, "discipline:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, wirelab, clknetsim string, runs int) error {
	fmt.Printf("| scenario (%d seeds, median / worst) | RMS | maximum | requests | chronyd's RMS | its maximum | its requests |\n|---|---|---|---|---|---|---|\n", runs)
	for _, s := range scenarios {
		ours, err := simulate(ctx, wirelab, s, runs)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		theirs := "| | | "
		if clknetsim != "" {
			if theirs, err = s.chrony(ctx, clknetsim, runs); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
		}
		fmt.Printf("| %s %s%s|\n", s.name, ours, theirs)
	}
	return nil
}

// simulate plays a scenario with wirelab and returns its cells of the table.
func simulate(ctx context.Context, wirelab string, s scenario, runs int) (string, error) {
	out, err := exec.CommandContext(ctx, wirelab, "time", "sync", "--simulate", s.name, "--runs", strconv.Itoa(runs), "-o", "json").Output()
	if err != nil {
		return "", err
	}
	type spread struct{ Median, Worst float64 }
	var result struct {
		RMS      spread `json:"rms_ns"`
		Max      spread `json:"max_ns"`
		Requests spread `json:"requests"`
	}
	if err := json.Unmarshal(out, &result); err != nil {
		return "", err
	}
	return fmt.Sprintf("| %v | %v | %.0f ", figure{result.RMS.Median / 1e9, result.RMS.Worst / 1e9},
		figure{result.Max.Median / 1e9, result.Max.Worst / 1e9}, result.Requests.Median), nil
}

// chrony plays a scenario with chronyd in clknetsim.
func (s scenario) chrony(ctx context.Context, clknetsim string, runs int) (string, error) {
	var rms, most, requests []float64
	for seed := 1; seed <= runs; seed++ {
		offsets, asked, err := s.play(ctx, clknetsim, seed)
		if err != nil {
			return "", err
		}
		if len(offsets) <= s.judgedFrom {
			return "", errors.New("clknetsim ended early")
		}
		sum, greatest := 0.0, 0.0
		for _, off := range offsets[s.judgedFrom:] {
			sum += off * off
			greatest = max(greatest, math.Abs(off))
		}
		rms = append(rms, math.Sqrt(sum/float64(len(offsets)-s.judgedFrom)))
		most, requests = append(most, greatest), append(requests, float64(asked))
	}
	return fmt.Sprintf("| %v | %v | %.0f ", figureOf(rms), figureOf(most), figureOf(requests).median), nil
}

// play runs clknetsim once: node 1 is the server, node 2 the clock. It returns the
// clock's offset at each second and how often the server was asked.
func (s scenario) play(ctx context.Context, clknetsim string, seed int) (offsets []float64, asked int, err error) {
	dir, err := os.MkdirTemp("", "clknetsim-")
	if err != nil {
		return nil, 0, err
	}
	defer os.RemoveAll(dir)
	in := func(name string) string { return filepath.Join(dir, name) }
	script := fmt.Sprintf("node2_offset = %s\nnode2_freq = (+ 1e-4 (sum (* %s (normal))))\nnode1_delay2 = %s\nnode2_delay1 = %s\n",
		s.offset, s.wander, s.back, s.forward)
	if err := os.WriteFile(in("conf"), []byte(script), 0o600); err != nil {
		return nil, 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var nodes []*exec.Cmd
	for n, config := range []string{"local stratum 1\nallow\n", "server 192.168.123.1 " + s.server + "\n" + s.config + "\n"} {
		node, err := startChronyd(ctx, clknetsim, dir, n+1, config)
		if err != nil {
			return nil, 0, err
		}
		nodes = append(nodes, node)
	}
	simulator := exec.CommandContext(ctx, filepath.Join(clknetsim, "clknetsim"), "-l", "10000", "-o", in("offsets"), "-p", in("packets"), "-s", in("sock"), in("conf"), "2")
	simulator.Env = append(os.Environ(), "CLKNETSIM_RANDOM_SEED="+strconv.Itoa(seed))
	err = simulator.Run()
	for _, node := range nodes {
		node.Process.Kill()
		node.Wait() // it was killed
	}
	if err != nil {
		return nil, 0, fmt.Errorf("clknetsim: %w", err)
	}
	return readRun(in("offsets"), in("packets"))
}

func startChronyd(ctx context.Context, clknetsim, dir string, n int, config string) (*exec.Cmd, error) {
	name := filepath.Join(dir, fmt.Sprintf("chrony%d", n))
	config += fmt.Sprintf("pidfile %s.pid\nbindcmdaddress /\ncmdport 0\n", name)
	if err := os.WriteFile(name, []byte(config), 0o600); err != nil {
		return nil, err
	}
	library, err := filepath.Abs(filepath.Join(clknetsim, "clknetsim.so"))
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "chronyd", "-d", "-f", name)
	cmd.Env = append(os.Environ(), "LD_PRELOAD="+library, fmt.Sprintf("CLKNETSIM_NODE=%d", n), "CLKNETSIM_SOCKET="+filepath.Join(dir, "sock"))
	return cmd, cmd.Start()
}

// readRun reads the second column of offsets, and counts the packets of node 2.
func readRun(offsetsFile, packetsFile string) (offsets []float64, asked int, err error) {
	err = eachLine(offsetsFile, func(fields []string) error {
		off, err := strconv.ParseFloat(fields[1], 64)
		offsets = append(offsets, off)
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	err = eachLine(packetsFile, func(fields []string) error {
		if fields[1] == "2" {
			asked++
		}
		return nil
	})
	return offsets, asked, err
}

func eachLine(name string, do func(fields []string) error) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 {
			return fmt.Errorf("%s: %q", name, lines.Text())
		}
		if err := do(fields); err != nil {
			return err
		}
	}
	return lines.Err()
}
