package talk

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"wirelab/cli/config"
	"wirelab/cli/term"
	"wirelab/lab/impair"
	"wirelab/lab/relay"
	"wirelab/load/connect"
)

// relayFlags are the flags of relay tcp and relay udp. Of a pair of impairments the
// first is to the target, the second back.
type relayFlags struct {
	hex                           bool
	delay, jitter                 []time.Duration
	lose, double, reorder, damage []float64
	rate                          []float64
	seed                          uint64
	readyFile                     string
	family                        term.Family
}

func (a *app) newRelayCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "relay",
		Short: "Show and impair what passes between clients and a server",
		Long: "Relays what clients send to a target, and what that answers. It shows what passes\n" +
			"(--hex), and delays, loses, doubles, reorders or damages it, in each direction, by\n" +
			"chances that follow from a seed.",
		Example: "  wirelab relay udp :9000 127.0.0.1:12345 --delay 20ms --lose 0.01\n  wirelab relay tcp :9000 127.0.0.1:12345 --hex",
	}
	cmd.AddCommand(a.newRelayOf("tcp"), a.newRelayOf("udp"), a.newRelayOf("unix"))
	return cmd
}

func (a *app) newRelayOf(network string) *cobra.Command {
	var f relayFlags
	cmd := &cobra.Command{
		Use:   network + " LISTEN TARGET",
		Short: "Relay " + map[string]string{"tcp": "TCP", "udp": "UDP", "unix": "what comes to a Unix socket"}[network],
		Long: relayLong(network) + "\n\nAn impairment with one value holds in both directions; with two, TO,FROM, the first\n" +
			"is on the way to the target and the second on the way back: --delay 20ms,0s.",
		Example: relayExample(network),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return term.Usagef("give where to listen and the target, as in: relay %s 9000 127.0.0.1:12345", network)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.runRelay(cmd, network, args, &f) },
	}
	flags := cmd.Flags()
	f.family.Add(cmd)
	term.AddLogs(cmd)
	flags.BoolVar(&f.hex, "hex", false, "show what passes as hexadecimal and text, with times")
	flags.DurationSliceVar(&f.delay, "delay", nil, "hold everything for this `time`, one way")
	flags.DurationSliceVar(&f.jitter, "jitter", nil, "vary the delay by up to this `time`; order is kept")
	if network == "udp" {
		flags.Float64SliceVar(&f.lose, "lose", nil, "lose this `share` of the datagrams, 0 to 1")
		flags.Float64SliceVar(&f.double, "double", nil, "let this `share` arrive twice")
		flags.Float64SliceVar(&f.reorder, "reorder", nil, "let this `share` overtake: it is not delayed")
	}
	flags.Float64SliceVar(&f.damage, "corrupt", nil, "turn a bit in this `share` of what passes")
	flags.Float64SliceVar(&f.rate, "rate", nil, "let so many `bits` a second pass, such as 1M")
	flags.Uint64Var(&f.seed, "seed", 1, "`number` that chances follow from")
	flags.StringVar(&f.readyFile, "ready-file", "", "`file` to write a JSON line to when the relay listens")
	return cmd
}

func relayLong(network string) string {
	switch network {
	case "udp":
		return "Listens on LISTEN, a port or [HOST]:PORT, and relays to TARGET until Ctrl-C, then sums\n" +
			"up. Without HOST it listens on 127.0.0.1. Of a TARGET with several addresses, each\n" +
			"client's is the first that does not refuse."
	case "unix":
		return "Listens at the path LISTEN and relays streams to TARGET, HOST:PORT or unix:PATH, until\n" +
			"Ctrl-C, then sums up."
	}
	return "Listens on LISTEN, a port or [HOST]:PORT, and relays to TARGET, HOST:PORT or unix:PATH,\n" +
		"until Ctrl-C, then sums up. Without HOST it listens on 127.0.0.1. What is neither shown\n" +
		"nor impaired passes inside the kernel (splice)."
}

func relayExample(network string) string {
	if network == "unix" {
		return "  wirelab relay unix front.sock 127.0.0.1:12345\n  wirelab relay unix front.sock unix:/run/server.sock --hex"
	}
	if network == "tcp" {
		return "  wirelab relay tcp 9000 127.0.0.1:12345 --hex\n  wirelab relay tcp 9000 127.0.0.1:12345 --delay 50ms --rate 10M"
	}
	return "  wirelab relay udp 9000 127.0.0.1:12345 --lose 0.1 --double 0.02\n  wirelab relay udp 9000 127.0.0.1:12345 --delay 20ms,0s --jitter 5ms --seed 7"
}

// way returns the impairments of a direction: 0 to the target, 1 back.
func (f *relayFlags) way(direction int) impair.Config {
	return impair.Config{
		Delay: ofPair(f.delay, direction), Jitter: ofPair(f.jitter, direction), Loss: ofPair(f.lose, direction),
		Double: ofPair(f.double, direction), Reorder: ofPair(f.reorder, direction), Corrupt: ofPair(f.damage, direction),
		Rate: ofPair(f.rate, direction),
	}
}

// ofPair returns the value of a direction where one value stands for both.
func ofPair[T any](values []T, direction int) (v T) {
	switch len(values) {
	case 0:
		return v
	case 1:
		return values[0]
	}
	return values[direction]
}

func (f *relayFlags) check() error {
	for name, n := range map[string]int{"delay": len(f.delay), "jitter": len(f.jitter), "lose": len(f.lose), "double": len(f.double),
		"reorder": len(f.reorder), "corrupt": len(f.damage), "rate": len(f.rate)} {
		if n > 2 {
			return term.Usagef("--%s takes one value, or two: TO,FROM", name)
		}
	}
	return nil
}

