// Command timeserver measures wirelab's clocks against chronyd, in turns:
// answers per second of the NTP server's processor time, and how far off the offsets are
// that each measures between two network namespaces, where the truth is 0. It needs root.
//
//	go -C bench run ./timeserver -wirelab ../wirelab
package main

import (
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

const (
	serverAddr = "10.64.37.35"
	clientAddr = "10.64.37.34"
)

func main() {
	wirelab := flag.String("wirelab", "../wirelab", "the `program` to measure")
	rounds := flag.Int("rounds", 5, "how often each is measured")
	requests := flag.Int("requests", 40000, "requests in a run")
	samples := flag.Int("samples", 400, "samples in a run")
	only := flag.String("only", "", "measure `answers` or offsets alone")
	flag.Parse()
	if err := run(*wirelab, *only, *rounds, *requests, *samples); err != nil {
		fmt.Fprintln(os.Stderr, "timeserver:", err)
		os.Exit(1)
	}
}

func run(wirelab, only string, rounds, requests, samples int) error {
	wirelab, err := filepath.Abs(wirelab)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "timeserver-") // mode 0700, as chronyd wants it
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{wirelab: wirelab, dir: dir, a: fmt.Sprintf("bench-a-%d", os.Getpid()), b: fmt.Sprintf("bench-b-%d", os.Getpid())}
	defer b.remove()
	if err := b.prepare(); err != nil {
		return err
	}
	if only != "offsets" {
		if err := b.answers(rounds, requests); err != nil {
			return err
		}
	}
	if only == "answers" {
		return nil
	}
	return b.offsets(rounds, samples)
}

// A bench is two namespaces with a veth between them.
type bench struct{ wirelab, dir, a, b string }

func (b *bench) prepare() error {
	for _, line := range []string{
		"netns add " + b.a, "netns add " + b.b,
		"link add va netns " + b.a + " type veth peer name vb netns " + b.b,
		"-n " + b.a + " address add " + serverAddr + "/24 dev va", "-n " + b.b + " address add " + clientAddr + "/24 dev vb",
		"-n " + b.a + " link set va up", "-n " + b.b + " link set vb up", "-n " + b.a + " link set lo up", "-n " + b.b + " link set lo up",
	} {
		if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", line, err, out)
		}
	}
	return nil
}

func (b *bench) remove() {
	for _, name := range []string{b.a, b.b} {
		_ = exec.Command("ip", "netns", "delete", name).Run()
	}
}

func (b *bench) in(namespace string, args ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", namespace}, args...)...)
}

// server starts one of the servers on loopback and in namespace A, and returns how to end it.
func (b *bench) server(name, namespace, addr string, port int) (*exec.Cmd, error) {
	args := []string{b.wirelab, "serve", "ntp", "--bind", addr, "--port", strconv.Itoa(port), "--local-stratum", "1"}
	if name == "chronyd" {
		args = []string{"chronyd", "-x", "-d", "-u", "root", "-f", "/dev/null", "local stratum 1", "allow all", "bindcmdaddress /", "cmdport 0",
			"port " + strconv.Itoa(port), "bindaddress " + addr, "pidfile " + filepath.Join(b.dir, "server.pid")}
	}
	cmd := exec.Command(args[0], args[1:]...)
	if namespace != "" {
		cmd = b.in(namespace, args...)
	}
	cmd.Dir = b.dir
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	time.Sleep(time.Second)
	return cmd, nil
}

func stop(cmd *exec.Cmd) {
	_ = cmd.Process.Signal(os.Interrupt)
	_ = cmd.Wait()
}

// answers measures both servers with 1, 8 and 32 requests under way.
func (b *bench) answers(rounds, requests int) error {
	for _, window := range []int{1, 8, 32} {
		var ratios []float64
		figures := map[string][]float64{}
		for range rounds {
			for _, name := range []string{"wirelab", "chronyd"} {
				perSecond, err := b.serverCost(name, window, requests)
				if err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				figures[name] = append(figures[name], perSecond)
			}
			last := len(figures["wirelab"]) - 1
			ratios = append(ratios, figures["wirelab"][last]/figures["chronyd"][last])
		}
		fmt.Printf("answers per second of server CPU, %2d under way: wirelab %.0f, chronyd %.0f, ratio %.2f (%.2f to %.2f)\n",
			window, median(figures["wirelab"]), median(figures["chronyd"]), median(ratios), slices.Min(ratios), slices.Max(ratios))
	}
	return nil
}

func (b *bench) serverCost(name string, window, requests int) (perSecond float64, err error) {
	const port = 12923
	cmd, err := b.server(name, "", "127.0.0.1", port)
	if err != nil {
		return 0, err
	}
	defer stop(cmd)
	if err := ask(port, window, requests/10); err != nil {
		return 0, err
	}
	before := cpu(cmd.Process.Pid)
	if err := ask(port, window, requests); err != nil {
		return 0, err
	}
	return float64(requests/window*window) / (cpu(cmd.Process.Pid) - before).Seconds(), nil
}

