// Command packets measures wirelab's packet commands against their peers, in turns, in
// a network namespace of its own with a pair of veth interfaces. The sink is a MAC
// address that nobody has: frames are taken and dropped before IP sees them.
//
//	go run ./packets -wirelab ../wirelab
//
// It needs root, trafgen (netsniff-ng), tcpdump and capinfos (tshark), and about
// two minutes. Each measurement is told on standard error as it is taken. When it is
// interrupted it prints what it has; the namespace goes with it.
package main

import (
	"bytes"
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
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	var b bench
	flag.StringVar(&b.wirelab, "wirelab", "../wirelab", "the `program` to measure")
	flag.StringVar(&b.only, "only", "", "measure only floods, reading, capturing or pacing; several separated by `commas`")
	flag.IntVar(&b.rounds, "rounds", 3, "how often each pair is measured")
	flag.IntVar(&b.frames, "frames", 2_000_000, "frames of a flood")
	flag.DurationVar(&b.paced, "paced", 5*time.Second, "how long floods are paced, and captured")
	flag.Parse()
	if err := b.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "packets:", err)
		os.Exit(1)
	}
}

type bench struct {
	wirelab string
	only    string
	rounds  int
	frames  int
	paced   time.Duration
	dir     string
	ctx     context.Context
}

func (b *bench) run(ctx context.Context) (err error) {
	b.ctx = ctx
	if b.wirelab, err = filepath.Abs(b.wirelab); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "wirelab-packets-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	// Children inherit the namespace of the thread that starts them.
	runtime.LockOSThread()
	if err := syscall.Unshare(syscall.CLONE_NEWNET); err != nil {
		return fmt.Errorf("make a network namespace: %w", err)
	}
	if err := b.makePair("va", "vb", 1); err != nil {
		return err
	}
	for _, part := range []struct {
		name    string
		measure func() error
	}{{"floods", b.floods}, {"reading", b.reading}, {"capturing", b.capturing}, {"pacing", b.pacing}} {
		if b.only != "" && !slices.Contains(strings.Split(b.only, ","), part.name) {
			continue
		}
		if err := part.measure(); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}

// taken tells of a measurement.
func taken(format string, values ...any) { fmt.Fprintf(os.Stderr, format+"\n", values...) }

// makePair makes a veth whose second end takes live frames, with as many queues each way.
func (b *bench) makePair(first, second string, queues int) error {
	of := fmt.Sprintf(" numtxqueues %d numrxqueues %d ", queues, queues)
	for _, line := range []string{
		"link add name " + first + of + "type veth peer name " + second + of,
		"link set lo up", "link set " + first + " up", "link set " + second + " up",
	} {
		if out, err := exec.CommandContext(b.ctx, "ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", line, err, out)
		}
		for _, name := range []string{first, second} { // IPv6 would talk by itself
			_ = os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/disable_ipv6", []byte("1"), 0)
		}
	}
	return turnGROOn(second)
}

// turnGROOn is ethtool -K NAME gro on; it makes the peer take live frames.
func turnGROOn(name string) error {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	const ethtool, setGRO = 0x8946, 0x2c
	value := struct{ command, on uint32 }{setGRO, 1}
	var request struct {
		name [16]byte
		data unsafe.Pointer
		_    [16]byte
	}
	copy(request.name[:], name)
	request.data = unsafe.Pointer(&value)
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), ethtool, uintptr(unsafe.Pointer(&request))); errno != 0 {
		return errno
	}
	return nil
}

// cost is what a run of a program took.
type cost struct {
	seconds float64
	cpu     float64 // seconds of all cores
	memory  int64   // resident at most, in KiB
	out     []byte
}

func (b *bench) time(name string, args ...string) (cost, error) { return b.begin(name, args...)() }