func (a *app) runRelay(cmd *cobra.Command, network string, args []string, f *relayFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	if f.hex && a.JSON {
		return term.Usagef("--hex is for people; wirelab packet capture -w has what passes for programs")
	}
	settings, err := a.Settings(cmd)
	if err != nil {
		return err
	}
	cfg, err := f.config(settings, network, args)
	if err != nil {
		return err
	}
	if f.hex {
		cfg.View = a.relayView(network)
	}
	logs := a.OpenClientLogs(settings)
	cfg.Log = logs.Component("relay")
	r, err := relay.Listen(cmd.Context(), cfg)
	if errors.Is(err, impair.ErrConfig) || errors.Is(err, relay.ErrTarget) {
		return term.Usagef("%w", err)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("relay: %w", term.ExplainHost(explainListen(err, network, cfg.Listen))), logs.Close())
	}
	if err := a.announceListening(network, r.Addr(), "relay to "+cfg.Target, f.readyFile); err != nil {
		return errors.Join(err, r.Close(), logs.Close())
	}
	begun := time.Now()
	err = r.Run(cmd.Context())
	return errors.Join(err, a.sumUpRelay(r.Counts(), time.Since(begun)), logs.Close())
}

// config makes of the arguments and flags what relay.Listen wants.
func (f *relayFlags) config(settings *config.Config, network string, args []string) (cfg relay.Config, err error) {
	cfg = relay.Config{Network: network, Listen: args[0], TargetNetwork: network, Seed: f.seed}
	if network != "unix" {
		if cfg.Listen, err = listenAddress(args[0]); err != nil {
			return cfg, err
		}
	}
	path, isPath := strings.CutPrefix(args[1], "unix:")
	switch {
	case isPath:
		cfg.TargetNetwork, cfg.Target = "unix", path
	default:
		if network == "unix" {
			cfg.TargetNetwork = "tcp"
		}
		cfg.Family = f.family.Network("")
		if cfg.Target, err = term.Target(settings, args[1:]); err != nil {
			return cfg, err
		}
	}
	cfg.To, cfg.From = f.way(0), f.way(1)
	return cfg, nil
}

// relayView shows what passes, with who sent it.
func (a *app) relayView(network string) func(string, relay.Direction, []byte) {
	view := connect.HexView(a.Stdout)
	var mu sync.Mutex
	offsets := map[string]*[2]uint64{} // of streams; as many as there are clients
	return func(client string, d relay.Direction, data []byte) {
		mu.Lock()
		defer mu.Unlock()
		if len(offsets) > relay.MaxClients {
			clear(offsets)
		}
		if offsets[client] == nil {
			offsets[client] = new([2]uint64)
		}
		kind := connect.EventSent
		if d == relay.ToClient {
			kind = connect.EventReceived
		}
		fmt.Fprintf(a.Stdout, "%s %s\n", client, d)
		_ = view(&connect.Event{Kind: kind, Time: time.Now(), Network: network, Offset: offsets[client][d], Data: data}) // what cannot be shown passes all the same
		offsets[client][d] += uint64(len(data))
	}
}

// relaySummary is the last line of relay -o json.
type relaySummary struct {
	Schema    string        `json:"schema"`
	Event     string        `json:"event"` // "stopped"
	Clients   uint64        `json:"clients"`
	BytesTo   uint64        `json:"bytes_to_target"`
	BytesFrom uint64        `json:"bytes_to_clients"`
	To        relayImpaired `json:"to_target"`
	From      relayImpaired `json:"to_clients"`
	Elapsed   float64       `json:"elapsed_s"`
}

type relayImpaired struct {
	Lost      uint64 `json:"lost"`
	Doubled   uint64 `json:"doubled"`
	Reordered uint64 `json:"reordered"`
	Corrupted uint64 `json:"corrupted"`
}

func newRelayImpaired(c impair.Counts) relayImpaired {
	return relayImpaired{c.Lost + c.Overflowed, c.Doubled, c.Reordered, c.Corrupted}
}

func (a *app) sumUpRelay(c relay.Counts, elapsed time.Duration) error {
	if a.JSON {
		return a.PrintEvent(relaySummary{
			Schema: "wirelab.relay/1", Event: "stopped", Clients: c.Clients, BytesTo: c.BytesTo, BytesFrom: c.BytesFrom,
			To: newRelayImpaired(c.ImpairedTo), From: newRelayImpaired(c.ImpairedFrom), Elapsed: elapsed.Seconds(),
		})
	}
	a.Note("relayed %s: %s to the target, %s back%s", term.Counted(c.Clients, "client"), term.Bytes(c.BytesTo), term.Bytes(c.BytesFrom),
		impairedWords(newRelayImpaired(c.ImpairedTo), newRelayImpaired(c.ImpairedFrom)))
	return nil
}

func impairedWords(to, from relayImpaired) string {
	words := ""
	for _, part := range []struct {
		what     string
		to, from uint64
	}{{"lost", to.Lost, from.Lost}, {"doubled", to.Doubled, from.Doubled}, {"reordered", to.Reordered, from.Reordered}, {"damaged", to.Corrupted, from.Corrupted}} {
		if part.to+part.from > 0 {
			words += fmt.Sprintf("; %s %s there and %s back", part.what, term.Count(part.to), term.Count(part.from))
		}
	}
	return words
}