// segment is the control message that has the kernel cut a payload into requests of 48
// octets (UDP_SEGMENT in udp(7)), so that those of a window arrive together.
func segment() []byte {
	b := make([]byte, syscall.CmsgSpace(2))
	h := (*syscall.Cmsghdr)(unsafe.Pointer(&b[0]))
	h.Level, h.Type = syscall.IPPROTO_UDP, 103
	h.SetLen(syscall.CmsgLen(2))
	binary.NativeEndian.PutUint16(b[syscall.CmsgLen(0):], 48)
	return b
}

// ask sends requests as an interleaved client does, window at a time.
func ask(port, window, requests int) error {
	conn, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err != nil {
		return err
	}
	defer conn.Close()
	questions := make([]byte, 48*window)
	control, answer := segment(), make([]byte, 100)
	for n := 0; n < requests/window; n++ {
		for i := range window {
			q := questions[48*i:][:48]
			q[0], q[40], q[41], q[42] = 0x23, byte(n>>8), byte(n), byte(i+1)
		}
		if _, _, err := conn.WriteMsgUDP(questions, control, nil); err != nil {
			return err
		}
		_ = conn.SetReadDeadline(time.Now().Add(2 * time.Second))
		for i := range window {
			if _, err := conn.Read(answer); err != nil {
				return fmt.Errorf("after %d answers: %w", n*window+i, err)
			}
			q := questions[48*i:][:48]
			copy(q[24:32], answer[32:40]) // origin: the receive timestamp of the last answer
			copy(q[32:40], q[40:48])
			q[39] ^= 0xff
		}
	}
	return nil
}

// cpu returns the processor time that a process has used, from its scheduler's account.
func cpu(pid int) (used time.Duration) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, name := range tasks {
		text, err := os.ReadFile(name)
		if fields := strings.Fields(string(text)); err == nil && len(fields) > 0 {
			ns, _ := strconv.ParseInt(fields[0], 10, 64)
			used += time.Duration(ns)
		}
	}
	return used
}

// offsets has both clients measure a chronyd in the other namespace.
func (b *bench) offsets(rounds, samples int) error {
	server, err := b.server("chronyd", b.a, serverAddr, 123)
	if err != nil {
		return err
	}
	defer stop(server)
	var chrony, single, burst []float64
	for range rounds {
		all, err := b.chronyMeasures(samples)
		if err != nil {
			return err
		}
		chrony = append(chrony, all...)
		if all, err = b.wirelabMeasures(samples, 1); err != nil {
			return err
		}
		single = append(single, all...)
		if all, err = b.wirelabMeasures(samples, 4); err != nil {
			return err
		}
		burst = append(burst, all...)
	}
	for _, row := range []struct {
		name    string
		offsets []float64
	}{{"chronyd xleave", chrony}, {"wirelab single", single}, {"wirelab burst of 4", burst}} {
		absolute := make([]float64, len(row.offsets))
		for i, v := range row.offsets {
			absolute[i] = math.Abs(v)
		}
		slices.Sort(absolute)
		fmt.Printf("offset, true one 0: %-18s median %6.0f ns, median of the absolute %6.0f ns, p99 %6.0f ns, %d samples\n",
			row.name, median(row.offsets), median(absolute), absolute[len(absolute)*99/100], len(absolute))
	}
	return nil
}

func (b *bench) wirelabMeasures(samples, burst int) ([]float64, error) {
	out, err := b.in(b.b, b.wirelab, "time", "measure", serverAddr+":123", "--protocol", "ntp", "--count", strconv.Itoa(samples),
		"--interval", "15625us", "--burst", strconv.Itoa(burst), "-o", "json").Output()
	if err != nil {
		return nil, err
	}
	var report struct {
		Samples []struct {
			Offset float64 `json:"offset_ns"`
		} `json:"samples"`
	}
	if err := json.Unmarshal(out, &report); err != nil {
		return nil, err
	}
	var all []float64
	for _, s := range report.Samples {
		all = append(all, s.Offset)
	}
	return all, nil
}

// chronyMeasures reads the raw measurements that chronyd logs, without those of its start.
func (b *bench) chronyMeasures(samples int) ([]float64, error) {
	log := filepath.Join(b.dir, "measurements.log")
	_ = os.Remove(log)
	cmd := b.in(b.b, "chronyd", "-x", "-d", "-u", "root", "-f", "/dev/null", "server "+serverAddr+" xleave minpoll -6 maxpoll -6",
		"log rawmeasurements", "logdir "+b.dir, "bindcmdaddress /", "cmdport 0", "port 0", "pidfile "+filepath.Join(b.dir, "client.pid"))
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	time.Sleep(3*time.Second + time.Duration(samples)*time.Second/64)
	stop(cmd)
	text, err := os.ReadFile(log)
	if err != nil {
		return nil, err
	}
	var all []float64
	for _, line := range strings.Split(string(text), "\n") {
		fields := strings.Fields(line)
		if len(fields) < 12 || !strings.HasPrefix(line, "20") {
			continue
		}
		if seconds, err := strconv.ParseFloat(fields[11], 64); err == nil {
			all = append(all, seconds*1e9)
		}
	}
	const start = 10
	return all[min(start, len(all)):], nil
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	return slices.Sorted(slices.Values(values))[(len(values)-1)/2]
}