// begin starts a program and returns what waits for its end.
func (b *bench) begin(name string, args ...string) (wait func() (cost, error)) {
	cmd := exec.CommandContext(b.ctx, name, args...)
	var out bytes.Buffer
	if name == b.wirelab && slices.Contains(args, "json") || name == "trafgen" {
		cmd.Stdout = &out // other output is thrown away
	}
	start := time.Now()
	err := cmd.Start()
	return func() (cost, error) {
		if err == nil {
			err = cmd.Wait()
		}
		c := cost{seconds: time.Since(start).Seconds(), out: out.Bytes()}
		if err != nil {
			return c, fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
		}
		c.cpu = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
		c.memory = cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss
		return c, nil
	}
}

// rows are the measurements of several things, each in every round.
type rows map[string][]float64

func (r rows) add(name string, value float64) { r[name] = append(r[name], value) }

// median is NaN where nothing was measured.
func (r rows) median(name string) float64 {
	values := slices.Sorted(slices.Values(r[name]))
	if len(values) == 0 {
		return math.NaN()
	}
	return values[len(values)/2]
}

// ratio is the median of a/b in the same round.
func (r rows) ratio(a, b string) float64 {
	ratios := make(rows)
	for i := range min(len(r[a]), len(r[b])) {
		ratios.add("", r[a][i]/r[b][i])
	}
	return ratios.median("")
}

const spec = "eth dst=02:00:00:00:00:09 / ip src=inc:10.64.37.1-10.64.37.254 dst=10.64.37.35 / udp sport=rand:1024-65535 dport=9 / zero 18"

// report is what wirelab packet flood says.
type report struct {
	Asked, Accepted uint64
	Interface       uint64 `json:"interface_sent"`
	Peer            struct{ Received uint64 }
	Duration        float64 `json:"duration_ns"`
	Rate            float64 `json:"rate_per_s"`
	Lateness        struct {
		Mean float64 `json:"mean_us"`
	}
}

// beginFlood starts wirelab packet flood and returns what waits for its report.
func (b *bench) beginFlood(device string, args ...string) (wait func() (report, error)) {
	all := append([]string{"packet", "flood", "-o", "json", "--iface", device}, strings.Fields(spec)...)
	ended := b.begin(b.wirelab, append(all, args...)...)
	return func() (r report, err error) {
		c, err := ended()
		if err == nil {
			err = json.Unmarshal(c.out, &r)
		}
		if err == nil && r.Accepted != r.Asked {
			err = fmt.Errorf("flood %v: the kernel did not take all: %+v", args, r)
		}
		return r, err
	}
}

// flood runs wirelab packet flood on va, where nobody else sends.
func (b *bench) flood(args ...string) (report, error) {
	r, err := b.beginFlood("va", args...)()
	if err == nil && (r.Interface != r.Asked || r.Peer.Received != r.Asked) {
		err = fmt.Errorf("flood %v: the counts do not agree: %+v", args, r)
	}
	return r, err
}

// sender is a program that floods, by so many workers on a CPU each.
type sender struct {
	via      string // "trafgen", or a back end of wirelab
	workers  int
	promised string // of the rate, against that of trafgen on one CPU
}

func (s sender) String() string { return fmt.Sprintf("%s %d", s.via, s.workers) }

// floods compares the back ends, which vary two fields, with trafgen sending one frame.
// One worker sends over a veth of one queue, two over one of two.
func (b *bench) floods() error {
	if err := b.makePair("wa", "wb", 2); err != nil {
		return err
	}
	senders := []sender{{"trafgen", 1, ""}, {"live", 1, ">= 3"}, {"xdp", 1, ">= 1.5"}, {"sendmmsg", 1, ">= 1.1"}}
	if runtime.NumCPU() > 1 {
		senders = append(senders, sender{"trafgen", 2, ""}, sender{"live", 2, ">= 3"}, sender{"xdp", 2, ">= 1.5"}, sender{"sendmmsg", 2, ">= 1.1"})
	}
	rates := make(rows)
	defer func() {
		fmt.Printf("\n## Floods of 60-byte frames over veth, the sink a MAC address that nobody has\n\n| by | workers, a CPU each | frames/s | x trafgen on one CPU | promised of that | x trafgen on as many |\n|---|---|---|---|---|---|\n")
		for _, s := range senders {
			fmt.Printf("| %s | %d | %.0f | %.2f | %s | %.2f |\n", s.via, s.workers, rates.median(s.String()),
				rates.ratio(s.String(), "trafgen 1"), s.promised, rates.ratio(s.String(), sender{via: "trafgen", workers: s.workers}.String()))
		}
	}()
	for range b.rounds {
		for _, s := range senders {
			rate, err := b.floodBy(s)
			if err != nil {
				return err
			}
			rates.add(s.String(), rate)
			taken("%-12s %.0f frames/s", s, rate)
		}
	}
	return nil
}

// floodBy returns how many frames a second left, of which none may be lost. What a program
// does before the first is in nobody's time.
func (b *bench) floodBy(s sender) (float64, error) {
	first, second := "va", "vb"
	if s.workers > 1 {
		first, second = "wa", "wb"
	}
	before, err := b.received(second)
	if err != nil {
		return 0, err
	}
	rate := 0.0
	if s.via == "trafgen" {
		rate, err = b.trafgen(first, s.workers)
	} else {
		var r report
		r, err = b.beginFlood(first, "--rate", "max", "--count", fmt.Sprint(b.frames), "--via", s.via, "--workers", fmt.Sprint(s.workers))()
		rate = r.Rate
	}
	if err != nil {
		return 0, err
	}
	after, err := b.received(second)
	if err == nil && after-before != b.frames {
		err = fmt.Errorf("%v: %d frames of %d arrived", s, after-before, b.frames)
	}
	return rate, err
}

// received is the counter of what came in by an interface.
func (b *bench) received(device string) (int, error) {
	out, err := exec.CommandContext(b.ctx, "ip", "-json", "-statistics", "link", "show", "dev", device).Output()
	if err != nil {
		return 0, fmt.Errorf("ip link show %s: %w", device, err)
	}
	var links []struct {
		Counters struct{ RX struct{ Packets int } } `json:"stats64"`
	}
	if err := json.Unmarshal(out, &links); err != nil || len(links) != 1 {
		return 0, fmt.Errorf("ip link show %s: %s: %w", device, out, err)
	}
	return links[0].Counters.RX.Packets, nil
}

// trafgenTime is what trafgen says of each CPU: how long it sent, and how much.
var trafgenTime = regexp.MustCompile(`(\d+) sec, (\d+) usec on CPU\d+`)

// trafgen sends one fixed frame again and again.
func (b *bench) trafgen(device string, cpus int) (float64, error) {
	file := filepath.Join(b.dir, "trafgen.cfg")
	config := "{ eth(da=02:00:00:00:00:09), ipv4(sa=10.64.37.1, da=10.64.37.35), udp(sp=5000, dp=9), fill(0x00, 18) }\n"
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return 0, err
	}
	c, err := b.time("trafgen", "--in", file, "--out", device, "--num", fmt.Sprint(b.frames), "--cpus", fmt.Sprint(cpus), "-q")
	if err != nil {
		return 0, err
	}
	each := trafgenTime.FindAllSubmatch(c.out, -1)
	if len(each) != cpus {
		return 0, fmt.Errorf("trafgen says nothing of its time: %s", c.out)
	}
	longest := 0.0
	for _, cpu := range each {
		seconds, _ := strconv.Atoi(string(cpu[1]))
		micros, _ := strconv.Atoi(string(cpu[2]))
		longest = max(longest, float64(seconds)+float64(micros)/1e6)
	}
	return float64(b.frames) / longest, nil
}

// reading compares the reading of a file of mixed frames.
func (b *bench) reading() error {
	file := filepath.Join(b.dir, "mixed.pcap")
	if err := b.makeMixed(file); err != nil {
		return err
	}
	ours := []string{b.wirelab, "packet", "read", file}
	programs := []struct {
		name    string
		command []string
	}{
		{"capinfos -c", []string{"capinfos", "-cM", file}},
		{"tcpdump -nvv", []string{"tcpdump", "-nvvr", file}},
		{"tcpdump -n", []string{"tcpdump", "-nr", file}},
		{"tcpdump -nq", []string{"tcpdump", "-nqr", file}},
		{"verify", append(slices.Clone(ours), "--verify", "-o", "json")},
		{"lines", ours},
	}
	seconds, memory := make(rows), make(map[string]int64)
	defer func() {
		fmt.Printf("\n## Reading 500,000 mixed frames\n\n| program | s | MiB |\n|---|---|---|\n")
		for _, p := range programs {
			fmt.Printf("| %s | %.3f | %.0f |\n", p.name, seconds.median(p.name), float64(memory[p.name])/1024)
		}
		fmt.Printf("\nverify: %.1f x faster than tcpdump -nvv (promised 40), %.1f x the time of capinfos -c (at most 4).\n", seconds.ratio("tcpdump -nvv", "verify"), seconds.ratio("verify", "capinfos -c"))
		fmt.Printf("lines: %.1f x faster than tcpdump -n (15), %.1f x than tcpdump -nq (8).\n", seconds.ratio("tcpdump -n", "lines"), seconds.ratio("tcpdump -nq", "lines"))
	}()
	for range b.rounds {
		for _, p := range programs {
			c, err := b.time(p.command[0], p.command[1:]...)
			if err != nil {
				return err
			}
			seconds.add(p.name, c.seconds)
			memory[p.name] = max(memory[p.name], c.memory)
			taken("%-12s %.3f s, CPU %.3f s", p.name, c.seconds, c.cpu)
		}
	}
	return nil
}

// capturing writes a million frames a second into a file. A core that sends over a veth
// receives too, and has no time for so many: as a device with several queues would, the
// veth spreads two floods over both cores. Each is paced somewhat faster, because the
// last run of live frames ends late.
func (b *bench) capturing() error {
	if err := b.makePair("ca", "cb", 2); err != nil {
		return err
	}
	each := int(b.paced.Seconds() * 600_000)
	capture := b.begin(b.wirelab, "packet", "capture", "--iface", "cb", "-o", "json", "-w", filepath.Join(b.dir, "capture.pcapng"),
		"--count", fmt.Sprint(2*each), "--duration", (4*b.paced + 5*time.Second).String())
	time.Sleep(time.Second)
	one := b.beginFlood("ca", "--rate", "600k", "--count", fmt.Sprint(each), "--via", "live")
	two, err := b.beginFlood("ca", "--rate", "600k", "--count", fmt.Sprint(each), "--via", "live")()
	first, failed := one()
	c, ended := capture()
	if err := errors.Join(err, failed, ended); err != nil {
		return err
	}
	var r struct{ Packets, Dropped uint64 }
	if err := json.Unmarshal(c.out, &r); err != nil {
		return err
	}
	rate := float64(2*each) / max(first.Duration, two.Duration) * 1e9
	fmt.Printf("\n## Capturing into a file\n\n%d of %d frames at %.0f/s are in the file, %d dropped by the kernel (promised: all, at 1,000,000/s); CPU of the capture %.2f s.\n", r.Packets, 2*each, rate, r.Dropped, c.cpu)
	return nil
}

// pacing compares the rates asked with those achieved.
func (b *bench) pacing() error {
	fmt.Printf("\n## Pacing over %v\n\n| asked | achieved | off by | mean lateness us |\n|---|---|---|---|\n", b.paced)
	for _, asked := range []float64{1_000, 10_000, 100_000} {
		r, err := b.flood("--rate", fmt.Sprint(int(asked)), "--count", fmt.Sprint(int(asked*b.paced.Seconds())))
		if err != nil {
			return err
		}
		fmt.Printf("| %.0f | %.2f | %.4f %% | %.1f |\n", asked, r.Rate, (r.Rate/asked-1)*100, r.Lateness.Mean)
	}
	fmt.Println("\nPromised: within 0.1 %.")
	return nil
}
